"""Clips of real speech with their references, from a folder with a ``manifest.jsonl``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    name: str
    kind: str
    text: str
    """What was said; empty when nobody knows, or nothing was."""
    samples: Samples
    """(n,) float32 at 16 kHz."""
    speech: tuple[tuple[float, float], ...] = ()
    """Voiced spans in seconds, marked by hand."""

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.samples) / SAMPLE_RATE


def load_clips(folder: Path, limit: int | None = None) -> list[Clip]:
    """The first ``limit`` clips of the manifest, in its order. Raises ``ValueError`` for a clip
    that is not 16 kHz mono."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [_load(folder, json.loads(line)) for line in lines[:limit]]


def silence(seconds: float) -> Samples:
    """Digital silence, (n,)."""
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def join(pieces: Sequence[Samples], gap_s: float) -> Samples:
    """All pieces in order, with silence between them."""
    gap = silence(gap_s)
    parts = [part for piece in pieces for part in (piece, gap)]
    return np.concatenate(parts[:-1])


def spread(clips: Sequence[Clip], seconds: float) -> list[Clip]:
    """Clips from all over the list until ``seconds`` of audio are reached; always the same ones."""
    chosen: list[Clip] = []
    stride = 7
    order = [index for first in range(stride) for index in range(first, len(clips), stride)]
    for index in order:
        if sum(clip.seconds for clip in chosen) >= seconds:
            break
        chosen.append(clips[index])
    return chosen


def _load(folder: Path, entry: dict[str, object]) -> Clip:
    name = str(entry["audio"])
    samples, rate = soundfile.read(folder / name, dtype="float32")
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise ValueError(f"{folder / name}: got {rate} Hz, shape {samples.shape}; want 16 kHz mono")
    marks = entry.get("speech") or []
    assert isinstance(marks, list)
    return Clip(
        name=name,
        kind=str(entry.get("kind", "")),
        text=str(entry.get("text") or ""),
        samples=samples,
        speech=tuple((float(start), float(end)) for start, end in marks),
    )
