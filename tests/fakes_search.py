"""A decoder without a model, for searches: its logits are a function of the tokens so far.

Its cache is those tokens, and row ``i`` of its attention spells the tokens up to ``i``: so a test
can tell which row led to which token.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from streamscribe.model import DecodeStep, StepKind
from streamscribe.seq2seq import Answer, Ask, Attention, Hypothesis, Logits, Search

Prefix: TypeAlias = tuple[int, ...]
Scores: TypeAlias = Callable[[Prefix], Logits]
"""Logits after a prefix."""

MARKED_FRAMES = 24
HEADS = 2


def random_scores(vocabulary: int, seed: int, *, spread: float = 1.0) -> Scores:
    """Others for every prefix, always the same."""

    def after(prefix: Prefix) -> Logits:
        rng = np.random.default_rng((seed, zlib.crc32(bytes(prefix))))
        return (rng.normal(size=vocabulary) * spread).astype(np.float32)

    return after


def scripted_scores(vocabulary: int, *text: int) -> Scores:
    """Is sure of ``text`` behind the two tokens of the start, and of 0 everywhere else."""

    def after(prefix: Prefix) -> Logits:
        said = prefix[2:]
        follows = text[len(said)] if said == text[: len(said)] and len(said) < len(text) else 0
        logits = np.zeros(vocabulary, dtype=np.float32)
        logits[follows] = 40
        return logits

    return after


class SearchRun:
    """Answers what a search asks for, and keeps what was asked."""

    def __init__(self, scores: Scores, *, attends: bool = True) -> None:
        self.asked: list[list[Ask[Prefix]]] = []
        self._scores = scores
        self._attends = attends

    def finish(self, search: Search[Prefix]) -> Hypothesis:
        """Run ``search`` to its end."""
        try:
            asked = next(search)
            while True:
                self.asked.append(asked)
                asked = search.send([self.answer(ask) for ask in asked])
        except StopIteration as stop:
            found: Hypothesis = stop.value
            return found

    def answer(self, ask: Ask[Prefix]) -> Answer[Prefix]:
        """One pass."""
        assert ask.tokens, "a pass over nothing"
        cache = () if ask.cache is None else ask.cache[: ask.kept]
        prefixes = [cache + ask.tokens[: n + 1] for n in range(len(ask.tokens))]
        rows = np.concatenate([row_of(prefix) for prefix in prefixes], axis=1)
        logits = np.stack([self._scores(prefix) for prefix in prefixes])
        return Answer(logits, cache + ask.tokens, rows if self._attends else None)

    @property
    def most_tokens(self) -> int:
        """Length of the longest sequence that was asked about."""
        return max(
            len(ask.tokens) + (0 if ask.cache is None else len(ask.cache[: ask.kept]))
            for asked in self.asked
            for ask in asked
        )


def row_of(prefix: Prefix) -> Attention:
    """The row of attention that chooses what follows ``prefix``."""
    assert len(prefix) <= MARKED_FRAMES
    row = np.full(MARKED_FRAMES, -1, dtype=np.float32)
    row[: len(prefix)] = prefix
    return np.stack([row + 100 * head for head in range(HEADS)])[:, np.newaxis]


def rows_of(start: Prefix, said: Prefix) -> Attention:
    """The rows that choose each token of ``said`` after ``start``."""
    whole = start + said
    rows = [row_of(whole[:at]) for at in range(len(start), len(whole))]
    return np.concatenate(rows, axis=1)


def step(
    forced: Sequence[int] = (), draft: Sequence[int] = (), max_new_tokens: int = 12
) -> DecodeStep:
    """A step without audio."""
    nothing = np.zeros(0, dtype=np.float32)
    return DecodeStep(nothing, tuple(forced), tuple(draft), max_new_tokens, StepKind.FINAL, 0)
