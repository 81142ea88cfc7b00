"""From a corpus and a folder of texts to a head: every stage in order, each kept on disk.

::

    corpus ── split ──┬─ train ──── labels ──┐
                      └─ validation ─ labels ─┼─ encoder outputs ── training ── bundle
    texts ── sentences ── synthetic speech ──┘

A stage whose result is in the working folder is not done again: remove a folder there to redo it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from streamscribe_export.ctc_head.corpus import MANIFEST, Clip, read_corpus, split
from streamscribe_export.ctc_head.display import Display
from streamscribe_export.ctc_head.encoding import STREAM, Pass, Workshop, encode, passes
from streamscribe_export.ctc_head.labels import labelled
from streamscribe_export.ctc_head.prose import read_texts, sample
from streamscribe_export.ctc_head.store import INDEX, Store
from streamscribe_export.ctc_head.synthesis import synthesise

SENTENCES_PER_HOUR: Final = 1500
"""More than enough: a sentence takes four seconds or so."""

VALIDATION_SPEAKERS: Final = 25
"""Of each set that has four times as many; they are never learned from."""

VALIDATION: Final = "validation"
STREAMED_VALIDATION: Final = "validation-streamed"


@dataclass(frozen=True, slots=True)
class Share:
    """How often the clips of a source are encoded, and how many encodings an epoch has."""

    passes: int
    weight: float = 1.0
    late: float = 1.0
    """Takes the place of ``weight`` in the last epochs."""
    windowed: float = 0.3
    """Chance that an encoding is cut as a stream."""
    clean: bool = True
    """Whether the first pass is the clip as it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what comes out, beside the corpus and the texts."""

    shares: Mapping[str, Share]
    others: Share = Share(passes=2)
    """Of sources that ``shares`` doesn't name."""
    synthetic_hours: float = 0
    left_out: Sequence[str] = field(default_factory=tuple)
    """Sources that are not learned from."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Place:
    """What is read, and where everything is kept."""

    corpus: Path
    texts: Sequence[Path]
    noise: Path | None
    kokoro: Path | None
    """Folder of Kokoro's speakers; ``None``: without that voice."""
    encoder: Path
    work: Path
    workers: int

    def store(self, name: str) -> Path:
        """Folder of the encoder outputs called ``name``."""
        return self.work / "encoded" / name


def gather(place: Place, plan: Plan, display: Display) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on and to validate with, all with text; synthetic ones included."""
    place.work.mkdir(parents=True, exist_ok=True)
    clips = [clip for clip in read_corpus(place.corpus) if clip.source not in plan.left_out]
    training, validation = split(clips, VALIDATION_SPEAKERS)
    named = place.work / "labels.jsonl"
    with display.counting("labelling what has no text", len(training) + len(validation)) as heard:
        both = [
            labelled(part, named, threads=place.workers, heard=lambda _: heard(1))
            for part in (training, validation)
        ]
    return both[0] + _synthetic(place, plan, display), both[1]


def _synthetic(place: Place, plan: Plan, display: Display) -> list[Clip]:
    if not plan.synthetic_hours:
        return []
    folder = place.work / "synthetic"
    if not (folder / MANIFEST).is_file():
        texts = read_texts(place.texts)
        count = round(plan.synthetic_hours * SENTENCES_PER_HOUR)
        sentences = sample(texts, count, np.random.default_rng(plan.seed))
        with display.counting("synthetic speech", plan.synthetic_hours * 3600) as made:
            synthesise(
                sentences,
                folder,
                kokoro=place.kokoro,
                hours=plan.synthetic_hours,
                workers=place.workers,
                seed=plan.seed,
                made=made,
            )
    return read_corpus(folder)


def encode_all(
    place: Place, plan: Plan, training: Sequence[Clip], validation: Sequence[Clip], display: Display
) -> list[Store]:
    """Encoder outputs of all that is learned from, one store a source; validation, too."""
    workshop = Workshop(place.encoder, place.noise, plan.seed)
    whole = passes(validation, 0, 1, windowed=0)
    streamed = [Pass(item.clip, item.text, 0, stream=STREAM) for item in whole]
    work = {VALIDATION: whole, STREAMED_VALIDATION: streamed}
    sources = sorted({clip.source for clip in training})
    for source in sources:
        share = plan.shares.get(source, plan.others)
        clips = [clip for clip in training if clip.source == source]
        first = 0 if share.clean else 1
        work[source] = passes(clips, first, first + share.passes, share.windowed)
    for name, items in work.items():
        folder = place.store(name)
        if not (folder / INDEX).is_file():
            with display.counting(f"encoding {name}", len(items)) as encoded:
                encode(
                    items,
                    folder,
                    workshop,
                    workers=place.workers,
                    encoded=lambda _: encoded(1),
                )
    return [Store(place.store(source)) for source in sources]
