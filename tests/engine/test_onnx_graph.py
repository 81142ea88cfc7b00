"""Graphs are opened on the device that was asked for, or not at all."""

import sys
from pathlib import Path

import pytest

from fakes_runtime import A10, CPU, CUDA, TENSORRT, TWO, FakeRuntime, installed
from streamscribe import onnx_graph
from streamscribe.device import SWITCH, Device, Kind
from streamscribe.errors import BrokenModel, DeviceUnavailable
from streamscribe.onnx_graph import Placement, open_graph, placement

FILE = Path("encoder.onnx")
FIRST, SECOND = Device(Kind.CUDA), Device(Kind.CUDA, 1)


def test_on_the_processor_no_library_is_loaded_and_no_gpu_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = installed(monkeypatch, FakeRuntime())
    open_graph(FILE, 2)
    [(providers, options, _)] = runtime.opened
    assert (providers, runtime.preloaded, runtime.severity) == ([CPU], 0, 2)
    assert vars(options)["intra_op_num_threads"] == 2


def test_a_graph_on_a_gpu_has_the_gpus_provider_first_and_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = installed(monkeypatch, FakeRuntime(), TWO)
    graph = open_graph(FILE, 2, SECOND)
    [([(name, options), last], _, more)] = runtime.opened
    assert (name, last, graph.get_providers()[0]) == (CUDA, CPU, CUDA)
    assert options["device_id"] == "1"
    assert "enable_cuda_graph" not in options
    assert more == {"enable_fallback": False}


def test_the_libraries_that_pip_installs_are_loaded_first_and_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = installed(monkeypatch, FakeRuntime(prints="Failed to load libcublas\n"))
    open_graph(FILE, 1, FIRST)
    assert (runtime.preloaded, capsys.readouterr().out) == (1, "")


def test_a_runtime_that_goes_on_in_silence_without_the_gpu_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = installed(monkeypatch, FakeRuntime(not_created=[CUDA]))
    with pytest.raises(DeviceUnavailable) as refused:
        open_graph(FILE, 1, FIRST)
    assert len(runtime.opened) == 1, "the runtime did open a session, on the processor"
    assert str(refused.value).startswith(
        "device cuda:0 can't be used: CUDAExecutionProvider can't be created: "
    )
    assert SWITCH in str(refused.value)


def test_tensorrt_is_not_satisfied_by_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    installed(monkeypatch, FakeRuntime(not_created=[TENSORRT]))
    with pytest.raises(DeviceUnavailable, match="device tensorrt:0 can't be used"):
        open_graph(FILE, 1, Device(Kind.TENSORRT))


def test_the_library_that_is_lacking_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cuda.so").write_bytes(b"not a library")
    monkeypatch.setattr(sys, "platform", "linux")
    installed(monkeypatch, FakeRuntime(not_created=[CUDA], folder=tmp_path))
    with pytest.raises(DeviceUnavailable, match="libonnxruntime_providers_cuda.so"):
        open_graph(FILE, 1, FIRST)


def test_what_the_runtime_raises_about_a_gpu_is_passed_on_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnx_graph, "_lacking", lambda device: "")
    installed(monkeypatch, FakeRuntime(raises=RuntimeError("CUDA out of memory")))
    with pytest.raises(DeviceUnavailable, match="CUDA out of memory") as refused:
        open_graph(FILE, 1, FIRST)
    assert isinstance(refused.value.__cause__, RuntimeError)


def test_a_broken_file_is_no_fault_of_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeRuntime(broken_file=True))
    with pytest.raises(BrokenModel, match="not a graph"):
        open_graph(FILE, 1, FIRST)


def test_a_device_that_can_not_be_had_is_refused_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = installed(monkeypatch, FakeRuntime(providers=[CPU]))
    with pytest.raises(DeviceUnavailable, match="built without CUDAExecutionProvider"):
        open_graph(FILE, 1, FIRST)
    assert runtime.opened == []


def test_tensorrt_keeps_its_engines_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onnx_graph, "default_models_dir", lambda: tmp_path / "models")
    runtime = installed(monkeypatch, FakeRuntime())
    open_graph(FILE, 1, Device(Kind.TENSORRT))
    [([(first, options), (second, _), last], _, _)] = runtime.opened
    assert (first, second, last) == (TENSORRT, CUDA, CPU)
    assert options["trt_engine_cache_path"] == str(tmp_path / "tensorrt")
    assert options["trt_fp16_enable"] == "1"
    assert (tmp_path / "tensorrt").is_dir()


def test_a_graph_on_the_processor_has_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeRuntime())
    assert placement("encoder", open_graph(FILE, 1)) == Placement("encoder", CPU, {})


def test_nodes_that_the_processor_computes_beside_a_gpu_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assigned = {CUDA: ["MatMul", "Softmax"], CPU: ["MatMulInteger", "Shape", "Shape"]}
    runtime = installed(monkeypatch, FakeRuntime(assigned=assigned))
    found = placement("encoder", open_graph(FILE, 1, FIRST))
    assert found == Placement("encoder", CUDA, {"MatMulInteger": 1, "Shape": 2})
    assert found.labour_on_cpu == ("MatMulInteger",)
    assert runtime.opened[0][1].entries["session.record_ep_graph_assignment_info"] == "1"


@pytest.mark.parametrize("assigned", [None, {}])
def test_a_runtime_that_does_not_tell_is_not_guessed_at(
    assigned: dict[str, list[str]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(assigned=assigned))
    found = placement("encoder", open_graph(FILE, 1, FIRST))
    assert (found.on_cpu, found.labour_on_cpu) == (None, ())


def test_packages_providers_and_driver_are_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeRuntime(providers=[CUDA, CPU]), A10)
    there = onnx_graph.surroundings()
    assert there.packages == ("onnxruntime 1.24.0", "onnxruntime-gpu 1.24.0")
    assert (there.providers, there.driver) == ((CUDA, CPU), A10)


def test_the_real_runtime_says_where_a_graph_runs(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "square", ports[:1], ports[1:])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, ir_version=8, opset_imports=opsets), tmp_path / "square.onnx")
    opened = open_graph(tmp_path / "square.onnx", 1)
    assert placement("square", opened) == Placement("square", CPU, {})
