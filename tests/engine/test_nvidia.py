"""What the driver's library says, as calls in C give it."""

import ctypes
from types import SimpleNamespace

import pytest

from streamscribe.device import Driver
from streamscribe.nvidia import find_driver


class FakeLibrary:
    """libcuda with these GPUs."""

    def __init__(self, *gpus: str, started: int = 0) -> None:
        self._gpus = gpus
        self._started = started

    def cuInit(self, flags: int) -> int:
        return self._started

    def cuDriverGetVersion(self, version: SimpleNamespace) -> int:
        version._obj.value = 12_040
        return 0

    def cuDeviceGetCount(self, count: SimpleNamespace) -> int:
        count._obj.value = len(self._gpus)
        return 0

    def cuDeviceGet(self, handle: SimpleNamespace, index: int) -> int:
        handle._obj.value = 70 + index
        return 0

    def cuDeviceGetName(self, name: SimpleNamespace, size: int, handle: ctypes.c_int) -> int:
        name.value = self._gpus[handle.value - 70].encode()[: size - 1]
        return 0


def found(library: FakeLibrary) -> Driver | None:
    return find_driver(lambda name: library)  # type: ignore[arg-type, return-value]


def test_a_driver_tells_its_cuda_and_its_gpus_in_order() -> None:
    assert found(FakeLibrary("NVIDIA A10", "NVIDIA T4")) == Driver(
        "12.4", ("NVIDIA A10", "NVIDIA T4")
    )


def test_a_driver_that_sees_no_gpu_has_none() -> None:
    assert found(FakeLibrary(started=100)) == Driver("12.4", ())


def test_a_driver_that_does_not_start_is_none() -> None:
    assert found(FakeLibrary("NVIDIA A10", started=999)) is None


def test_a_machine_without_the_library_has_no_driver() -> None:
    def missing(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    assert find_driver(missing) is None


def test_the_library_is_asked_for_by_the_name_it_has_here(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def missing(name: str) -> ctypes.CDLL:
        asked.append(name)
        raise OSError

    find_driver(missing)
    assert asked in (["libcuda.so.1"], ["nvcuda.dll"])
