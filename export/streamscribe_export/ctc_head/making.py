"""The order of ``streamscribe finetune``: everything is gathered, learned, measured and written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click
import torch

from streamscribe_export.ctc_head.batches import Item
from streamscribe_export.ctc_head.display import Display
from streamscribe_export.ctc_head.network import Head, Shape
from streamscribe_export.ctc_head.pronouncing import AMERICAN, espeak, pronounce
from streamscribe_export.ctc_head.recipe import (
    STREAMED_VALIDATION,
    VALIDATION,
    VALIDATION_SPEAKERS,
    Place,
    Plan,
    Share,
    encode_all,
    gather,
)
from streamscribe_export.ctc_head.scoring import error_rates
from streamscribe_export.ctc_head.shipping import rounded, write_bundle
from streamscribe_export.ctc_head.store import Store
from streamscribe_export.ctc_head.training import Lesson, Progress, Schedule, train
from streamscribe_export.ctc_head.vocabulary import characters, learn_pieces
from streamscribe_export.ctc_head.voices import FLITE_VOICES

PIECES: Final = 960

LIBRISPEECH: Final = "librispeech_train_clean_251spk"
QUICK: Final = Share(passes=1, late=0.35, windowed=0.25, clean=False)
"""Of voices that speak fast and all alike: they teach how words are spelled."""

SHARES: Final = {
    LIBRISPEECH: Share(passes=8, weight=0.5, late=0.6, windowed=0.35),
    "speechocean762": Share(passes=1, weight=0.25, late=0.25, windowed=0),
    "dctts_rerecorded_lj": Share(passes=1, windowed=0),
    "asterisk_en": Share(passes=1, windowed=0),
    "synthetic_kokoro": Share(passes=6, windowed=0.25),
    "synthetic_joe": Share(passes=3, weight=0.8, late=0.6, windowed=0.25, clean=False),
    "synthetic_hibari": QUICK,
    **{f"synthetic_{voice}": replace(QUICK, weight=0.6, late=0.2) for voice in FLITE_VOICES},
}
"""Of the shipped head: what is most like the speech that it is measured on is heard most."""

LEFT_OUT: Final = ("picovoice_barista", "picovoice_wakewords")
"""One speaker and a few hundred words: an hour of it teaches less than a minute of the others."""

SCHEDULE: Final = Schedule(seed=1, epochs=12, late_epochs=3, most_frames=9000)


@dataclass(frozen=True, slots=True)
class Order:
    """What ``streamscribe finetune`` was asked for."""

    corpus: Path
    texts: Sequence[Path]
    noise: Path | None
    kokoro: Path | None
    synthetic_hours: float
    epochs: int | None
    """``None``: as the shipped head."""
    output: Path
    threads: int
    encoder: Path
    encoder_bundle: Path


def make(order: Order, display: Display | None = None) -> None:
    """Make the head and write its bundle; see ``recipe`` for the stages.

    Raises ``click.ClickException`` for what is missing.
    """
    display = display or Display()
    espeak(AMERICAN, with_stress=False)  # needed last, but a day's work should not end without it
    torch.set_num_threads(order.threads)
    torch.manual_seed(0)
    plan = Plan(shares=SHARES, left_out=LEFT_OUT, synthetic_hours=order.synthetic_hours)
    place = Place(
        corpus=order.corpus,
        texts=order.texts,
        noise=order.noise,
        kokoro=order.kokoro,
        encoder=order.encoder,
        work=order.output / "work",
        workers=order.threads,
    )
    training, validation = gather(place, plan, display)
    items = _items(encode_all(place, plan, training, validation, display))
    judges = _judges(place, VALIDATION)
    vocabulary = learn_pieces(list(dict.fromkeys(u.text for _, u in items)), PIECES)
    phones = pronounce(u.text for _, u in items)
    lesson = Lesson(
        spellings=(vocabulary, characters(), phones),
        items=items,
        judge=lambda judged: error_rates(judged, vocabulary, judges),
    )
    sizes = (len(vocabulary.pieces), len(characters().pieces), phones.size)
    head = _learn(order, plan, Head(*sizes, Shape()), lesson, display)
    streamed = _judges(place, STREAMED_VALIDATION)
    rates = {
        name: error_rates(head, vocabulary, judged)
        for name, judged in (("whole", judges), ("streamed, 8000|500|500 ms", streamed))
    }
    measured = {
        "validation": {
            name: {"cer": round(cer, 1), "wer": round(wer, 1)} for name, (cer, wer) in rates.items()
        }
    }
    write_bundle(
        order.output, head, vocabulary, encoder_bundle=order.encoder_bundle, measured=measured
    )
    display.table(
        f"Errors on {len(judges)} held-out recordings, in percent",
        ("validation", "characters", "words"),
        [(name, f"{cer:.1f}", f"{wer:.1f}") for name, (cer, wer) in rates.items()],
    )
    display.say(f"The bundle is in {order.output}")


def _learn(order: Order, plan: Plan, head: Head, lesson: Lesson, display: Display) -> Head:
    schedule = replace(
        SCHEDULE,
        epochs=order.epochs or SCHEDULE.epochs,
        weights={source: share.weight for source, share in plan.shares.items()},
        late_weights={source: share.late for source, share in plan.shares.items()},
    )
    with display.counting("learning", 1) as learned:
        watcher = Shown(display, learned, schedule.epochs)
        head = train(head, lesson, schedule, order.output / "work" / "head.pt", watcher)
    return rounded(head.eval())


@dataclass(frozen=True, slots=True)
class Shown:
    """Shows how the learning goes; see ``Watcher``."""

    display: Display
    learned: Callable[[float], None]
    epochs: int

    def step_done(self, step: int, steps: int, loss: float) -> None:
        """Move the bar."""
        self.learned(1 / max(step, steps))

    def epoch_done(self, reached: Progress) -> None:
        """Say what was reached."""
        self.display.say(_line(reached, self.epochs))


def _line(reached: Progress, epochs: int) -> str:
    return (
        f"epoch {reached.epoch} of {epochs}: loss {reached.loss:.3f}, validation"
        f" {reached.character_errors:.1f} % of characters, {reached.word_errors:.1f} % of words"
    )


def _items(stores: Sequence[Store]) -> list[Item]:
    return [(store, utterance) for store in stores for utterance in store.utterances]


def _judges(place: Place, name: str) -> list[Item]:
    """Held-out utterances of the source that matters most, or of all if the corpus lacks it."""
    items = _items([Store(place.store(name))])
    if not items:
        raise click.ClickException(
            "nothing is left to validate with: the corpus needs a set with at least"
            f" {4 * VALIDATION_SPEAKERS} speakers (`speaker` in its manifest)"
        )
    return [item for item in items if item[1].source == LIBRISPEECH] or items
