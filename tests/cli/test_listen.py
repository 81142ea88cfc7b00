import importlib
import signal
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from fakes_captions import ScriptedTranscriber, always, final, partial
from streamscribe.ingest import AudioFormat
from streamscribe_cli import listen, microphone
from streamscribe_cli.main import cli
from streamscribe_cli.microphone import (
    BLOCKS_PER_S,
    WAITING_MAX_S,
    Capture,
    Microphone,
    MicrophoneError,
    open_microphone,
)

FORMAT = AudioFormat("pcm_s16le", 48_000, 1)


class TalkingUntilInterrupted:
    """A microphone that hears one block; the next thing that happens is Ctrl-C."""

    name = "Desk microphone"
    format = FORMAT

    def __init__(self, dropped_s: float = 0.0) -> None:
        self.dropped_s = dropped_s
        self._stopped = False

    def blocks(self) -> Iterator[bytes]:
        yield b"\1\2"
        while not self._stopped:
            signal.raise_signal(signal.SIGINT)
        yield b"\3\4"

    def stop(self) -> None:
        self._stopped = True


def opening(microphone: Microphone) -> Callable[[object], object]:
    @contextmanager
    def opened(device: object) -> Iterator[Microphone]:
        yield microphone

    return opened


def listening(
    source: Microphone, scripted: ScriptedTranscriber, monkeypatch: pytest.MonkeyPatch
) -> Result:
    monkeypatch.setattr(listen, "open_microphone", opening(source))
    monkeypatch.setattr(listen, "make_transcriber", always(scripted))
    return CliRunner().invoke(cli, ["listen"])


def test_without_a_terminal_only_finals_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = ScriptedTranscriber(partial("Hel"), final("Hello."))
    result = listening(TalkingUntilInterrupted(), scripted, monkeypatch)
    assert (result.exit_code, result.stdout) == (0, "Hello.\n")
    assert result.stderr == "listening to Desk microphone; Ctrl-C ends\n"


def test_an_interrupt_loses_nothing_that_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = ScriptedTranscriber(final("Hello."))
    listening(TalkingUntilInterrupted(), scripted, monkeypatch)
    assert scripted.heard == [(FORMAT, b"\1\2\3\4")]


def test_a_second_interrupt_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(TalkingUntilInterrupted):
        def stop(self) -> None:
            pass

    result = listening(Deaf(), ScriptedTranscriber(final("Hello.")), monkeypatch)
    assert (result.exit_code, result.stdout) == (130, "")


def test_interrupts_are_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    unplugged = Capture("Desk microphone", FORMAT)
    unplugged.stop()
    listening(unplugged, ScriptedTranscriber(), monkeypatch)
    assert signal.getsignal(signal.SIGINT) is before


def test_lost_audio_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    result = listening(TalkingUntilInterrupted(1.5), ScriptedTranscriber(), monkeypatch)
    assert "warning: 1.5 s of audio were lost" in result.stderr


def test_a_capture_hands_on_what_came_before_it_was_stopped() -> None:
    capture = Capture("fake", FORMAT)
    capture.put(b"\1\2")
    capture.stop()
    capture.put(b"\3\4")
    assert list(capture.blocks()) == [b"\1\2"]


def test_a_capture_that_nobody_reads_drops_what_comes_and_counts_it() -> None:
    capture = Capture("fake", FORMAT)
    block = bytes(FORMAT.rate_hz // BLOCKS_PER_S * FORMAT.frame_bytes)
    for _ in range((WAITING_MAX_S + 2) * BLOCKS_PER_S):
        capture.put(block)
    capture.stop()
    assert capture.dropped_s == 2.0
    assert len(list(capture.blocks())) == WAITING_MAX_S * BLOCKS_PER_S


def test_a_device_that_falls_silent_for_good_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "SILENT_MAX_S", 0.01)
    with pytest.raises(MicrophoneError, match="fake delivered nothing for 0.01 s"):
        list(Capture("fake", FORMAT).blocks())


class PortAudioError(Exception):
    pass


class RawInputStream:
    """Delivers one block as soon as it is started."""

    def __init__(self, *, callback: Callable[..., None], **settings: object) -> None:
        self.settings = settings
        self._callback = callback

    def __enter__(self) -> "RawInputStream":
        self._callback(memoryview(b"\1\2"), 1, None, None)
        return self

    def __exit__(self, *error: object) -> None:
        pass


DESK = {"index": 3, "name": "Desk", "max_input_channels": 2, "default_samplerate": 44_100.0}
SPEAKER = {"index": 0, "name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0}


@pytest.fixture
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A sounddevice with one microphone, at 44.1 kHz."""

    def query_devices(device: object = None, kind: str | None = None) -> object:
        if device not in (None, 3, "Desk"):
            raise ValueError(f"No input device matching {device!r}")
        return [SPEAKER, DESK] if kind is None else DESK

    fake = types.ModuleType("sounddevice")
    vars(fake).update(
        PortAudioError=PortAudioError,
        RawInputStream=RawInputStream,
        check_input_settings=lambda **settings: None,
        default=types.SimpleNamespace(device=(3, 0)),
        query_devices=query_devices,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_works_at_its_own_rate_in_mono(sounddevice: types.ModuleType) -> None:
    with open_microphone(None) as opened:
        opened.stop()
        assert list(opened.blocks()) == [b"\1\2"]
        assert (opened.name, opened.format) == ("Desk", AudioFormat("pcm_s16le", 44_100, 1))


def test_a_microphone_that_can_not_do_mono_is_opened_in_stereo(
    sounddevice: types.ModuleType,
) -> None:
    def refuse(**settings: object) -> None:
        raise PortAudioError("Invalid number of channels")

    vars(sounddevice)["check_input_settings"] = refuse
    with open_microphone("Desk") as opened:
        assert opened.format.channels == 2


def test_an_unknown_microphone_is_named(sounddevice: types.ModuleType) -> None:
    with pytest.raises(MicrophoneError, match="'Attic'.*--list-devices"), open_microphone("Attic"):
        pass


def test_the_microphones_are_listed_with_the_default_marked(
    sounddevice: types.ModuleType,
) -> None:
    result = CliRunner().invoke(cli, ["listen", "--list-devices"])
    assert result.stdout == "*   3  Desk  (2 channels, 44100 Hz)\n* is the default\n"


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = CliRunner().invoke(cli, ["listen", "--list-devices"])
    assert result.exit_code == 1
    assert "pip install 'streamscribe[mic]'" in result.stderr


@pytest.mark.parametrize(
    ("platform", "mend"),
    [("linux", "sudo apt install libportaudio2"), ("darwin", "brew install portaudio")],
)
def test_without_portaudio_the_systems_own_package_is_named(
    platform: str, mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> types.ModuleType:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(importlib, "import_module", missing)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(MicrophoneError) as raised, open_microphone(None):
        pass
    assert mend in raised.value.__notes__[0]
