"""The distribution's version, read by the build and by every package that states it."""

__version__ = "0.1.0"
