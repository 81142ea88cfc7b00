"""What the streams of a load play: recordings one after the other with pauses, over and over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np

from streamscribe.codec import to_int16
from streamscribe.errors import AudioError
from streamscribe.ingest import Ingest
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE
from streamscribe_cli.audio_files import UnusableRecording, open_recording

SAMPLE_BYTES: Final = 2
"""PCM16, mono."""
PAUSE_MS: Final = (400, 1_600)
"""Shortest and longest pause between recordings, beyond the silence that closes a segment."""


@dataclass(frozen=True, slots=True)
class Programme:
    """One loop of audio that all streams share, each from its own place on."""

    pcm: bytes
    """PCM16, 16 kHz, mono."""
    speech_len: int
    """Samples of recordings; the rest is pauses."""

    @property
    def length(self) -> int:
        """Samples of the loop."""
        return len(self.pcm) // SAMPLE_BYTES

    def packets(self, start_at: int, packet_len: int) -> Iterator[bytes | memoryview]:
        """Packets of ``packet_len`` samples from ``start_at`` on, without end."""
        view = memoryview(self.pcm)
        at, step = start_at * SAMPLE_BYTES, packet_len * SAMPLE_BYTES
        while True:
            packet: bytes | memoryview = view[at : at + step]
            missing = step - len(packet)
            while missing > 0:
                packet = bytes(packet) + self.pcm[:missing]
                missing = step - len(packet)
            yield packet
            at = (at + step) % len(self.pcm)

    def starts(self, streams: int, seed: int) -> list[int]:
        """Where each of ``streams`` begins: spread over the loop, the same for the same seed."""
        places = np.arange(streams) + np.random.default_rng([seed, streams]).random(streams)
        return [int(place) for place in places * self.length / streams]


def make_programme(
    recordings: Sequence[Samples], *, endpoint_silence_ms: int, seed: int
) -> Programme:
    """A loop of ``recordings`` (each (n,) float32 at 16 kHz), the same for the same seed.

    A pause after each closes its segment by silence. Raises ``ValueError`` when there is nothing
    to play.
    """
    if not any(len(samples) for samples in recordings):
        raise ValueError(f"{len(recordings)} recordings hold no audio; at least one must")
    chance = np.random.default_rng(seed)
    pieces: list[Samples] = []
    for index in chance.permutation(len(recordings)):
        pause_ms = endpoint_silence_ms + int(chance.integers(*PAUSE_MS))
        pause = np.zeros(SAMPLE_RATE * pause_ms // 1_000, dtype=np.float32)
        pieces += [recordings[index], pause]
    pcm = to_int16(np.concatenate(pieces)).tobytes()
    return Programme(pcm, sum(len(samples) for samples in recordings))


def read_recording(path: Path) -> Samples:
    """All of a file at 16 kHz, mono. Raises ``UnusableRecording`` that names the file."""

    def warn(message: str) -> None:
        click.echo(f"warning: {path}: {message}", err=True)

    try:
        with open_recording(path, warn) as recording:
            ingest = Ingest(recording.format)
            pieces = [ingest.receive(block) for block in recording.blocks]
            return np.concatenate([*pieces, ingest.finish()])
    except AudioError as error:
        raise UnusableRecording(f"{path}: {error}") from error
