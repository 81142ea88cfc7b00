"""What a seq2seq policy looks at: one step as it is planned, and what may be asked of it again."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import numpy as np

from streamscribe.commitment import SURE_LOG_PROB
from streamscribe.model import DecodeResult, DecodeStep, Features, Samples, StepKind, Wish
from streamscribe.timeline import ms_to_len

SHORTEST_FRAMED_LEN: Final = ms_to_len(1_000)
"""Less audio than this is heard once."""


class Purpose(Enum):
    """What a look at the audio is for."""

    PARTIAL = auto()  # a hop has gone by
    PAUSE = auto()  # a soft pause
    AHEAD = auto()  # the silence is about to close the segment: the final, unless somebody talks
    CUT = auto()  # the window is full: settle what lies before ``end_at``
    FINAL = auto()  # the segment is closed


TENTATIVE: Final = frozenset({Purpose.PARTIAL, Purpose.PAUSE})
"""Looks whose text may still change: they go on from what is settled. The others decide, and hear
all of the segment that the window holds, so that context can mend what was settled in doubt."""


@dataclass(frozen=True, slots=True)
class Look:
    """A step that the policy wants: the audio's bounds, and what is known of its text."""

    purpose: Purpose
    start_at: int
    end_at: int
    forced: tuple[int, ...]
    draft: tuple[int, ...]
    max_new_tokens: int
    promised: tuple[int, ...] = ()
    """Committed tokens that the result should begin with, though they are not forced."""
    lead_len: int = 0
    """Samples of silence to put before the audio."""
    heard: tuple[DecodeResult, ...] = ()
    """What the same audio gave before, framed differently."""

    @property
    def kind(self) -> StepKind:
        """How the scheduler should treat it."""
        return StepKind.PARTIAL if self.purpose in TENTATIVE else StepKind.FINAL

    def step(
        self, samples: Samples, due_at: int, wish: Wish, features: Features | None = None
    ) -> DecodeStep:
        """The step for this look, whose audio is ``samples``."""
        if self.lead_len:
            samples = np.concatenate((np.zeros(self.lead_len, dtype=np.float32), samples))
        return DecodeStep(
            samples=samples,
            forced=self.forced,
            draft=self.draft,
            max_new_tokens=self.max_new_tokens,
            kind=self.kind,
            due_at=due_at,
            features=features,
            wish=wish,
        )


def is_worth_hearing_again(look: Look, result: DecodeResult) -> bool:
    """Whether another framing of the audio may give a better text that will be final."""
    return (
        look.purpose not in TENTATIVE
        and bool(result.tokens)
        and result.mean_log_prob < SURE_LOG_PROB
        and look.end_at - look.start_at >= SHORTEST_FRAMED_LEN
    )


def plausibility(result: DecodeResult) -> tuple[bool, bool, float]:
    """Sorts the results of one look: the best is the last."""
    return result.ended, bool(result.tokens), result.mean_log_prob
