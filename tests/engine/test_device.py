"""How devices are asked for, and what is said when one can't be had."""

import pytest

from fakes_runtime import A10, CPU, CUDA, TENSORRT, TWO
from streamscribe.device import (
    SWITCH,
    Device,
    Driver,
    Kind,
    Surroundings,
    best_first,
    obstacle,
    parse_devices,
)
from streamscribe.errors import OptionError

FOR_CPU = Surroundings(("onnxruntime 1.24.0",), ("AzureExecutionProvider", CPU), None)
FOR_GPU = Surroundings(("onnxruntime-gpu 1.24.0",), (TENSORRT, CUDA, CPU), A10)


@pytest.mark.parametrize(
    ("asked", "devices"),
    [
        ("auto", ()),
        ("cpu", (Device(Kind.CPU),)),
        ("cuda", (Device(Kind.CUDA, 0),)),
        ("cuda:3", (Device(Kind.CUDA, 3),)),
        ("tensorrt", (Device(Kind.TENSORRT, 0),)),
        (" cuda:0, tensorrt:1 ", (Device(Kind.CUDA, 0), Device(Kind.TENSORRT, 1))),
    ],
)
def test_devices_are_asked_for_by_kind_and_number(asked: str, devices: tuple[Device, ...]) -> None:
    assert parse_devices(asked) == devices


@pytest.mark.parametrize(
    "asked", ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1000", "cpu:0", "cuda,", "auto,cuda"]
)
def test_anything_else_is_refused_with_what_is_allowed(asked: str) -> None:
    with pytest.raises(OptionError, match=r"allowed: auto, cpu, cuda\[:N\], tensorrt\[:N\]"):
        parse_devices(asked)


@pytest.mark.parametrize("asked", ["cpu,cuda", "cpu,cpu"])
def test_the_processor_shares_with_no_other_device(asked: str) -> None:
    with pytest.raises(OptionError):
        parse_devices(asked)


@pytest.mark.parametrize("asked", ["cuda,cuda:0", "cuda:1,tensorrt:1"])
def test_a_gpu_is_named_once(asked: str) -> None:
    with pytest.raises(OptionError, match="allowed: each GPU once"):
        parse_devices(asked)


@pytest.mark.parametrize("asked", ["cpu", "cuda:0", "tensorrt:2"])
def test_a_device_is_written_as_it_is_asked_for(asked: str) -> None:
    assert [str(device) for device in parse_devices(asked)] == [asked]


def test_the_processor_can_always_be_had() -> None:
    assert obstacle(Device(Kind.CPU), FOR_CPU) is None


def test_a_runtime_for_processors_is_named_with_the_command_that_switches() -> None:
    refusal = obstacle(Device(Kind.CUDA), FOR_CPU)
    assert str(refusal) == (
        "device cuda:0 can't be used: ONNX Runtime was built without CUDAExecutionProvider;"
        " here are onnxruntime 1.24.0 with AzureExecutionProvider, CPUExecutionProvider;"
        f" no NVIDIA driver; to switch: {SWITCH}"
    )


def test_a_runtime_for_gpus_without_a_driver_is_told_so() -> None:
    there = Surroundings(FOR_GPU.packages, FOR_GPU.providers, None)
    refusal = str(obstacle(Device(Kind.CUDA), there))
    assert "no NVIDIA driver answers" in refusal
    assert "install the GPU's driver" in refusal
    assert SWITCH not in refusal


def test_a_driver_without_a_gpu_has_none_to_give() -> None:
    there = Surroundings(FOR_GPU.packages, FOR_GPU.providers, Driver("12.4", ()))
    assert "there is no GPU 0, the driver shows 0" in str(obstacle(Device(Kind.CUDA), there))


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are() -> None:
    there = Surroundings(FOR_GPU.packages, FOR_GPU.providers, TWO)
    refusal = str(obstacle(Device(Kind.TENSORRT, 2), there))
    assert "device tensorrt:2 can't be used: there is no GPU 2, the driver shows 2" in refusal
    assert "0: NVIDIA A10, 1: NVIDIA T4" in refusal


def test_without_a_gpu_auto_is_the_processor() -> None:
    assert [str(device) for device in best_first(FOR_CPU)] == ["cpu"]


def test_auto_tries_the_first_gpu_and_never_tensorrt() -> None:
    there = Surroundings(FOR_GPU.packages, FOR_GPU.providers, TWO)
    assert [str(device) for device in best_first(there)] == ["cuda:0", "cpu"]


def test_a_gpu_without_a_provider_for_it_is_unused() -> None:
    assert Surroundings(FOR_CPU.packages, FOR_CPU.providers, A10).gpu_unused
    assert not FOR_GPU.gpu_unused
    assert not FOR_CPU.gpu_unused
