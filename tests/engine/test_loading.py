"""A model on the device that is asked for, or on the best that really works."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from fakes import ScriptedModel
from fakes_runtime import A10, CPU, CUDA, TWO, FakeRuntime, installed
from streamscribe import converting, recognizer
from streamscribe.device import Device
from streamscribe.errors import DeviceUnavailable, OptionError
from streamscribe.loading import ModelChoice, load_one, load_recognizers
from streamscribe.onnx_graph import Placement, open_graph, placement
from streamscribe.options import SessionOptions


class PlacedModel(ScriptedModel):
    """A scripted model with one graph, which the runtime opens."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._graph = open_graph(Path("encoder.onnx"), 1, device)

    @property
    def placements(self) -> tuple[Placement, ...]:
        return (placement("encoder", self._graph),)


class ModelThatCanNotRun(PlacedModel):
    """A provider that was created and lacks something all the same."""

    def warm_up(self) -> None:
        if self.placements[0].provider != CPU:
            raise RuntimeError("libcudnn.so.9 is missing")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What is loaded in place of a bundle: ``kind``."""
    made = SimpleNamespace(kind=PlacedModel)

    def load(bundle: object, *, device: Device, **how: object) -> PlacedModel:
        model: PlacedModel = made.kind(device)
        return model

    monkeypatch.setattr(recognizer, "load_model", load)
    monkeypatch.setattr(converting, "ready_bundle", lambda model, models_dir: None)
    return made


def devices(asked: str) -> list[str]:
    return [str(loaded.device) for loaded in load_recognizers(ModelChoice(device=asked))]


def test_the_processor_is_used_where_it_is_asked_for(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime())
    assert devices("cpu") == ["cpu"]


def test_auto_takes_a_gpu_that_works(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assigned = {CUDA: ["MatMul"], CPU: ["Shape"]}
    installed(monkeypatch, FakeRuntime(assigned=assigned))
    [loaded] = load_recognizers(ModelChoice())
    assert (str(loaded.device), loaded.passed_over) == ("cuda:0", "")
    assert loaded.placements == (Placement("encoder", CUDA, {"Shape": 1}),)


def test_auto_without_a_gpu_is_the_processor_and_nothing_was_passed_over(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(providers=[CPU]), None)
    [loaded] = load_recognizers(ModelChoice())
    assert (str(loaded.device), loaded.passed_over) == ("cpu", "")


def test_auto_passes_over_a_gpu_that_does_not_work_and_says_why(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(monkeypatch, FakeRuntime(not_created=[CUDA]))
    with caplog.at_level(logging.WARNING):
        [loaded] = load_recognizers(ModelChoice())
    assert str(loaded.device) == "cpu"
    assert "device cuda:0 can't be used" in loaded.passed_over
    assert loaded.passed_over in caplog.text


def test_auto_passes_over_a_gpu_on_which_the_model_can_not_run(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.kind = ModelThatCanNotRun
    installed(monkeypatch, FakeRuntime())
    [loaded] = load_recognizers(ModelChoice())
    assert str(loaded.device) == "cpu"
    assert "libcudnn.so.9 is missing" in loaded.passed_over


def test_auto_passes_over_a_gpu_that_would_leave_the_work_to_the_processor(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assigned = {CUDA: ["Softmax"], CPU: ["MatMulInteger", "DynamicQuantizeLinear"]}
    installed(monkeypatch, FakeRuntime(assigned=assigned))
    [loaded] = load_recognizers(ModelChoice())
    assert str(loaded.device) == "cpu"
    assert "the processor would compute MatMulInteger" in loaded.passed_over


@pytest.mark.parametrize("assigned", [None, {}])
def test_auto_passes_over_a_gpu_of_which_it_is_not_told_whether_it_does_the_work(
    assigned: dict[str, list[str]] | None,
    models: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, FakeRuntime(assigned=assigned))
    [loaded] = load_recognizers(ModelChoice())
    assert str(loaded.device) == "cpu"
    assert "the runtime does not tell" in loaded.passed_over


def test_a_gpu_that_is_asked_for_is_used_though_the_processor_does_the_work(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(assigned={CPU: ["MatMulInteger"]}))
    assert devices("cuda") == ["cuda:0"]


def test_a_gpu_that_is_asked_for_and_not_created_is_never_replaced(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(not_created=[CUDA]))
    with pytest.raises(DeviceUnavailable, match="device cuda:0"):
        load_recognizers(ModelChoice(device="cuda"))


def test_a_gpu_on_which_the_model_can_not_run_is_an_error_with_its_cause(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.kind = ModelThatCanNotRun
    installed(monkeypatch, FakeRuntime())
    with pytest.raises(DeviceUnavailable, match="libcudnn.so.9 is missing") as refused:
        load_recognizers(ModelChoice(device="cuda"))
    assert isinstance(refused.value.__cause__, RuntimeError)


def test_each_device_of_a_list_gets_a_model_of_its_own(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(), TWO)
    options = SessionOptions(partials=False)
    loaded = load_recognizers(ModelChoice(device="cuda:1,cuda:0"), options)
    assert [str(one.device) for one in loaded] == ["cuda:1", "cuda:0"]
    assert loaded[0].recognizer.model is not loaded[1].recognizer.model
    assert all(one.recognizer.options == options for one in loaded)


def test_a_list_with_one_device_that_can_not_be_had_is_refused(
    models: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(), A10)
    with pytest.raises(DeviceUnavailable, match="device cuda:1"):
        load_recognizers(ModelChoice(device="cuda:0,cuda:1"))


def test_whoever_serves_one_stream_takes_one_device(models: SimpleNamespace) -> None:
    with pytest.raises(OptionError, match="allowed: one device"):
        load_one(ModelChoice(device="cuda:0,cuda:1"))


def test_an_unknown_device_is_refused_before_a_model_is_looked_for() -> None:
    with pytest.raises(OptionError, match="option 'device' is 'gpu'"):
        load_recognizers(ModelChoice("no-such-model", device="gpu"))


def test_a_real_model_says_where_each_of_its_graphs_runs() -> None:
    [loaded] = load_recognizers(ModelChoice(device="cpu", threads=1))
    assert loaded.placements == (Placement("encoder", CPU, {}), Placement("decoder", CPU, {}))
