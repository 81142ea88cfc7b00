"""Tokens to words: their text, their confidence, and an estimate of when they were spoken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamscribe.events import Timing, Word
from streamscribe.model import TokenTable
from streamscribe.stability import word_starts
from streamscribe.tokens import decode

if TYPE_CHECKING:
    from streamscribe.transcript import SpokenAt

_NOT_AT_THE_START: Final = " ,.;:!?-…"
"""What a model that was given earlier text may begin with, and a segment may not."""

PROMISED_CONFIDENCE: Final = 0.86
"""Of words that an earlier session committed: what it asks of most words before it does."""

_PUNCTUATION: Final = frozenset(b" ,.;:!?-\xe2\x80\xa6")


@dataclass(frozen=True, slots=True)
class Spelled:
    """A word without its times."""

    text: str
    confidence: float
    first: int
    """Index of its first token."""
    last: int
    """Index of its last token."""


@dataclass(frozen=True, slots=True)
class Span:
    """Voiced audio, from ``start_at`` to before ``end_at``."""

    start_at: int
    end_at: int


def spell(
    tokens: Sequence[int],
    log_probs: Sequence[float],
    table: TokenTable,
    *,
    begins: bool = True,
) -> list[Spelled]:
    """The words of a segment's tokens; joined by single spaces they are its text.

    An incomplete character at the end is left out. ``log_probs`` has one entry per token.
    ``begins``: no other text of the segment comes before.
    """
    starts = [*word_starts(tokens, table), len(tokens)]
    words: list[Spelled] = []
    for start, end in zip(starts, starts[1:], strict=False):
        text = decode(tokens[start:end], table, ended=False)
        if begins and not words:
            text = text.lstrip(_NOT_AT_THE_START)
        confidence = math.exp(min(0.0, sum(log_probs[start:end]) / (end - start)))
        words.extend(Spelled(part, confidence, start, end - 1) for part in text.split())
    return words


def join(words: Sequence[Spelled]) -> str:
    """The text that ``words`` make."""
    return " ".join(word.text for word in words)


def promised_words(
    text: str, start_at: int, end_at: int, voiced: Sequence[Span] = ()
) -> tuple[Word, ...]:
    """Words of text that was committed before, spoken between the two positions."""
    words = [Spelled(word, PROMISED_CONFIDENCE, 0, 0) for word in text.split()]
    return estimate_times(words, [end_at] * len(words), voiced, start_at, end_at)


def without_end_punctuation(tokens: Sequence[int], table: TokenTable) -> int:
    """Length of ``tokens`` without the punctuation at its end."""
    length = len(tokens)
    while length and _PUNCTUATION.issuperset(table.token_bytes(tokens[length - 1])):
        length -= 1
    return length


def estimate_times(
    words: Sequence[Spelled],
    seen_at: Sequence[int],
    voiced: Sequence[Span],
    start_at: int,
    end_at: int,
) -> tuple[Word, ...]:
    """Words with times, from when each first showed up in a hypothesis.

    A word that showed up in the hypothesis for audio up to ``a``, and not in the one before, up
    to ``b``, was spoken between ``b`` and ``a``. Words of the same hypothesis share the voiced
    part of that span by their lengths in characters. Times are ordered and lie in
    [start_at, end_at]; a hop is the accuracy to expect.

    seen_at: per word, not falling.   voiced: ordered, disjoint.
    """
    timed: list[Word] = []
    since_at = start_at
    first = 0
    while first < len(words):
        until_at = min(max(seen_at[first], since_at), end_at)
        last = first
        while last < len(words) and seen_at[last] == seen_at[first]:
            last += 1
        group = words[first:last]
        edges = _share(group, since_at, until_at, voiced)
        for word, start, end in zip(group, edges, edges[1:], strict=False):
            timed.append(Word(word.text, start, end, word.confidence, Timing.ESTIMATED))
        since_at = until_at
        first = last
    return tuple(timed)


def measured_times(
    words: Sequence[Spelled], spoken: "Sequence[SpokenAt | None]", start_at: int, end_at: int
) -> tuple[Word, ...]:
    """Words with the times of their tokens, ordered and within [start_at, end_at].

    spoken: per token, for every token of the words.
    """
    timed: list[Word] = []
    since_at = start_at
    for word in words:
        tokens = [one for one in spoken[word.first : word.last + 1] if one is not None]
        first_at = min(max(tokens[0].start_at, since_at), end_at)
        last_at = min(max(tokens[-1].end_at, first_at), end_at)
        timed.append(Word(word.text, first_at, last_at, word.confidence, Timing.MEASURED))
        since_at = last_at
    return tuple(timed)


def _share(
    words: Sequence[Spelled], since_at: int, until_at: int, voiced: Sequence[Span]
) -> list[int]:
    """Positions that divide the voiced audio by the words' lengths; one more than words."""
    spans = [
        Span(max(span.start_at, since_at), min(span.end_at, until_at))
        for span in voiced
        if span.end_at > since_at and span.start_at < until_at
    ] or [Span(since_at, until_at)]
    voiced_len = sum(span.end_at - span.start_at for span in spans)
    total = sum(len(word.text) for word in words)
    edges = [spans[0].start_at]
    said = 0
    for word in words:
        said += len(word.text)
        edges.append(_position(spans, voiced_len * said // total))
    return edges


def _position(spans: Sequence[Span], length: int) -> int:
    """Where ``length`` voiced samples have gone by."""
    for span in spans:
        span_len = span.end_at - span.start_at
        if length <= span_len:
            return span.start_at + length
        length -= span_len
    return spans[-1].end_at
