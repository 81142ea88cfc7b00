"""What NVIDIA's driver says of this machine's GPUs. Needs nothing but the driver's own library."""

import ctypes
import sys
from collections.abc import Callable

from streamscribe.device import Driver

_NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE."""
_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_NAME_BYTES = 256


def find_driver(load: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> Driver | None:
    """The driver and its GPUs, as ``CUDA_VISIBLE_DEVICES`` lets them be seen; ``None``: no driver.

    A driver that is installed and can't be started, as in a container without its devices, counts
    as none; one that sees no GPU has no ``gpus``.
    """
    try:
        library = load(_LIBRARY)
    except OSError:
        return None
    version, count = ctypes.c_int(), ctypes.c_int()
    started = library.cuInit(0)
    if started not in (0, _NO_DEVICE):
        return None
    library.cuDriverGetVersion(ctypes.byref(version))
    if started == 0:
        library.cuDeviceGetCount(ctypes.byref(count))
    return Driver(_cuda(version.value), tuple(_name(library, at) for at in range(count.value)))


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _name(library: ctypes.CDLL, index: int) -> str:
    handle, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    library.cuDeviceGet(ctypes.byref(handle), index)
    library.cuDeviceGetName(name, _NAME_BYTES, handle)
    return name.value.decode("utf-8", "replace") or "unnamed GPU"
