"""A load of many live streams from one process, and what it shows about a server."""
