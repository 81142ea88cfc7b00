"""Measurements with a method: ``python -m bench NAME``. See docs/benchmarks.md."""
