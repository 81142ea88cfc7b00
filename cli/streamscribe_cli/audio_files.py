"""Recordings as streams of bytes: read block by block, so a long one takes no more memory.

What is wrong with a recording as a whole is an ``AudioError``. Where only a part is missing, what
is there is read and the rest is warned about.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from streamscribe.errors import AudioError, InvalidSample
from streamscribe.ingest import AudioFormat

BLOCK_S = 1
RAW_BLOCK_BYTES = 1 << 16
MISSING_MIN_S = 0.1
"""Lossy formats state their length this exactly at best."""
PLACEHOLDER_MIN_BYTES = 0x7FFF_0000
"""From here on the size in a WAV header is what programs write that can't know it yet."""
CONTAINERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3", b"FORM": "AIFF"}
"""How files begin that say their own format."""

Warn: TypeAlias = Callable[[str], None]


class UnusableRecording(AudioError):
    """There is nothing in a recording that could be transcribed."""

    code = "unusable_recording"


class RawSource(Protocol):
    """Where raw audio comes from; ``sys.stdin.buffer`` is one."""

    def read1(self, size: int, /) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """Audio of known format, to be read once."""

    format: AudioFormat
    length_s: float | None
    """``None`` where only the end will tell."""
    blocks: Iterator[bytes]
    """Whole samples of every channel. Raises ``AudioError`` if they can't be used."""


@contextmanager
def open_recording(path: Path, warn: Warn) -> Iterator[Recording]:
    """The recording in a WAV, FLAC, OGG, MP3 or AIFF file, as 32-bit floats at its own rate.

    Raises ``AudioError``: the file can't be opened, isn't audio, or its format isn't allowed.
    """
    with _open(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise UnusableRecording("the file is empty (0 bytes)")
        with _decoder(path, file) as sound:
            if sound.frames == 0:
                raise UnusableRecording(f"the {sound.format} file holds no audio (0 samples)")
            format = AudioFormat("pcm_f32le", sound.samplerate, sound.channels)
            _warn_if_cut_short(path, warn)
            length_s = sound.frames / sound.samplerate
            yield Recording(format, length_s, _decoded(sound, warn))


def raw_recording(source: RawSource, format: AudioFormat, warn: Warn) -> Recording:
    """Raw samples in ``format``, handed on as soon as they come."""
    return Recording(format, None, _raw(source, format.frame_bytes, warn))


def _open(path: Path) -> BinaryIO:
    if path.is_dir():
        raise UnusableRecording("this is a folder, not a file")
    if path.suffix.lower() == ".raw":
        raise UnusableRecording(
            "raw audio does not say its format; give it as '-' with --rate, --channels and"
            f" --encoding: streamscribe transcribe - --rate 16000 < {shlex.quote(str(path))}"
        )
    try:
        return path.open("rb")
    except OSError as error:
        raise UnusableRecording(error.strerror or str(error)) from error


def _decoder(path: Path, file: BinaryIO) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise UnusableRecording(
            f"not a WAV, FLAC, OGG, MP3 or AIFF file that can be read"
            f" ({error.error_string.rstrip('.')}); if it is audio or video of another kind,"
            f" convert it: ffmpeg -i {shlex.quote(str(path))} recording.flac"
        ) from error


def _decoded(sound: soundfile.SoundFile, warn: Warn) -> Iterator[bytes]:
    rate_hz = sound.samplerate
    done_len = 0
    try:
        # Whole seconds: soundfile seeks after every read, and in MP3 each seek costs exactness.
        while len(block := sound.read(BLOCK_S * rate_hz, dtype="float32", always_2d=True)):
            _refuse_invalid(block, done_len)
            done_len += len(block)
            yield block.astype("<f4", copy=False).tobytes()
    except soundfile.LibsndfileError as error:
        if done_len == 0:
            raise UnusableRecording(f"the file is damaged: {error.error_string}") from error
    if sound.frames - done_len > MISSING_MIN_S * rate_hz:
        warn(
            f"the file is damaged or cut short: {done_len / rate_hz:.1f} s of"
            f" {sound.frames / rate_hz:.1f} s could be read"
        )


def _refuse_invalid(block: npt.NDArray[np.float32], at: int) -> None:
    finite = np.isfinite(block)
    if not finite.all():
        row, channel = np.argwhere(~finite)[0]
        raise InvalidSample(got=float(block[row, channel]), at=at + int(row))


def _warn_if_cut_short(path: Path, warn: Warn) -> None:
    """Warn of a WAV file that ends before its header says."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                held = path.stat().st_size - file.tell()
                if held < size < PLACEHOLDER_MIN_BYTES:
                    warn(
                        f"the file is cut short: its header promises {size} bytes of audio,"
                        f" it holds {held}; transcribing those"
                    )
                return
            file.seek(size + size % 2, os.SEEK_CUR)


def _raw(source: RawSource, frame_bytes: int, warn: Warn) -> Iterator[bytes]:
    received_bytes = 0
    rest = b""
    while data := source.read1(RAW_BLOCK_BYTES):
        if received_bytes == 0:
            _refuse_container(data)
        received_bytes += len(data)
        data = rest + data
        whole_bytes = len(data) - len(data) % frame_bytes
        rest = data[whole_bytes:]
        if whole_bytes:
            yield data[:whole_bytes]
    if received_bytes == 0:
        raise UnusableRecording("nothing came (0 bytes)")
    if rest:
        warn(
            f"the last {len(rest)} of {received_bytes} bytes are no whole sample"
            f" ({frame_bytes} bytes); left out"
        )


def _refuse_container(data: bytes) -> None:
    for magic, kind in CONTAINERS.items():
        if data.startswith(magic):
            raise UnusableRecording(
                f"this is a {kind} file, not raw audio; name the file instead of '-'"
            )
