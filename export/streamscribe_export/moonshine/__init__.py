"""Moonshine's weights, taken out of the vendor's graphs and drawn into our own."""
