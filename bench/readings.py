"""Real speech for sessions that last: recordings in turn, as one long reading each."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import numpy as np

from bench.corpus import Clip, load_clips, silence
from bench.live import to_pcm

GAP_S: Final = 0.6
"""Silence between two recordings."""
BYTES_PER_S: Final = 32_000
_BLOCK_S: Final = 0.1

Reading = tuple[Clip, ...]
"""Recordings, one after the other."""


def readings(speech: Path, sessions: int, seconds: float) -> list[Reading]:
    """A reading of at least ``seconds`` for every session; each begins with another recording."""
    clips = [clip for name in ("dev", "long") for clip in load_clips(speech / name)]
    return [_reading(clips, one * len(clips) // sessions, seconds) for one in range(sessions)]


def _reading(clips: list[Clip], first: int, seconds: float) -> Reading:
    chosen: list[Clip] = []
    for clip in islice(cycle(clips), first, None):
        if seconds_of(tuple(chosen)) >= seconds:
            break
        chosen.append(clip)
    return tuple(chosen)


def seconds_of(reading: Reading) -> float:
    """Length, gaps included."""
    return sum(clip.seconds + GAP_S for clip in reading)


async def at_once(reading: Reading) -> AsyncIterator[bytes]:
    """PCM16 at 16 kHz in frames of a second, as fast as they are taken."""
    for clip in reading:
        pcm = _pcm(clip)
        for start in range(0, len(pcm), BYTES_PER_S):
            yield pcm[start : start + BYTES_PER_S]


async def as_spoken(reading: Reading) -> AsyncIterator[bytes]:
    """The same in frames of a tenth of a second, each when it has been spoken."""
    due_s = time.monotonic()
    for clip in reading:
        pcm = _pcm(clip)
        for start in range(0, len(pcm), round(_BLOCK_S * BYTES_PER_S)):
            block = pcm[start : start + round(_BLOCK_S * BYTES_PER_S)]
            due_s += len(block) / BYTES_PER_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            yield block


def _pcm(clip: Clip) -> bytes:
    return to_pcm(np.concatenate((clip.samples, silence(GAP_S))))
