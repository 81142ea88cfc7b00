"""Recordings to learn from: a folder with a ``manifest.jsonl``, one object a line.

An object has `audio` (a file in the folder) and may have `text`, `speaker`, `split` (`heldout` is
never trained on), `set` and `license`. Clips without text are labelled later, see ``labels``.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
import soundfile
import soxr

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

MANIFEST: Final = "manifest.jsonl"


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording or synthetic utterance."""

    path: Path
    text: str | None
    """As the corpus writes it; ``None`` where nobody knows."""
    speaker: str
    source: str
    """The set it comes from; what is balanced, and listed in the model card."""
    licence: str
    held_out: bool

    @property
    def name(self) -> str:
        """Unique within a corpus."""
        return self.path.name


def read_corpus(folder: Path) -> list[Clip]:
    """All clips of ``folder``, in the manifest's order.

    Raises ``click.ClickException`` if there is no manifest, or a line of it is not a clip.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise click.ClickException(
            f"no corpus at {folder}: expected a file {MANIFEST} in it, with one JSON object a line"
            " that has at least `audio`"
        )
    lines = manifest.read_text(encoding="utf-8").splitlines()
    return [_clip(folder, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def load(clip: Clip) -> Samples:
    """The clip's samples, mono at 16 kHz."""
    samples, rate = soundfile.read(clip.path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono, dtype=np.float32)


def split(clips: Iterable[Clip], validation_speakers: int) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on, and clips of other speakers to validate with.

    Of each source with enough speakers, every so-manieth is kept for validation, so that at most
    ``validation_speakers`` are; the corpus's own held-out clips are in neither list.
    """
    usable = [clip for clip in clips if not clip.held_out]
    kept = _spread_speakers(usable, validation_speakers)
    return (
        [clip for clip in usable if (clip.source, clip.speaker) not in kept],
        [clip for clip in usable if (clip.source, clip.speaker) in kept],
    )


def _spread_speakers(clips: Sequence[Clip], count: int) -> set[tuple[str, str]]:
    kept: set[tuple[str, str]] = set()
    for source in sorted({clip.source for clip in clips}):
        speakers = sorted({clip.speaker for clip in clips if clip.source == source})
        if len(speakers) >= 4 * count:
            step = len(speakers) // count
            kept |= {(source, speaker) for speaker in speakers[::step][:count]}
    return kept


def _clip(folder: Path, number: int, line: str) -> Clip:
    try:
        entry = json.loads(line)
        path = folder / str(entry["audio"])
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(
            f"{folder / MANIFEST}, line {number}: not a clip ({error!r})"
        ) from error
    return Clip(
        path=path,
        text=entry.get("text"),
        speaker=str(entry.get("speaker", "unknown")),
        source=str(entry.get("set", folder.name)),
        licence=str(entry.get("license", "unknown")),
        held_out=entry.get("split") == "heldout",
    )
