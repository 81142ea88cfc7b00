"""The microphone as a stream of bytes. The only importer of sounddevice, and that only when used.

PortAudio calls back on a thread of its own that must never wait. So what it brings goes through
a bounded queue; blocks that find it full are dropped and counted, never waited for.
"""

import importlib
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

from streamscribe.errors import StreamscribeError
from streamscribe.ingest import AudioFormat

BLOCKS_PER_S = 50
"""Short enough (20 ms) that nothing waits for a block to fill."""
WAITING_MAX_S = 30
"""Audio that may wait while the transcribing is late; what comes then is dropped."""
SILENT_MAX_S = 5.0
"""A device that delivers nothing for this long, not even silence, is gone."""
PORTAUDIO = {
    "linux": "sudo apt install libportaudio2   (Debian, Ubuntu)",
    "darwin": "brew install portaudio",
}
"""How to install PortAudio; its Python package brings it along elsewhere."""


class MicrophoneError(StreamscribeError):
    """There is no microphone that could be used."""

    code = "microphone"


class Microphone(Protocol):
    """An open microphone."""

    @property
    def name(self) -> str:
        """What the system calls it."""
        ...

    @property
    def format(self) -> AudioFormat:
        """What its blocks hold."""
        ...

    @property
    def dropped_s(self) -> float:
        """Seconds of audio that were lost."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """What is heard, until ``stop``. Raises ``MicrophoneError`` when the device is gone."""
        ...

    def stop(self) -> None:
        """End ``blocks`` after what was heard so far; signal handlers may call it."""
        ...


class Capture:
    """A ``Microphone`` that somebody else's thread fills."""

    def __init__(self, name: str, format: AudioFormat) -> None:
        self.name = name
        self.format = format
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._dropped_bytes = 0

    @property
    def dropped_s(self) -> float:
        """See ``Microphone``."""
        return self._dropped_bytes / self.format.frame_bytes / self.format.rate_hz

    def put(self, block: bytes) -> None:
        """Take ``1 / BLOCKS_PER_S`` of audio, or drop it; never waits."""
        if self._waiting.qsize() >= WAITING_MAX_S * BLOCKS_PER_S:
            self._dropped_bytes += len(block)
        else:
            self._waiting.put(block)

    def stop(self) -> None:
        """See ``Microphone``."""
        self._waiting.put(None)

    def blocks(self) -> Iterator[bytes]:
        """See ``Microphone``."""
        try:
            while (block := self._waiting.get(timeout=SILENT_MAX_S)) is not None:
                yield block
        except queue.Empty as error:
            raise MicrophoneError(
                f"{self.name} delivered nothing for {SILENT_MAX_S:g} s; is it still plugged in?"
            ) from error


def device_of(given: str | None) -> int | str | None:
    """A device as sounddevice takes it: its number, a part of its name, None for the default."""
    return int(given) if given is not None and given.isdecimal() else given


def devices() -> list[str]:
    """A line for every device that can record: number, name, channels, sample rate."""
    sounddevice = _sounddevice()
    default = sounddevice.default.device[0]
    return [
        f"{'*' if device['index'] == default else ' '} {device['index']:3}  {device['name']}"
        f"  ({device['max_input_channels']} channels, {device['default_samplerate']:.0f} Hz)"
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]


@contextmanager
def open_microphone(device: int | str | None) -> Iterator[Microphone]:
    """A microphone that is recording, at its own sample rate, while the block runs.

    Raises ``MicrophoneError``; ``AudioError`` if its rate isn't allowed.
    """
    sounddevice = _sounddevice()
    try:
        found = sounddevice.query_devices(device, "input")
        capture = Capture(found["name"], _format(sounddevice, device, found))
        stream = sounddevice.RawInputStream(
            device=device,
            samplerate=capture.format.rate_hz,
            channels=capture.format.channels,
            dtype="int16",
            blocksize=capture.format.rate_hz // BLOCKS_PER_S,
            callback=lambda heard, length, times, flags: capture.put(bytes(heard)),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise MicrophoneError(
            f"{'no microphone' if device is None else f'microphone {device!r}'} can be used:"
            f" {error}; 'streamscribe listen --list-devices' shows what there is"
        ) from error
    with stream:
        yield capture


def _format(
    sounddevice: ModuleType, device: int | str | None, found: dict[str, Any]
) -> AudioFormat:
    """The device's own rate, in mono if it can."""
    rate_hz = round(found["default_samplerate"])
    try:
        sounddevice.check_input_settings(
            device=device, channels=1, dtype="int16", samplerate=rate_hz
        )
    except sounddevice.PortAudioError:
        return AudioFormat("pcm_s16le", rate_hz, 2)
    return AudioFormat("pcm_s16le", rate_hz, 1)


def _sounddevice() -> ModuleType:
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        missing = MicrophoneError("microphones need the package sounddevice, which is missing")
        missing.add_note("to install it: pip install 'streamscribe[mic]'")
        raise missing from error
    except OSError as error:
        missing = MicrophoneError(f"microphones need the PortAudio library: {error}")
        mend = PORTAUDIO.get(sys.platform, "pip install --force-reinstall sounddevice")
        missing.add_note(f"to install it: {mend}")
        raise missing from error
