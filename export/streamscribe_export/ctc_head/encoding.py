"""Clips to encoder outputs: each pass changes the sound, some passes cut it as a stream is cut."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from streamscribe.model import Samples
from streamscribe_export.ctc_head.augmentation import Augmentation
from streamscribe_export.ctc_head.corpus import Clip, load
from streamscribe_export.ctc_head.encoder import FRAMES_PER_S, Encoder, Hidden, Windows
from streamscribe_export.ctc_head.spelling import spelled
from streamscribe_export.ctc_head.store import StoreWriter

STREAM: Final = Windows(left_ms=8000, hop_ms=500, right_ms=500)
"""The windows that the head is measured with."""

MOST_LETTERS_PER_FRAME: Final = 0.75
"""More text than this can't have been said: the label is wrong, or CTC has no path for it."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One encoding of a clip."""

    clip: Clip
    text: str
    number: int
    """Pass 0 hears the clip as it is; the others draw their changes from this number."""
    windowed: float = 0.0
    """Chance that the clip is cut as a stream."""
    stream: Windows | None = None
    """If given: cut exactly like this."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every worker process needs."""

    encoder: Path
    noise: Path | None
    seed: int


def passes(clips: Iterable[Clip], first: int, last: int, windowed: float) -> list[Pass]:
    """Passes ``first`` to ``last - 1`` of every clip whose text can be spelled."""
    labelled = [(clip, spelled(clip.text or "")) for clip in clips]
    return [
        Pass(clip, text, number, windowed)
        for number in range(first, last)
        for clip, text in labelled
        if text
    ]


def encode(
    work: Sequence[Pass],
    folder: Path,
    workshop: Workshop,
    *,
    workers: int,
    encoded: Callable[[float], None],
) -> int:
    """Encode ``work`` in order into a new store; how many were dropped as too short for their text.

    ``encoded`` is told the seconds of each.
    """
    writer, dropped = StoreWriter(folder), 0
    for item, hidden in zip(work, _encoded(work, workshop, workers), strict=True):
        if len(item.text) > MOST_LETTERS_PER_FRAME * len(hidden):
            dropped += 1
        else:
            writer.add(hidden, item.text, item.clip.source)
        encoded(len(hidden) / FRAMES_PER_S)
    writer.close()
    return dropped


def _encoded(work: Sequence[Pass], workshop: Workshop, workers: int) -> Iterator[Hidden]:
    with ProcessPoolExecutor(workers) as pool:
        block = 64 * workers  # bounds what waits to be written
        for first in range(0, len(work), block):
            chunk = work[first : first + block]
            yield from pool.map(_encode, chunk, [workshop] * len(chunk), chunksize=8)


def _encode(item: Pass, workshop: Workshop) -> Hidden:
    encoder, noises = _tools(workshop)
    samples = load(item.clip)
    if item.stream is not None:
        return encoder.windowed(samples, item.stream)
    name = hashlib.sha256(item.clip.name.encode()).digest()[:8]
    rng = np.random.default_rng((workshop.seed, item.number, int.from_bytes(name)))
    if item.number:
        samples = Augmentation().apply(samples, rng, noises)
    if rng.random() >= item.windowed:
        return encoder.whole(samples)
    return encoder.windowed(samples, _some_windows(rng))


def _some_windows(rng: np.random.Generator) -> Windows:
    """Like a stream's, but with longer hops, because every window costs a call."""
    return Windows(
        left_ms=int(rng.integers(1000, 6000)),
        hop_ms=int(rng.integers(800, 3000)),
        right_ms=int(rng.integers(240, 800)),
    )


@cache
def _tools(workshop: Workshop) -> tuple[Encoder, tuple[Samples, ...]]:
    files = sorted(workshop.noise.glob("*.*")) if workshop.noise else []
    noises = [soundfile.read(path, dtype="float32")[0] for path in files if path.suffix != ".jsonl"]
    return Encoder(workshop.encoder), tuple(noises)
