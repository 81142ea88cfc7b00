"""Greedy CTC: frames to tokens as they come, with nothing to stitch.

A CTC model gives each frame one token or the blank. Its text is what remains when a token's
repeats are merged and blanks are dropped ("best path": Graves et al., ICML 2006, section 3.2)::

    frames   _ h h _ e l l _ l o o _
    tokens     h     e l     l o

Merging looks at one frame and the one before. So a stream needs to carry over only the token whose
frames have not ended yet, and any split of the same frames gives the same tokens.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from streamscribe.hotwords import Hotwords
from streamscribe.model import LogProbs
from streamscribe.spotting import Path, Spotter, greedy_path


@dataclass(frozen=True, slots=True)
class Spike:
    """One token, and the frames in a row that say it."""

    token: int
    start: int
    """Its first frame, counted from the beginning of the stream."""
    end: int
    """One past its last frame."""
    log_prob: float
    """Of its likeliest frame."""


class CtcDecoder(Protocol):
    """Frames of one segment to tokens; the same frames in any split give the same tokens."""

    hotwords: Hotwords | None
    """May be changed between two frames: new phrases count from the next word on."""

    def receive(self, log_probs: LogProbs) -> None:
        """The next frames of the segment, (n, vocabulary), n maybe 0."""
        ...

    @property
    def spikes(self) -> tuple[Spike, ...]:
        """The best tokens of all frames so far: what ``finish`` would give now."""
        ...

    @property
    def settled(self) -> int:
        """How many of ``spikes`` no later frame can change.

        Not their end either: a token whose frames may still go on is not settled. Never falls.
        """
        ...

    def provisional(self, log_probs: LogProbs) -> tuple[Spike, ...]:
        """What ``receive`` and ``finish`` would give now; nothing is changed."""
        ...

    def finish(self) -> tuple[Spike, ...]:
        """All tokens: the segment ends here, and nothing may be received any more."""
        ...


class GreedyCollapse:
    """The tokens of one stream of frames; ``blank`` is the id that says nothing."""

    def __init__(self, blank: int) -> None:
        self._blank = blank
        self._frames = 0
        self._open: Spike | None = None

    @property
    def frames(self) -> int:
        """How many frames were received."""
        return self._frames

    @property
    def open(self) -> Spike | None:
        """The token that the newest frame says; more frames may only make it longer."""
        return self._open

    def receive(self, log_probs: LogProbs) -> list[Spike]:
        """The tokens that ended in these frames, (n, vocabulary), n maybe 0."""
        return self.receive_path(greedy_path(log_probs))

    def receive_path(self, path: Path) -> list[Spike]:
        """The same of frames whose tokens were chosen already."""
        ended: list[Spike] = []
        for spike in _runs(path, self._frames):
            grown = self._open
            if grown is not None and grown.token == spike.token:
                likeliest = max(grown.log_prob, spike.log_prob)
                self._open = replace(grown, end=spike.end, log_prob=likeliest)
                continue
            ended += self.finish()
            if spike.token != self._blank:
                self._open = spike
        self._frames += len(path.tokens)
        return ended

    def finish(self) -> list[Spike]:
        """The token that is open, if any: no frame that continues it will follow."""
        last, self._open = self._open, None
        return [] if last is None else [last]

    def provisional(self, log_probs: LogProbs) -> list[Spike]:
        """What ``receive`` and ``finish`` would give now; nothing is changed."""
        guess = GreedyCollapse(self._blank)
        guess._frames, guess._open = self._frames, self._open
        return guess.receive(log_probs) + guess.finish()


class GreedyDecoder:
    """The likeliest token of every frame, collapsed; a :class:`CtcDecoder`.

    All tokens are settled but the one that the newest frame says, which may grow longer. With
    hotwords, those that a phrase may still replace are open too: the newest word or two.
    """

    def __init__(self, blank: int, *, hotwords: Hotwords | None = None) -> None:
        self._blank = blank
        self._path = GreedyCollapse(blank)
        self._ended: list[Spike] = []
        self._hotwords: Hotwords | None = None
        self._spotter: Spotter | None = None
        self.hotwords = hotwords

    @property
    def hotwords(self) -> Hotwords | None:
        """May be changed between two frames: new phrases count from the next word on."""
        return self._hotwords

    @hotwords.setter
    def hotwords(self, hotwords: Hotwords | None) -> None:
        if self._spotter:
            self._say(self._spotter.finish(word_ends=False))
        self._hotwords, self._spotter = hotwords, None
        if hotwords:
            last = self.spikes[-1:]
            word_may_start = not last or last[0].token in hotwords.spaces
            self._spotter = Spotter(hotwords, self._blank, word_may_start=word_may_start)

    def receive(self, log_probs: LogProbs) -> None:
        """The next frames of the segment, (n, vocabulary), n maybe 0."""
        if self._spotter:
            self._say(self._spotter.receive(log_probs))
        else:
            self._ended += self._path.receive(log_probs)

    @property
    def spikes(self) -> tuple[Spike, ...]:
        """The tokens of all frames so far."""
        if self._spotter:
            return self._copy().finish()
        growing = self._path.open
        return (*self._ended, growing) if growing else tuple(self._ended)

    @property
    def settled(self) -> int:
        """How many of ``spikes`` no later frame can change."""
        return len(self._ended)

    def provisional(self, log_probs: LogProbs) -> tuple[Spike, ...]:
        """What ``receive`` and ``finish`` would give now; nothing is changed."""
        guess = self._copy()
        guess.receive(log_probs)
        return guess.finish()

    def finish(self) -> tuple[Spike, ...]:
        """All tokens: the segment ends here."""
        if self._spotter:
            self._say(self._spotter.finish())
            self._spotter = None
        self._ended += self._path.finish()
        return tuple(self._ended)

    def _say(self, path: Path) -> None:
        self._ended += self._path.receive_path(path)

    def _copy(self) -> "GreedyDecoder":
        other = copy.copy(self)
        other._path = copy.copy(self._path)
        other._ended = self._ended.copy()
        other._spotter = self._spotter.copy() if self._spotter else None
        return other


def _runs(path: Path, first: int) -> Iterator[Spike]:
    """Runs of frames that say the same, blanks included; frame 0 is ``first``."""
    ids, best = path.tokens, path.log_probs
    if not len(ids):
        return
    edges = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(ids)]
    for start, end in zip(edges, edges[1:], strict=False):
        yield Spike(int(ids[start]), first + start, first + end, float(best[start:end].max()))
