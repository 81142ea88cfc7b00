"""Hotwords over a greedy path: where a phrase costs little, it replaces what greedy says.

The greedy path says the likeliest token of every frame. A phrase that says other tokens in some
frames costs the difference of their log-probabilities; costs only grow as frames go by. All
phrases are followed at once, from every frame on in which they could begin, as long as they cost
less than they gain (``Hotwords.boost``)::

    greedy   _ t h e _ k _ a t _ i s      "kate" costs log p(t) - log p(e) in one frame, and a
    phrase           [ _ k _ a t e ]      little where it says blank or "t" for longer

A phrase ends where a word begins, or with the segment. Of phrases that overlap, those that gain
most in all are written. The result is one path through the frames again, so tokens, times and
confidences are those of a greedy path.

A frame is certain once no phrase that is still alive began before it, so what is certain does not
depend on how the frames are split. Costs are whole numbers, so nor do ties.
"""

import copy
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from streamscribe.alignment import Ints, align_lattice
from streamscribe.hotwords import COST_UNIT, Hotwords

_START_BITS: Final = 20
"""Of a state's number: 2**20 - 1 - its first frame, so that the later start wins a tie."""
_LAST_FRAME: Final = (1 << _START_BITS) - 1
_DEAD: Final = np.int64(1 << 61)
_MOST: Final = (1 << 30) / COST_UNIT


@dataclass(frozen=True, slots=True)
class Path:
    """What each of some frames says, and its log-probability."""

    tokens: Ints
    log_probs: npt.NDArray[np.float32]


def greedy_path(log_probs: npt.NDArray[np.float32]) -> Path:
    """The likeliest token of each frame."""
    return Path(log_probs.argmax(axis=-1), log_probs.max(axis=-1))


@dataclass(frozen=True, slots=True)
class _Hit:
    """A phrase in the frames from ``start`` to before ``end``."""

    start: int
    end: int
    gain: int
    phrase: int
    then: int | None
    """What must be said after it, in its last frame, to begin another word."""
    exact: bool
    """Greedy says it already."""


class Spotter:
    """Follows all hotwords through one stream of frames.

    word_may_start: whether a word may start in the first frame, without a space in it.
    """

    def __init__(self, hotwords: Hotwords, blank: int, *, word_may_start: bool) -> None:
        self._graph = hotwords.graph
        self._word_starts = hotwords.word_starts
        self._blank = blank
        self._limits = (self._graph.budgets + 1) << _START_BITS
        self._saying = np.full(len(self._graph.lattice), _DEAD)
        self._silent = np.full(len(self._graph.lattice), _DEAD)
        tokens = self._graph.lattice.tokens.tolist()
        self._said_before: frozenset[int] = frozenset()
        if word_may_start:  # the space before the word is as good as said
            self._said_before = frozenset(
                node for node in self._graph.first if tokens[node] in hotwords.spaces
            )
            self._silent[list(self._said_before)] = _LAST_FRAME
        self._hits: list[_Hit] = []
        self._frames = 0
        self._certain = 0
        self._uncertain: list[npt.NDArray[np.float32]] = []

    def receive(self, log_probs: npt.NDArray[np.float32]) -> Path:
        """What the frames say that have now become certain."""
        behind = log_probs.max(axis=-1, keepdims=True) - log_probs
        costs = np.rint(np.minimum(behind, _MOST) * COST_UNIT).astype(np.int64) << _START_BITS
        for frame in costs:
            self._close(frame)
            self._step(frame)
        if len(log_probs):
            self._uncertain.append(log_probs)
        return self._take(self._frontier())

    def finish(self, *, word_ends: bool = True) -> Path:
        """What all other frames say; phrases end here only if words do."""
        if word_ends:
            self._close(None)
        return self._take(self._frames)

    def copy(self) -> "Spotter":
        """One that goes on by itself."""
        other = copy.copy(self)
        other._hits = self._hits.copy()
        other._uncertain = self._uncertain.copy()
        return other  # the arrays are replaced, never changed

    def _step(self, cost: Ints) -> None:
        """All phrases through one frame."""
        lattice = self._graph.lattice
        silent = self._silent.copy()
        silent[0] = _LAST_FRAME - self._frames
        said = np.where(lattice.repeats, _DEAD, self._saying[lattice.before])
        said = np.minimum(said, silent[lattice.before]).min(axis=0)
        said = np.minimum(said, self._saying) + cost[lattice.tokens]
        silent = np.minimum(self._silent, self._saying) + cost[self._blank]
        said[said >= self._limits] = _DEAD
        silent[silent >= self._limits] = _DEAD
        said[0] = silent[0] = _DEAD
        self._saying, self._silent = said, silent
        self._frames += 1

    def _close(self, cost: Ints | None) -> None:
        """Phrases that end before a frame with these costs, or with the last frame."""
        graph = self._graph
        ended = np.minimum(self._saying, self._silent)
        price, opening = 0, None
        if cost is not None and self._word_starts.size:
            cheapest = self._word_starts[cost[self._word_starts].argmin()]
            price = int(cost[cheapest]) >> _START_BITS
            if price:
                opening = int(cheapest)
                # The phrase's last token once more would only go on with it.
                ended = np.where(graph.lattice.tokens == opening, self._silent, ended)
        found = ended[graph.lattice.ends]
        gains = graph.gains[graph.end_phrases]
        for index in np.flatnonzero((found >> _START_BITS) + price <= gains).tolist():
            total = (int(found[index]) >> _START_BITS) + price
            start = _LAST_FRAME - (int(found[index]) & _LAST_FRAME)
            end = self._frames + (opening is not None)  # no word starts here but the one it makes
            gain, phrase = int(gains[index]) - total, int(graph.end_phrases[index])
            self._hits.append(_Hit(start, end, gain, phrase, opening, exact=total == 0))

    def _frontier(self) -> int:
        """First frame that may still change."""
        newest = max(
            int((self._saying & _LAST_FRAME).max()), int((self._silent & _LAST_FRAME).max())
        )
        frontier = min(self._frames, _LAST_FRAME - newest)
        for hit in sorted(self._hits, key=lambda hit: hit.end, reverse=True):
            if hit.end > frontier:
                frontier = min(frontier, hit.start)
        return frontier

    def _take(self, until: int) -> Path:
        """The path up to frame ``until``, which nothing crosses any more."""
        if not self._uncertain:
            return Path(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        rows = np.concatenate(self._uncertain)
        count = until - self._certain
        log_probs = rows[:count]
        tokens = log_probs.argmax(axis=-1) if count else np.empty(0, dtype=np.int64)
        for hit in _best([hit for hit in self._hits if hit.end <= until]):
            if hit.exact:
                continue
            first, last = hit.start - self._certain, hit.end - self._certain
            before = self._said_before if hit.start == 0 else frozenset()
            part, nodes = self._graph.part(hit.phrase, hit.then, before)
            said = align_lattice(log_probs[first:last], part, self._blank, said=nodes)
            assert said is not None, "it was heard in these frames"
            tokens[first:last] = said
        self._hits = [hit for hit in self._hits if hit.end > until]
        self._uncertain = [rows[count:]]
        self._certain = until
        return Path(tokens, log_probs[np.arange(count), tokens])


def _best(hits: list[_Hit]) -> list[_Hit]:
    """Those that gain most together, without overlap."""
    hits = sorted(hits, key=lambda hit: (hit.end, hit.start, -hit.gain))
    ends = [hit.end for hit in hits]
    totals = [0]
    for index, hit in enumerate(hits):
        before = bisect_right(ends, hit.start, hi=index)
        totals.append(max(totals[-1], totals[before] + hit.gain))
    chosen: list[_Hit] = []
    index = len(hits)
    while index:
        if totals[index] == totals[index - 1]:
            index -= 1
            continue
        chosen.append(hits[index - 1])
        index = bisect_right(ends, hits[index - 1].start, hi=index - 1)
    return chosen
