"""Does the graph say what the checkpoint says? Measured on the same windows in one run.

Compared are the logits, the likeliest token of every frame, and the text. A frame whose two
likeliest tokens are closer than the graphs differ is a tie: there neither answer is wrong.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.model import Samples
from streamscribe_export.checkpoint import Tokenizer, quiet
from streamscribe_export.errors import ParityFailed
from streamscribe_export.families import Geometry
from streamscribe_export.pieces import Vocabulary, groups_tokens, reference_text
from streamscribe_export.signals import Signal, babble
from streamscribe_export.stages import Row

Logits: TypeAlias = npt.NDArray[np.float32]
"""(batch, frames, vocabulary)."""
Run: TypeAlias = Callable[[Samples], Logits]
"""Windows of samples, (batch, n), to logits."""

TEST_FRAMES: Final = (24, 61, 149)
"""Lengths of the built-in windows: none is the one that was traced, odd and even among them."""
BATCH: Final = 3
BATCH_MAX: Final = 1e-4
"""A neighbour in the batch may change a logit by rounding alone."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still the same."""

    difference: float
    """Of logits; infinite where only agreement counts."""
    agreement: float
    """Share of frames with the same likeliest token; ties count as the same in float32."""


BOUNDS: Final = {
    "none": Bounds(difference=1e-3, agreement=1.0),
    "fp16": Bounds(difference=float("inf"), agreement=0.95),
    "int8": Bounds(difference=float("inf"), agreement=0.90),
}


@dataclass(frozen=True, slots=True)
class Parity:
    """What was found; it goes into the bundle."""

    windows: int
    frames: int
    largest_difference: float
    """Of any logit from PyTorch's."""
    agreement: float
    """Share of frames with the same likeliest token."""
    ties: int
    """Frames that differ where the two tokens were as good as equal."""
    batch_difference: float
    """Of any logit in a batch from the same window alone."""
    texts: int
    """Windows whose text from the graph's tokens is the tokenizer's own."""
    real_speech: bool
    """Whether a recording was among the windows."""

    def as_json(self) -> dict[str, Any]:
        """For the bundle's ``measured``."""
        return dataclasses.asdict(self)

    def rows(self, quantize: str) -> list[Row]:
        """For the closing table."""
        bounds = BOUNDS[quantize]
        limit = "" if bounds.difference == float("inf") else f"{bounds.difference:.0e}"
        return [
            ("windows compared", f"{self.windows} ({self.frames} frames)", ""),
            ("largest difference of a logit", f"{self.largest_difference:.2g}", limit),
            (
                "frames with the same likeliest token",
                f"{100 * self.agreement:.2f} % and {self.ties} ties",
                f"{100 * bounds.agreement:.0f} %",
            ),
            ("change by a neighbour in the batch", f"{self.batch_difference:.2g}", ""),
            ("texts equal to the tokenizer's", f"{self.texts} of {self.windows}", "all"),
        ]


def test_signals(geometry: Geometry) -> list[Signal]:
    """The built-in windows."""
    lengths = [geometry.samples(frames) for frames in TEST_FRAMES]
    return [Signal(f"babble {length}", babble(length + 7)) for length in lengths]


def compare(
    torch: Run, graph: Run, signals: Sequence[Signal], vocabulary: Vocabulary, tokenizer: Tokenizer
) -> Parity:
    """Run everything through both.

    Raises ``ParityFailed`` where tokens of the graph do not give the tokenizer's text: that is
    not a matter of degree.
    """
    frames = same = ties = 0
    largest = 0.0
    for signal in signals:
        window = signal.samples[np.newaxis]
        theirs, ours = torch(window), graph(window)
        if theirs.shape != ours.shape:
            raise ParityFailed(
                f"{signal.name}: PyTorch gives logits {theirs.shape}, the graph {ours.shape}"
            )
        difference = float(abs(theirs - ours).max())
        if not np.isfinite(ours).all():
            raise ParityFailed(f"{signal.name}: the graph gives logits that are not finite")
        agree, tied = _agreement(theirs[0], ours[0], difference)
        frames, same, ties = frames + len(ours[0]), same + agree, ties + tied
        largest = max(largest, difference)
        _check_text(signal, ours[0].argmax(axis=-1).tolist(), vocabulary, tokenizer)
    return Parity(
        windows=len(signals), frames=frames, largest_difference=largest,
        agreement=same / max(1, frames), ties=ties,
        batch_difference=_batch_difference(graph, signals[0].samples),
        texts=len(signals), real_speech=any("babble" not in signal.name for signal in signals),
    )  # fmt: skip


def judge(parity: Parity, quantize: str) -> None:
    """Raise ``ParityFailed`` unless the graph is as close as its precision allows."""
    bounds = BOUNDS[quantize]
    agreement = parity.agreement
    if quantize == "none":
        agreement += parity.ties / max(1, parity.frames)
    if parity.largest_difference > bounds.difference:
        raise ParityFailed(
            f"logits of the graph differ by up to {parity.largest_difference:.2g} from"
            f" PyTorch's; allowed: {bounds.difference:.0e}"
        )
    if agreement < bounds.agreement:
        raise ParityFailed(
            f"the likeliest token is the same in {100 * agreement:.2f} % of {parity.frames}"
            f" frames; allowed: at least {100 * bounds.agreement:.0f} %"
        )
    if parity.batch_difference > BATCH_MAX:
        raise ParityFailed(
            f"a window in a batch differs by up to {parity.batch_difference:.2g} from the same"
            f" alone; allowed: {BATCH_MAX:.0e}"
        )


def check_frames(graph: Run, geometry: Geometry) -> None:
    """Refuse a geometry that does not give the true number of frames, on either side of a step."""
    for frames in (2, 5, 6, 11, 40):
        for length in (geometry.samples(frames), geometry.samples(frames + 1) - 1):
            got = graph(babble(length)[np.newaxis]).shape[1]
            if got != frames:
                raise ParityFailed(
                    f"{length} samples give {got} frames; by the configuration's windows"
                    f" it should be {frames}"
                )


def _agreement(theirs: Logits, ours: Logits, difference: float) -> tuple[int, int]:
    """Frames with the same likeliest token, and ties among the others."""
    expected, got = theirs.argmax(axis=-1), ours.argmax(axis=-1)
    rows = np.arange(len(theirs))
    close = theirs[rows, expected] - theirs[rows, got] <= 2 * difference
    same = expected == got
    return int(same.sum()), int((~same & close).sum())


def _batch_difference(graph: Run, samples: Samples) -> float:
    """Of a window among louder and quieter ones from the same alone."""
    batch = np.stack([samples * gain for gain in np.linspace(1.0, 3.0, BATCH)])
    alone = np.concatenate([graph(window[np.newaxis]) for window in batch])
    return float(abs(graph(batch) - alone).max())


def _check_text(
    signal: Signal, ids: list[int], vocabulary: Vocabulary, tokenizer: Tokenizer
) -> None:
    collapsed = [token for at, token in enumerate(ids) if at == 0 or ids[at - 1] != token]
    spoken = [token for token in collapsed if token != vocabulary.blank]
    ours = vocabulary.text(ids)
    with quiet():
        theirs = reference_text(tokenizer, spoken)
        # Unknown and sentence tokens are written out by the tokenizer's own collapse.
        if groups_tokens(tokenizer) and not vocabulary.specials.intersection(spoken):
            (theirs,) = tokenizer.batch_decode([ids], clean_up_tokenization_spaces=False)
    if ours != theirs.strip():
        raise ParityFailed(
            f"{signal.name}: the tokenizer writes {theirs[:80]!r}, the bundle's pieces"
            f" {ours[:80]!r}"
        )
