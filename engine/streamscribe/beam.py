"""CTC prefix beam search: whole texts compete, so that a language model and hotwords can help.

The likelihood of a text is summed over all ways in which frames can say it ("prefix beam search":
Hannun et al., arXiv:1408.2873). Each live prefix carries two sums, of the ways that end in a blank
and of those that end in its last token; a token is said twice only with a blank between. To the
logarithm of that sum come the words' scores (``LanguageWeights``) as words end, and what hotwords
gain.

Times come from the likeliest single way of each kind, which is kept as a chain of spikes. Chains
share their beginnings, as prefixes do. What all live chains share is settled: whatever follows can
only continue one of them.

Everything is decided frame by frame, so any split of the same frames gives the same tokens.
"""

import weakref
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np

from streamscribe.ctc import Spike
from streamscribe.hotwords import ROOT, Hotwords
from streamscribe.language_model import LanguageModel, LanguageWeights
from streamscribe.model import LogProbs, TokenTable
from streamscribe.prefixes import (
    NEVER,
    BeamLimits,
    Candidate,
    Chain,
    Live,
    Prefix,
    agreeing,
    log_sum,
    shared_len,
)
from streamscribe.word_scores import WordScores

_DEFAULT_WEIGHTS: Final = LanguageWeights()
_DEFAULT_LIMITS: Final = BeamLimits()
_RANK: Final = itemgetter(0)
_SETTLE_EVERY: Final = 16
"""Frames between two looks at what is older than the patience."""


class BeamDecoder:
    """The best texts of one segment; a :class:`~streamscribe.ctc.CtcDecoder`."""

    def __init__(
        self,
        tokens: TokenTable,
        blank: int,
        *,
        language_model: LanguageModel | None = None,
        weights: LanguageWeights = _DEFAULT_WEIGHTS,
        hotwords: Hotwords | None = None,
        limits: BeamLimits = _DEFAULT_LIMITS,
    ) -> None:
        self._scores = WordScores(tokens, language_model, weights, hotwords)
        self._blank = blank
        self._limits = limits
        self._hotwords = hotwords
        self._frames = 0
        self._finished = False
        context = language_model.start if language_model else ()
        nothing = Prefix(None, blank, b"", 0.0, context, 0.0)
        start = hotwords.start if hotwords else ROOT
        self._live = [Live(nothing, 0.0, NEVER, 0.0, None, NEVER, None, start, 0.0)]

    @property
    def hotwords(self) -> Hotwords | None:
        """May be changed between two frames: the new phrases count from the next word on."""
        return self._hotwords

    @hotwords.setter
    def hotwords(self, hotwords: Hotwords | None) -> None:
        old, self._hotwords = self._hotwords, hotwords
        self._scores.change(hotwords)
        for live in self._live:
            live.hot_score += old.finish(live.hot) if old else 0.0
            live.hot = hotwords.start if hotwords and not live.prefix.word else ROOT
            live.prefix.closed = None

    def receive(self, log_probs: LogProbs) -> None:
        """The next frames of the segment, (n, vocabulary), n maybe 0."""
        self._live = self._after(log_probs)
        self._frames += len(log_probs)

    @property
    def spikes(self) -> tuple[Spike, ...]:
        """The best tokens of all frames so far."""
        return self._best(self._live).spikes()

    @property
    def settled(self) -> int:
        """How many of ``spikes`` no later frame can change."""
        chains: list[Chain | None] = []
        for live in self._live:
            if live.best_blank > NEVER:
                chains.append(live.blank_chain)
            if (chain := live.token_chain) and live.best_token > NEVER:
                growing = chain.end == self._frames and not self._finished
                chains.append(chain.before if growing else chain)
        return shared_len(chains)

    def provisional(self, log_probs: LogProbs) -> tuple[Spike, ...]:
        """What ``receive`` and ``finish`` would give now; nothing is changed."""
        return self._best(self._after(log_probs)).spikes()

    def finish(self) -> tuple[Spike, ...]:
        """All tokens: the segment ends here."""
        best = self._best(self._live)
        _, chain = best.likeliest()
        self._live = [replace(best, best_blank=0.0, blank_chain=chain, best_token=NEVER)]
        self._finished = True
        return best.spikes()

    def _after(self, log_probs: LogProbs) -> list[Live]:
        """The best prefixes after these frames; nothing is changed."""
        best = self._live
        likely = log_probs > self._limits.token_log_prob
        likely[:, self._blank] = False
        frames, tokens = np.nonzero(likely)
        values = log_probs[frames, tokens].tolist()
        found = groupby(zip(frames.tolist(), tokens.tolist(), values, strict=True), itemgetter(0))
        said = {frame: [(token, value) for _, token, value in group] for frame, group in found}
        for frame, blank in enumerate(log_probs[:, self._blank].tolist()):
            stay = [live.silent(blank) for live in best]
            new: list[Candidate] = []
            if frame in said:
                new = self._said(best, stay, said[frame], self._frames + frame)
            best = self._prune(stay, new, self._frames + frame)
            if (self._frames + frame) % _SETTLE_EVERY == 0:
                best = agreeing(best, self._frames + frame - self._limits.patience)
        return best

    def _said(
        self,
        before: list[Live],
        stay: list[Live],
        said: list[tuple[int, float]],
        frame: int,
    ) -> list[Candidate]:
        """What ``frame`` may add to the prefixes ``before``: to ones that ``stay``, or new ones."""
        after = {live.prefix: live for live in stay}
        new: list[Candidate] = []
        for live in before:
            prefix = live.prefix
            total = log_sum(live.blank, live.token)
            likeliest, chain = live.likeliest()
            for token, log_prob in said:
                ways, best, said_before = total, likeliest, chain
                if token == prefix.token and live.token_chain is not None:
                    chain_on = live.token_chain.longer(frame, log_prob)
                    after[prefix].add(live.token + log_prob, live.best_token + log_prob, chain_on)
                    ways, best, said_before = live.blank, live.best_blank, live.blank_chain
                child = prefix.child(token)
                if child is not None and child in after:
                    added = Chain.then(said_before, token, frame, log_prob)
                    after[child].add(ways + log_prob, best + log_prob, added)
                elif ways > NEVER:
                    hot, hot_score = live.hot, live.hot_score
                    if self._hotwords:
                        hot, gained = self._hotwords.step(hot, token)
                        hot_score += gained
                    ways, best = ways + log_prob, best + log_prob
                    new.append(
                        Candidate(live, token, log_prob, ways, best, said_before, hot, hot_score)
                    )
        return new

    def _prune(self, stay: list[Live], new: list[Candidate], frame: int) -> list[Live]:
        """The best of both."""
        ranked: list[tuple[float, Live | Candidate]] = [
            (log_sum(live.blank, live.token) + live.prefix.words + live.hot_score, live)
            for live in stay
        ]
        for one in new:
            word, score, _ = self._scores.after(one.parent.prefix, one.token)
            ranked.append((one.sum + score + self._scores.ahead(word) + one.hot_score, one))
        if len(ranked) > 1:
            least = max(map(_RANK, ranked)) - self._limits.margin
            ranked = [pair for pair in ranked if pair[0] >= least]
            ranked.sort(key=_RANK, reverse=True)
            del ranked[self._limits.width :]
        return [one if isinstance(one, Live) else self._grow(one, frame) for _, one in ranked]

    def _grow(self, new: Candidate, frame: int) -> Live:
        parent = new.parent.prefix
        prefix = parent.child(new.token)
        if prefix is None:
            word, score, context = self._scores.after(parent, new.token)
            prefix = Prefix(parent, new.token, word, score, context, self._scores.ahead(word))
            parent.children[new.token] = weakref.ref(prefix)
        chain = Chain.then(new.chain, new.token, frame, new.log_prob)
        return Live(prefix, NEVER, new.sum, NEVER, None, new.best, chain, new.hot, new.hot_score)

    def _best(self, live: list[Live]) -> Live:
        """The best prefix if the text ends here."""
        return max(
            live,
            key=lambda one: (
                log_sum(one.blank, one.token)
                + self._scores.closed(one.prefix)[0]
                + one.hot_score
                + (self._hotwords.finish(one.hot) if self._hotwords else 0.0)
            ),
        )
