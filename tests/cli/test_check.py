import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes_bundle import whole_bundle
from streamscribe.bundle import load_bundle
from streamscribe_cli import check
from streamscribe_cli.check import Speed, State, measure, microphone, model, package, providers
from streamscribe_cli.main import cli


class NoPortAudio:
    """Stands for a package whose import fails because a library of the system is missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


@pytest.fixture(autouse=True)
def recognizer(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A recognizer that knows every word at once."""
    fake = types.ModuleType("streamscribe.recognizer")
    vars(fake)["load_recognizer"] = lambda model, models_dir: model
    vars(fake)["transcribe"] = lambda recognizer, samples: []
    monkeypatch.setitem(sys.modules, "streamscribe.recognizer", fake)
    return fake


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
    finding = model(here)
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
    assert microphone() == check.Finding("microphone", State.OK, "Desk microphone")


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


def test_the_provider_in_use_is_told_from_those_that_are_only_available() -> None:
    finding = providers(("CUDAExecutionProvider", "CPUExecutionProvider"))
    assert finding.said == "CPUExecutionProvider is used; also available: CUDAExecutionProvider"


def test_a_runtime_without_the_provider_that_is_used_is_broken() -> None:
    assert providers(("CUDAExecutionProvider",)).state is State.BROKEN


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
    monkeypatch.setattr(check, "measure", lambda decode, audio_s: Speed(audio_s, 2 * audio_s))
    assert "too slow for a live stream" in run().stdout
