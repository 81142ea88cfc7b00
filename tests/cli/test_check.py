import json
import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes import make_recognizer
from fakes_bundle import whole_bundle
from fakes_runtime import A10, FakeRuntime, installed
from streamscribe import onnx_graph
from streamscribe.bundle import load_bundle
from streamscribe.device import CPU, SWITCH, Device, Kind
from streamscribe.errors import DeviceUnavailable
from streamscribe.loading import Loaded, ModelChoice
from streamscribe.onnx_graph import Placement
from streamscribe.store import DEFAULT_MODEL
from streamscribe_cli import check, speeds
from streamscribe_cli.check import microphone, model, package
from streamscribe_cli.findings import Finding, State
from streamscribe_cli.main import cli
from streamscribe_cli.speeds import Speed, measure


class NoPortAudio:
    """Stands for a package whose import fails because a library of the system is missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ModelChoice]:
    """What was to be loaded; every recognizer knows every word at once."""
    choices: list[ModelChoice] = []
    graphs = (Placement("encoder", CPU.provider, {}), Placement("decoder", CPU.provider, {}))

    def load(choice: ModelChoice) -> list[Loaded]:
        choices.append(choice)
        return [Loaded(CPU, make_recognizer(), graphs)]

    monkeypatch.setattr(speeds, "load_recognizers", load)
    monkeypatch.setattr(speeds, "_decode", lambda recognizer, samples: None)
    return choices


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A sounddevice with one microphone."""
    fake = types.ModuleType("sounddevice")
    vars(fake)["PortAudioError"] = type("PortAudioError", (Exception,), {})
    vars(fake)["query_devices"] = lambda kind: {"name": "Desk microphone"}
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A default model whose files are all here; the folder they are in."""
    folder = whole_bundle(tmp_path)
    monkeypatch.setattr(check, "ready_bundle", lambda name, where: load_bundle(folder, where))
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["check", *arguments])


def test_a_whole_installation_is_reported_with_its_speed_and_exit_code_0(here: Path) -> None:
    result = run("--json")
    report = json.loads(result.stdout)
    subjects = [finding["subject"] for finding in report["findings"]]
    assert (result.exit_code, report["ok"]) == (0, True)
    assert {"python", "onnxruntime", "numpy", "execution", "model", "microphone"} < set(subjects)
    assert report["speed"]["audio_s"] == 11.0


def test_each_finding_is_one_line_for_people(here: Path) -> None:
    lines = run().stdout.splitlines()
    assert any(line.split()[:3] == ["ok", "model", "tiny-xx,"] for line in lines)


def test_a_missing_model_is_broken_and_comes_with_the_command_that_mends_it(here: Path) -> None:
    (here / "encoder_model.ort").unlink()
    result = run()
    assert result.exit_code == 1
    assert "to mend it: streamscribe models pull moonshine-tiny-en" in result.stdout


def test_a_wrong_model_file_is_broken(here: Path) -> None:
    (here / "encoder_model.ort").write_bytes(b"half")
    finding = model(DEFAULT_MODEL, here)
    assert (finding.state, "has sha256" in finding.said) == (State.BROKEN, True)


def test_the_speed_is_not_measured_when_something_is_broken(here: Path) -> None:
    (here / "encoder_model.ort").unlink()
    assert json.loads(run("--json").stdout)["speed"] is None


def test_a_package_that_everybody_needs_is_broken_when_it_is_missing() -> None:
    finding = package("no_such_module", mend="pip install it")
    assert (finding.state, finding.mend) == (State.BROKEN, "pip install it")


def test_a_package_that_not_everybody_needs_only_limits() -> None:
    assert package("no_such_module", mend="", optional=True).state is State.LIMITED


def test_the_microphone_is_named(sounddevice: types.ModuleType) -> None:
    assert microphone() == Finding("microphone", State.OK, "Desk microphone")


def test_a_machine_without_a_microphone_is_only_limited(sounddevice: types.ModuleType) -> None:
    def nothing(kind: str) -> object:
        raise vars(sounddevice)["PortAudioError"]("no input device")

    vars(sounddevice)["query_devices"] = nothing
    assert (microphone().state, microphone().mend) == (State.LIMITED, None)


def test_without_the_package_for_microphones_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert microphone().mend == "pip install 'streamscribe[mic]'"


@pytest.mark.parametrize(
    ("platform", "command"),
    [("linux", "sudo apt install libportaudio2"), ("darwin", "brew install portaudio")],
)
def test_without_portaudio_the_systems_own_package_is_named(
    platform: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoPortAudio(), *sys.meta_path])
    monkeypatch.setattr(sys, "platform", platform)
    assert microphone().mend == command


def test_what_is_in_use_is_said_of_every_graph(here: Path) -> None:
    result = run()
    assert "in use        cpu: encoder, decoder on CPUExecutionProvider\n" in result.stdout
    [device] = json.loads(run("--json").stdout)["devices"]
    assert (device["device"], device["speed"]["audio_s"]) == ("cpu", 11.0)
    assert device["graphs"][1] == {
        "graph": "decoder", "provider": "CPUExecutionProvider", "on_cpu": {},
    }  # fmt: skip


def test_the_model_and_the_device_that_are_asked_for_are_the_ones_that_are_tried(
    here: Path, asked: list[ModelChoice]
) -> None:
    run("--model", "whisper-base", "--device", "cuda:0,cuda:1")
    run()
    assert [(choice.model, choice.device) for choice in asked] == [
        ("whisper-base", "cuda:0,cuda:1"),
        ("moonshine-tiny-en", "auto"),
    ]


def test_a_device_that_was_asked_for_and_can_not_be_had_is_broken(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(choice: ModelChoice) -> list[Loaded]:
        raise DeviceUnavailable(device="cuda:0", why="no", there="nothing", mend="buy one")

    monkeypatch.setattr(speeds, "load_recognizers", refuse)
    result = run("--device", "cuda")
    assert result.exit_code == 1
    assert "BROKEN   in use        device cuda:0 can't be used: no; " in result.stdout


def test_a_device_that_nobody_knows_is_bad_usage(here: Path, asked: list[ModelChoice]) -> None:
    assert (run("--device", "gpu").exit_code, asked) == (2, [])


def test_a_gpu_that_this_runtime_can_not_use_is_a_hint_and_no_failure(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, FakeRuntime(providers=[CPU.provider]), A10)
    monkeypatch.setattr(onnx_graph, "version", only("onnxruntime"))
    result = run()
    assert result.exit_code == 0
    assert "limited  execution     a GPU is left unused: " in result.stdout
    assert f"to mend it: {SWITCH}" in result.stdout


def test_a_gpu_in_reach_is_no_hint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeRuntime(), A10)
    monkeypatch.setattr(onnx_graph, "version", only("onnxruntime-gpu"))
    assert "ok       execution     onnxruntime-gpu 1.24.0 with Tensorrt" in run().stdout


def test_both_packages_at_once_are_a_hint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, FakeRuntime(), A10)
    finding = speeds.execution(onnx_graph.surroundings())
    assert (finding.state, finding.mend) == (State.LIMITED, SWITCH)
    assert "overwrite each other's files" in finding.said


def test_a_runtime_without_the_provider_for_processors_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed(monkeypatch, FakeRuntime(providers=["CUDAExecutionProvider"]))
    assert speeds.execution(onnx_graph.surroundings()).state is State.BROKEN


def on_cuda(on_cpu: dict[str, int] | None, passed_over: str = "") -> Finding:
    graphs = (Placement("encoder", "CUDAExecutionProvider", on_cpu),)
    return speeds.in_use(Loaded(Device(Kind.CUDA), make_recognizer(), graphs, passed_over))


def test_small_nodes_beside_a_gpu_are_named_and_do_no_harm() -> None:
    finding = on_cuda({"Shape": 3, "Gather": 1})
    assert finding.state is State.OK
    assert finding.said == (
        "cuda:0: encoder on CUDAExecutionProvider;"
        " computed by the processor all the same: 3 Shape, 1 Gather"
    )


def test_labour_beside_a_gpu_limits() -> None:
    assert on_cuda({"MatMulInteger": 12}).state is State.LIMITED


def test_what_the_runtime_does_not_tell_is_not_claimed() -> None:
    assert "the runtime does not tell" in on_cuda(None).said


def test_what_auto_passed_over_limits_and_is_said() -> None:
    finding = on_cuda({}, "device cuda:1 can't be used: it is warm")
    assert finding.state is State.LIMITED
    assert finding.said.endswith("; device cuda:1 can't be used: it is warm")


def only(package: str) -> Callable[[str], str]:
    def version(name: str) -> str:
        if name != package:
            raise PackageNotFoundError(name)
        return "1.24.0"

    return version


def ticks(*times: float) -> Callable[[], float]:
    left: Iterator[float] = iter(times)
    return lambda: next(left)


def test_only_the_second_run_is_timed() -> None:
    runs: list[str] = []
    measured = measure(lambda: runs.append("run"), audio_s=10.0, clock=ticks(5.0, 6.0))
    assert (len(runs), measured.rtf) == (2, 0.1)


@pytest.mark.parametrize(("compute_s", "streams"), [(0.99, 7), (6.9, 1), (7.1, 0)])
def test_live_streams_leave_a_part_of_the_time_free(compute_s: float, streams: int) -> None:
    assert Speed(audio_s=10.0, compute_s=compute_s).live_streams == streams


def test_a_machine_that_is_too_slow_is_told_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "measure", lambda decode, audio_s: Speed(audio_s, 2 * audio_s))
    assert "too slow for a live stream" in run().stdout
