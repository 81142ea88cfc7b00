"""Does the bundle write what the checkpoint writes? Measured on the same windows in one run.

The checkpoint writes a text; the engine, with the bundle, writes its own, and says besides what it
would choose after each token of the checkpoint's. Where the two likeliest tokens are closer than
the logits of both sides differ, which in float32 is next to nothing, there is a tie: there neither
answer is wrong, and what follows may be another text.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.model import DecodeResult, DecodeStep
from streamscribe.seq2seq import Rules
from streamscribe_export.errors import ParityFailed
from streamscribe_export.families import Geometry
from streamscribe_export.parity import Bounds, test_signals
from streamscribe_export.pieces import Vocabulary
from streamscribe_export.seq2seq_runtimes import BundleWriter, Logits, Writer, Written
from streamscribe_export.signals import Signal
from streamscribe_export.stages import Row

BOUNDS: Final = {
    "none": Bounds(difference=1e-3, agreement=1.0),
    "fp16": Bounds(difference=float("inf"), agreement=0.95),
    "int8": Bounds(difference=float("inf"), agreement=0.90),
}
"""Agreement is that of tokens; ties count as the same in float32."""
BEGINNINGS_LEN: Final = (40_000, 88_000)
"""Of the first recording so much is compared alone: 2.5 and 5.5 s."""
SLACK_TOKENS: Final = 16
"""Tokens beyond those that speech of a window's length has: texts of noise end late, or never."""

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class TextParity:
    """What was found; it goes into the bundle."""

    compared_with: str
    windows: int
    tokens: int
    """Choices of the other side, ends of texts among them."""
    largest_difference: float
    """Of any logit after the same tokens."""
    agreement: float
    """Share of the other side's choices that the bundle's graphs make after the same tokens."""
    ties: int
    """In float32, choices that differ where the two tokens were as good as equal."""
    texts: int
    """Windows of which the engine writes the same text, token for token."""
    cut: int
    """Of these, those whose end the engine left out, because it would say the audio again."""
    real_speech: bool
    """Whether a recording was among the windows."""

    def as_json(self) -> dict[str, Any]:
        """For the bundle's ``measured``."""
        return dataclasses.asdict(self)

    def rows(self, quantize: str) -> list[Row]:
        """For the closing table."""
        if self.compared_with == NOTHING:
            return [("compared with", NOTHING, "")]
        bounds = BOUNDS[quantize]
        limit = "" if bounds.difference == float("inf") else f"{bounds.difference:.0e}"
        ties = f" and {self.ties} ties" if quantize == "none" else ""
        cut = f", {self.cut} cut by the engine" if self.cut else ""
        return [
            ("compared with", self.compared_with, ""),
            ("windows compared", f"{self.windows} ({self.tokens} tokens)", ""),
            ("largest difference of a logit", f"{self.largest_difference:.2g}", limit),
            (
                "tokens that are the same after the same",
                f"{100 * self.agreement:.2f} %{ties}",
                f"{100 * bounds.agreement:.0f} %",
            ),
            (
                "texts of the engine that are the same",
                f"{self.texts} of {self.windows}{cut}",
                "all" if quantize == "none" else "",
            ),
        ]


@dataclass(frozen=True, slots=True)
class _Window:
    """What was found in one window."""

    choices: int
    same: int
    ties: int
    difference: float
    text: bool
    cut: bool


def compare_texts(
    named: str,
    writer: Writer,
    bundle: BundleWriter,
    steps: Sequence[tuple[Signal, DecodeStep]],
    vocabulary: Vocabulary,
    quantize: str,
) -> TextParity:
    """Let both write of every step; ``ParityFailed`` where they are further apart than allowed.

    named: what ``writer`` is.
    """
    bounds = BOUNDS[quantize]
    found = []
    for signal, step in steps:
        theirs = writer(step)
        ours = bundle.decode(step)
        rows = bundle.logits(step, theirs.tokens, theirs.ended)
        choices = _choices(signal, theirs, rows, bundle.model.facts.rules, quantize == "none")
        window = _window(theirs, ours, choices)
        if quantize == "none" and not window.text:
            raise ParityFailed(
                f"{signal.name}: {named} writes {vocabulary.joined(theirs.tokens)!r}, the bundle"
                f" {vocabulary.joined(ours.tokens)!r}; in float32 they must be the same, but for"
                " ties"
            )
        found.append(window)
    parity = _summed(named, found, real_speech=any(_is_speech(signal) for signal, _ in steps))
    _judge(parity, bounds, quantize)
    return parity


def nothing_compared(bundle: BundleWriter, step: DecodeStep) -> TextParity:
    """What is known where there is nothing to compare with: the bundle can be run."""
    bundle.decode(step)
    return TextParity(NOTHING, 0, 0, 0.0, 1.0, 0, 0, 0, real_speech=False)


def windows(
    geometry: Geometry, recordings: Sequence[Signal], step: Callable[[Signal], DecodeStep]
) -> list[tuple[Signal, DecodeStep]]:
    """The built-in windows, the recordings, and the beginnings of the first."""
    signals = [*test_signals(geometry), *recordings]
    for recording in recordings[:1]:
        signals += [
            Signal(f"{recording.name}, the first {length / 16_000:g} s", recording.samples[:length])
            for length in BEGINNINGS_LEN
            if length < len(recording.samples)
        ]
    return [(signal, step(signal)) for signal in signals]


def most_tokens(sample_len: int, max_per_s: float, room: int | None) -> int:
    """How long a text may get; ``room``: how many tokens the decoder has positions for."""
    most = int(sample_len / 16_000 * max_per_s) + SLACK_TOKENS
    return most if room is None else min(most, room)


@dataclass(frozen=True, slots=True)
class _Choices:
    """What both would choose after the same tokens."""

    same: npt.NDArray[np.bool_]
    tied: npt.NDArray[np.bool_]
    difference: float


def _choices(
    signal: Signal, theirs: Written, rows: Logits, rules: Rules, ties_count: bool
) -> _Choices:
    if rows.shape != theirs.logits.shape:
        raise ParityFailed(
            f"{signal.name}: logits are {theirs.logits.shape}, those of the bundle {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise ParityFailed(f"{signal.name}: the bundle gives logits that are not finite")
    difference = float(abs(rows - theirs.logits).max())
    allowed, own = theirs.logits.copy(), rows.copy()
    for logits in (allowed, own):
        rules.apply(logits, begins=True)
    at = np.arange(len(rows))
    chosen, got = allowed.argmax(axis=-1), own.argmax(axis=-1)
    tied = (chosen != got) & (allowed[at, chosen] - allowed[at, got] <= 2 * difference)
    return _Choices(chosen == got, tied & ties_count, difference)


def _window(theirs: Written, ours: DecodeResult, choices: _Choices) -> _Window:
    same, tied = choices.same, choices.tied
    cut = _is_cut(theirs, ours)
    text = cut or _same_text(theirs, ours, int(tied.argmax()) if tied.any() else len(tied))
    return _Window(len(same), int(same.sum()), int(tied.sum()), choices.difference, text, cut)


def _is_cut(theirs: Written, ours: DecodeResult) -> bool:
    """Whether the engine left something out at the end, as it can where it knows what was heard."""
    length = len(ours.tokens)
    knows = len(ours.spoken) == length > 0
    return knows and length < len(theirs.tokens) and theirs.tokens[:length] == ours.tokens


def _same_text(theirs: Written, ours: DecodeResult, first_tie: int) -> bool:
    """Whether both write the same tokens, up to the first tie if there is one."""
    if first_tie < len(theirs.logits):
        return theirs.tokens[:first_tie] == ours.tokens[:first_tie]
    return (theirs.tokens, theirs.ended) == (ours.tokens, ours.ended)


def _summed(named: str, found: Sequence[_Window], *, real_speech: bool) -> TextParity:
    choices = sum(one.choices for one in found)
    return TextParity(
        compared_with=named, windows=len(found), tokens=choices,
        largest_difference=max(one.difference for one in found),
        agreement=sum(one.same for one in found) / max(1, choices),
        ties=sum(one.ties for one in found), texts=sum(one.text for one in found),
        cut=sum(one.cut for one in found), real_speech=real_speech,
    )  # fmt: skip


def _is_speech(signal: Signal) -> bool:
    return "babble" not in signal.name


def _judge(parity: TextParity, bounds: Bounds, quantize: str) -> None:
    if parity.largest_difference > bounds.difference:
        raise ParityFailed(
            f"logits of the bundle differ by up to {parity.largest_difference:.2g} from those of"
            f" {parity.compared_with}; allowed: {bounds.difference:.0e}"
        )
    agreement = parity.agreement
    if quantize == "none":
        agreement += parity.ties / max(1, parity.tokens)
    if agreement < bounds.agreement:
        raise ParityFailed(
            f"after the same tokens, {100 * agreement:.2f} % of {parity.tokens} tokens are the"
            f" same; allowed: at least {100 * bounds.agreement:.0f} %"
        )
