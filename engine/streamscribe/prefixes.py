"""What a beam search keeps: prefixes, the sums of their ways, and chains of spikes."""

import math
import weakref
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamscribe.ctc import Spike
from streamscribe.language_model import Context

NEVER: Final = -math.inf
"""Log-probability of what can't be."""


@dataclass(frozen=True, slots=True)
class BeamLimits:
    """What is not looked at; each limit can only lose texts that start badly."""

    width: int = 32
    """Prefixes kept after a frame."""
    margin: float = 12.0
    """A prefix this many nats below the best is dropped."""
    token_log_prob: float = -6.0
    """A token less likely than this in a frame is not considered there."""
    patience: int = 75
    """Frames after which the best prefix is trusted: those that differ before are dropped.

    Without it two equally likely spellings of one word would leave all that follows unsettled.
    """


class Chain(NamedTuple):
    """Spikes of one way to say a prefix, the newest first."""

    before: "Chain | None"
    length: int
    token: int
    start: int
    end: int
    log_prob: float

    @staticmethod
    def then(before: "Chain | None", token: int, frame: int, log_prob: float) -> "Chain":
        """One more spike, which begins with ``frame``."""
        return Chain(before, before.length + 1 if before else 1, token, frame, frame + 1, log_prob)

    def longer(self, frame: int, log_prob: float) -> "Chain":
        """The newest spike goes on in ``frame``."""
        return self._replace(end=frame + 1, log_prob=max(self.log_prob, log_prob))


@dataclass(slots=True, eq=False, weakref_slot=True)
class Prefix:
    """A sequence of tokens, and what its finished words score. Equal ones are the same object."""

    parent: "Prefix | None"  # kept alive while this one lives, so that none is made twice
    token: int
    word: bytes
    """The unfinished word."""
    score: float
    """Of the words before it, after which comes ``context``."""
    context: Context
    ahead: float
    """What the unfinished word is sure to cost."""
    closed: tuple[float, Context] | None = None
    """``score`` and ``context`` if the word ends here, once they were asked for."""
    children: "dict[int, weakref.ref[Prefix]]" = field(default_factory=dict)

    @property
    def words(self) -> float:
        """Score of all words, as far as they are known."""
        return self.score + self.ahead

    def child(self, token: int) -> "Prefix | None":
        """The prefix with one more token, if it is alive."""
        found = self.children.get(token)
        return found() if found else None


@dataclass(slots=True)
class Live:
    """A prefix among the best: logarithms of its sums, and its likeliest ways with their spikes."""

    prefix: Prefix
    blank: float
    token: float
    best_blank: float
    blank_chain: Chain | None
    best_token: float
    token_chain: Chain | None
    hot: int
    hot_score: float

    def likeliest(self) -> tuple[float, Chain | None]:
        """Log-probability and spikes of the likeliest way to say it."""
        if self.best_blank >= self.best_token:
            return self.best_blank, self.blank_chain
        return self.best_token, self.token_chain

    def spikes(self) -> tuple[Spike, ...]:
        """The tokens, where the likeliest way says them."""
        _, chain = self.likeliest()
        spikes: list[Spike] = []
        while chain is not None:
            spikes.append(Spike(chain.token, chain.start, chain.end, chain.log_prob))
            chain = chain.before
        return tuple(reversed(spikes))

    def silent(self, blank: float) -> "Live":
        """The same after a frame that is blank with this log-probability."""
        best, chain = self.likeliest()
        total = log_sum(self.blank, self.token) + blank
        return Live(
            self.prefix, total, NEVER, best + blank, chain, NEVER, None, self.hot, self.hot_score
        )

    def add(self, token: float, best: float, chain: Chain) -> None:
        """More ways that end in the last token."""
        self.token = log_sum(self.token, token)
        if best > self.best_token:
            self.best_token, self.token_chain = best, chain


class Candidate(NamedTuple):
    """A prefix that may become one of the best."""

    parent: Live
    token: int
    log_prob: float
    sum: float
    best: float
    chain: Chain | None
    hot: int
    hot_score: float


def log_sum(one: float, other: float) -> float:
    """Logarithm of the sum of what these are the logarithms of."""
    if one < other:
        one, other = other, one
    return one if other == NEVER else one + math.log1p(math.exp(other - one))


def agreeing(ranked: list[Live], until: int) -> list[Live]:
    """Only ways that say what the first of ``ranked`` says before frame ``until``."""
    _, anchor = ranked[0].likeliest()
    while anchor is not None and anchor.end > until:
        anchor = anchor.before
    if anchor is None:
        return ranked
    for live in ranked:
        if not _continues(live.blank_chain, anchor):
            live.blank, live.best_blank, live.blank_chain = NEVER, NEVER, None
        if not _continues(live.token_chain, anchor):
            live.token, live.best_token, live.token_chain = NEVER, NEVER, None
    return [live for live in ranked if live.blank_chain or live.token_chain]


def _continues(chain: Chain | None, anchor: Chain) -> bool:
    while chain is not None and chain.length > anchor.length:
        chain = chain.before
    return chain is anchor


def shared_len(chains: list[Chain | None]) -> int:
    """Length of the longest beginning that all chains have in common."""
    shared, *others = chains
    for chain in others:
        while shared is not chain:
            if shared is None or chain is None:
                return 0
            if shared.length > chain.length:
                shared = shared.before
            else:
                chain = chain.before
    return shared.length if shared else 0
