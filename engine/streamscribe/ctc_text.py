"""Spikes to words: their text, when each was spoken, and how sure the model is of it.

Both come from the frames themselves. A word lasts from its first token's first frame to its last
token's last frame; its confidence is the geometric mean of its tokens' probabilities, each that
of its likeliest frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from streamscribe.ctc import Spike
from streamscribe.events import Timing, Word
from streamscribe.families import FrontEnd
from streamscribe.model import TokenTable
from streamscribe.stability import word_starts
from streamscribe.tokens import decode


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Where a segment's frames lie: frame 0 hears the samples from ``start_at`` on."""

    start_at: int
    front_end: FrontEnd

    def complete(self, at: int) -> int:
        """How many frames hear nothing from ``at`` on; 0 or more."""
        return self.front_end.frames(at - self.start_at)

    def heard_from_at(self, frame: int) -> int:
        """First sample that ``frame`` hears."""
        return self.start_at + frame * self.front_end.stride_len

    def heard_until_at(self, frame: int) -> int:
        """One past the last sample that ``frame`` hears."""
        return self.heard_from_at(frame) + self.front_end.receptive_field_len

    def spoken_at(self, frame: int) -> int:
        """Where ``frame`` begins to speak for the audio: half a stride before its middle."""
        field_len, stride_len = self.front_end.receptive_field_len, self.front_end.stride_len
        return self.heard_from_at(frame) + (field_len - stride_len) // 2


def spell_spikes(
    spikes: Sequence[Spike], table: TokenTable, grid: FrameGrid, end_at: int
) -> tuple[Word, ...]:
    """The words of one segment that ends at ``end_at``; their times are ordered and inside it."""
    tokens = [spike.token for spike in spikes]
    starts = [*word_starts(tokens, table), len(tokens)]
    words: list[Word] = []
    for start, end in zip(starts, starts[1:], strict=False):
        text = _text(tokens[start:end], table)
        if not text:
            continue
        said = [spike for spike in spikes[start:end] if table.token_bytes(spike.token).strip()]
        since_at = words[-1].end_at if words else grid.start_at
        start_at = min(max(since_at, grid.spoken_at(said[0].start)), end_at)
        until_at = min(max(start_at, grid.spoken_at(said[-1].end)), end_at)
        words.append(Word(text, start_at, until_at, _confidence(said), Timing.MEASURED))
    return tuple(words)


def settled_words(spikes: Sequence[Spike], settled: int, table: TokenTable) -> int:
    """How many words no later frame can change: those followed by a settled beginning of a word."""
    tokens = [spike.token for spike in spikes[:settled]]
    starts = word_starts(tokens, table)
    whole = zip(starts, starts[1:], strict=False)
    return sum(bool(_text(tokens[start:end], table)) for start, end in whole)


def _text(tokens: Sequence[int], table: TokenTable) -> str:
    return " ".join(decode(tokens, table, ended=False).split())


def _confidence(spikes: Sequence[Spike]) -> float:
    return math.exp(min(0.0, sum(spike.log_prob for spike in spikes) / len(spikes)))
