"""What a model runs on: how it is asked for, what the machine has, and why something can't be had.

Nothing here touches a runtime or a driver. ``onnx_graph.py`` finds out what there is and opens
graphs; what was asked for and can't be had is ``DeviceUnavailable``, never another device.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamscribe.errors import DeviceUnavailable, OptionError

AUTO: Final = "auto"
GPU_PACKAGE: Final = "onnxruntime-gpu"
GPU_WANTED: Final = f"{GPU_PACKAGE}[cuda,cudnn]>=1.24"
SWITCH: Final = f'pip uninstall -y onnxruntime {GPU_PACKAGE} && pip install "{GPU_WANTED}"'
"""Both packages write the same files, so both go before one comes."""
ALLOWED: Final = f"{AUTO}, cpu, cuda[:N], tensorrt[:N], or several of the last two with commas"
_ONE: Final = re.compile(r"(cpu)|(cuda|tensorrt)(?::([0-9]{1,3}))?")


class Kind(StrEnum):
    """What computes."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


PROVIDERS: Final = {
    Kind.CPU: "CPUExecutionProvider",
    Kind.CUDA: "CUDAExecutionProvider",
    Kind.TENSORRT: "TensorrtExecutionProvider",
}


@dataclass(frozen=True, slots=True)
class Device:
    """One processor for one copy of a model."""

    kind: Kind
    index: int = 0
    """Number of the GPU, as the driver counts them; 0 for a CPU."""

    @property
    def provider(self) -> str:
        """The execution provider that must be in use."""
        return PROVIDERS[self.kind]

    @property
    def on_gpu(self) -> bool:
        """Whether it needs a GPU."""
        return self.kind is not Kind.CPU

    def __str__(self) -> str:
        """As it is asked for."""
        return f"{self.kind}:{self.index}" if self.on_gpu else str(self.kind)


CPU: Final = Device(Kind.CPU)


@dataclass(frozen=True, slots=True)
class Driver:
    """An NVIDIA driver that answers."""

    cuda: str
    """Newest version of CUDA that it supports, like ``12.4``."""
    gpus: tuple[str, ...]
    """Names of the GPUs that this process may use, in the driver's order."""

    def __str__(self) -> str:
        """For messages."""
        gpus = ", ".join(f"{index}: {name}" for index, name in enumerate(self.gpus))
        return f"NVIDIA driver for CUDA {self.cuda} with {gpus or 'no GPU'}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to run models on."""

    packages: tuple[str, ...]
    """Those that hold ONNX Runtime, with versions, like ``onnxruntime 1.24.0``."""
    providers: tuple[str, ...]
    """Execution providers that the runtime was built with."""
    driver: Driver | None

    @property
    def gpu_unused(self) -> bool:
        """Whether there is a GPU that this runtime has no provider for."""
        has_gpu = self.driver is not None and bool(self.driver.gpus)
        return has_gpu and PROVIDERS[Kind.CUDA] not in self.providers

    def __str__(self) -> str:
        """For messages."""
        packages = " and ".join(self.packages) or "an ONNX Runtime of unknown package"
        driver = self.driver or "no NVIDIA driver"
        return f"{packages} with {', '.join(self.providers)}; {driver}"


def parse_devices(asked: str) -> tuple[Device, ...]:
    """The devices that are asked for, each once; none for ``auto``.

    asked: ``auto``, ``cpu``, ``cuda`` (the first GPU), ``cuda:1``, ``tensorrt``, ``tensorrt:1``,
    or a list such as ``cuda:0,cuda:1``: one copy of the model on each.
    Raises ``OptionError`` for anything else, and for a device that is named twice.
    """
    if asked.strip() == AUTO:
        return ()
    devices = tuple(_parse_one(part.strip(), asked) for part in asked.split(","))
    if CPU in devices and len(devices) > 1:
        raise OptionError(name="device", got=asked, allowed=ALLOWED)
    gpus = [device.index for device in devices]
    if len(set(gpus)) < len(gpus):
        raise OptionError(name="device", got=asked, allowed="each GPU once")
    return devices


def _parse_one(part: str, asked: str) -> Device:
    match = _ONE.fullmatch(part)
    if match is None:
        raise OptionError(name="device", got=asked, allowed=ALLOWED)
    cpu, kind, index = match.groups()
    return CPU if cpu else Device(Kind(kind), int(index or 0))


def best_first(there: Surroundings) -> tuple[Device, ...]:
    """What ``auto`` tries: the first GPU where there is one, then the processor.

    Never TensorRT, which builds an engine for every new shape, for minutes: that must be asked for.
    """
    cuda = Device(Kind.CUDA)
    return (cuda, CPU) if obstacle(cuda, there) is None else (CPU,)


def obstacle(device: Device, there: Surroundings) -> DeviceUnavailable | None:
    """Why a device can't be had, as far as that shows before a graph is opened."""
    if not device.on_gpu:
        return None
    if device.provider not in there.providers:
        return unavailable(device, there, f"ONNX Runtime was built without {device.provider}")
    if there.driver is None:
        return unavailable(device, there, "no NVIDIA driver answers", mend=NO_DRIVER)
    if device.index >= len(there.driver.gpus):
        count = len(there.driver.gpus)
        why = f"there is no GPU {device.index}, the driver shows {count}"
        return unavailable(device, there, why, mend=NO_SUCH_GPU if count else NO_DRIVER)
    return None


def unavailable(
    device: Device, there: Surroundings, why: str, *, mend: str | None = None
) -> DeviceUnavailable:
    """The error that says so.

    mend: what helps; ``None``: the command that installs the runtime for GPUs, and its libraries.
    """
    switch = f"to switch: {SWITCH}"
    if device.kind is Kind.TENSORRT:
        switch += "; TensorRT's own libraries must be where the loader looks (LD_LIBRARY_PATH)"
    return DeviceUnavailable(device=str(device), why=why, there=str(there), mend=mend or switch)


NO_DRIVER: Final = (
    "install the GPU's driver (nvidia-smi must list the GPU), or in a container pass the GPU"
    " on (--gpus all); without one: --device cpu"
)
NO_SUCH_GPU: Final = "ask for one of those, or widen CUDA_VISIBLE_DEVICES"
