"""Searches besides the greedy one: a beam of texts that compete, and drawing by chance.

Both ask for passes as ``seq2seq.greedy`` does. Chance comes from a generator with a fixed seed, so
that the same audio gives the same text.
"""

from dataclasses import dataclass
from typing import Final, Generic

import numpy as np

from streamscribe.log_probs import log_softmax
from streamscribe.model import DecodeStep
from streamscribe.seq2seq import (
    Answer,
    Ask,
    Attention,
    Cache,
    Hypothesis,
    Logits,
    Rules,
    Search,
    begin,
    log_probs_of,
)

SEED: Final = 0


@dataclass(frozen=True, slots=True)
class _Text(Generic[Cache]):
    """One text of the beam."""

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    rows: tuple[Attention, ...]
    logits: Logits
    """(1, vocabulary): after the last token."""
    cache: Cache

    @property
    def score(self) -> float:
        """Log-probability of all tokens."""
        return sum(self.log_probs)


def beam(
    step: DecodeStep,
    start: tuple[int, ...],
    rules: Rules,
    size: int,
    begun: Answer[Cache] | None = None,
) -> Search[Cache]:
    """The text with the best mean log-probability that a beam of ``size`` texts finds.

    The end of the sequence counts as a token. The search is over when ``size`` texts have ended.
    """
    head_len = len(start) + len(step.forced)
    first = Answer(*(yield from begin(start, step.forced, begun)))
    known = _rows(first, slice(len(start) - 1, head_len - 1))
    texts = [_Text((), (), known, first.logits[-1:], first.cache)]
    newest = _rows(first, slice(head_len - 1, head_len))
    rows = [newest]
    ended: list[Hypothesis] = []
    for _ in range(step.max_new_tokens):
        grown = _grown(texts, rows, rules, size, begins=not step.forced)
        going = []
        for hypothesis in grown:
            if hypothesis.tokens[-1] == rules.eos:
                ended.append(_finished(hypothesis, ended=True))
            else:
                going.append(hypothesis)
            if len(going) == size:
                break
        if len(ended) >= size or not going:
            texts = going
            break
        answers = yield [Ask((text.tokens[-1],), text.cache) for text in going]
        texts = [
            _Text(text.tokens, text.log_probs, text.rows, answer.logits, answer.cache)
            for text, answer in zip(going, answers, strict=True)
        ]
        rows = [_rows(answer, slice(None)) for answer in answers]
    else:
        ended += [_finished(text, ended=False) for text in texts]
    best = max(ended, key=lambda found: found.mean_log_prob)
    return _without_end(best)


def _grown(
    texts: list[_Text[Cache]],
    rows: list[tuple[Attention, ...]],
    rules: Rules,
    size: int,
    *,
    begins: bool,
) -> list[_Text[Cache]]:
    """The best ways to go on, twice as many as the beam holds, best first."""
    ways: list[tuple[float, int, int, float]] = []
    for index, text in enumerate(texts):
        rules.apply(text.logits, begins=begins and not text.tokens)
        log_probs = log_softmax(text.logits[0])
        count = min(2 * size, np.isfinite(log_probs).sum())
        for token in np.argpartition(log_probs, -count)[-count:].tolist():
            log_prob = float(log_probs[token])
            ways.append((text.score + log_prob, index, token, log_prob))
    ways.sort(key=lambda way: (-way[0], way[1], way[2]))
    return [
        _Text(
            (*texts[index].tokens, token), (*texts[index].log_probs, log_prob),
            texts[index].rows + rows[index], texts[index].logits, texts[index].cache,
        )
        for _, index, token, log_prob in ways[: 2 * size]
    ]  # fmt: skip


def _finished(text: _Text[Cache], *, ended: bool) -> Hypothesis:
    rows = np.concatenate(text.rows, axis=1) if text.rows else None
    return Hypothesis(text.tokens, text.log_probs, ended, rows)


def _without_end(found: Hypothesis) -> Hypothesis:
    if not found.ended:
        return found
    return Hypothesis(found.tokens[:-1], found.log_probs[:-1], True, found.attention)


def sample(
    step: DecodeStep,
    start: tuple[int, ...],
    rules: Rules,
    temperature: float,
    begun: Answer[Cache] | None = None,
) -> Search[Cache]:
    """Tokens drawn by their probability, with all scores divided by ``temperature`` first."""
    chance = np.random.default_rng(SEED)
    head_len = len(start) + len(step.forced)
    answer = Answer(*(yield from begin(start, step.forced, begun)))
    rows = [*_rows(answer, slice(len(start) - 1, head_len - 1))]
    newest = _rows(answer, slice(head_len - 1, head_len))
    logits = answer.logits[-1:]
    tokens: list[int] = []
    log_probs: list[float] = []
    while len(tokens) < step.max_new_tokens:
        rules.apply(logits, begins=not step.forced and not tokens)
        rows += newest
        shares = np.exp(log_softmax(logits[0] / temperature)).astype(np.float64)
        token = int(np.searchsorted(np.cumsum(shares), chance.random() * shares.sum()))
        token = min(token, len(shares) - 1)
        if token == rules.eos:
            return _drawn(tokens, log_probs, rows, ended=True)
        tokens.append(token)
        log_probs += log_probs_of(logits, [token])
        [answer] = yield [Ask((token,), answer.cache)]
        logits, newest = answer.logits, _rows(answer, slice(None))
    return _drawn(tokens, log_probs, rows, ended=False)


def _drawn(
    tokens: list[int], log_probs: list[float], rows: list[Attention], *, ended: bool
) -> Hypothesis:
    attention = np.concatenate(rows, axis=1) if rows else None
    return Hypothesis(tuple(tokens), tuple(log_probs), ended, attention)


def _rows(answer: Answer[Cache], part: slice) -> tuple[Attention, ...]:
    return () if answer.attention is None else (answer.attention[:, part],)
