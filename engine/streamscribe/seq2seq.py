"""Greedy decoding with a draft: verify the guess in one pass, keep what agrees, then go on.

Live, the text of one hop is almost the text of the hop before. So the previous hypothesis is fed
as if it were right (teacher forcing) in one pass, which costs little more than one token. The
model's own choice after each position is then known; up to the first disagreement the draft *is*
what token-by-token decoding would have chosen. The cache is rolled back to that point, and
decoding goes on one token at a time until it says a word that stands nearby in the draft: from
there on the rest of the draft is guessed and verified in the same way.

This equals step-wise greedy decoding exactly where logits don't depend on later tokens, up to the
rounding of sums; ``bench/draft_agreement.py`` measures how often a near tie falls the other way.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from streamscribe.model import DecodeResult, DecodeStep

Logits: TypeAlias = npt.NDArray[np.float32]
"""(tokens, vocabulary)."""
Attention: TypeAlias = npt.NDArray[np.float32]
"""(alignment heads, tokens, frames); row i is what was looked at to choose what follows token i."""
Cache = TypeVar("Cache")

REJOIN_BACK: Final = 2
REJOIN_AHEAD: Final = 6
"""How far from its place in the draft a token is looked for. On 1,319 looks of live sessions this
took 5.5 passes a look where 8.1 were needed without, and wider or narrower took no fewer."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[Cache]):
    """One pass that a search wants: ``tokens`` after those in ``cache``."""

    tokens: tuple[int, ...]
    cache: Cache | None = None
    """None: the sequence begins here."""
    kept: int | None = None
    """How many tokens of the cache count; None: all."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Cache]):
    """What a pass gave."""

    logits: Logits
    """After each of the tokens asked about."""
    cache: Cache
    attention: Attention | None = None
    """Of models with alignment heads."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a search found."""

    tokens: tuple[int, ...]
    """After the forced ones, without the end of the sequence."""
    log_probs: tuple[float, ...]
    ended: bool
    attention: Attention | None = None
    """A row for each forced and each found token, and one for the end if the model said it."""

    @property
    def mean_log_prob(self) -> float:
        """Mean of ``log_probs``; 0 of no tokens."""
        return sum(self.log_probs) / max(1, len(self.log_probs))


Search: TypeAlias = Generator[list[Ask[Cache]], list[Answer[Cache]], Hypothesis]
"""A way of decoding that asks for passes and is sent their answers, so that it knows neither what
computes them nor what else shares the call."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the model may say."""

    eos: int
    suppressed: tuple[int, ...] = ()
    """Tokens that are never said."""
    suppressed_first: tuple[int, ...] = ()
    """Tokens that no text begins with."""

    def apply(self, logits: Logits, *, begins: bool) -> None:
        """Change ``logits``, (tokens, vocabulary); ``begins``: the first row begins the text."""
        if self.suppressed:
            logits[:, _index(self.suppressed)] = -np.inf
        if begins and self.suppressed_first:
            logits[0, _index(self.suppressed_first)] = -np.inf


@lru_cache(maxsize=32)
def _index(tokens: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.array(tokens, dtype=np.int64)


class Decoder(Protocol[Cache]):
    """An autoregressive decoder, bound to the encoded audio of one step."""

    def start(self, tokens: tuple[int, ...]) -> tuple[Logits, Cache]:
        """Logits (len(tokens), vocabulary) after each of the sequence's first tokens."""
        ...

    def extend(self, tokens: tuple[int, ...], cache: Cache) -> tuple[Logits, Cache]:
        """Logits (len(tokens), vocabulary) after each of ``tokens``, which follow the cached."""
        ...

    def roll_back(self, cache: Cache, length: int) -> Cache:
        """The cache as it was after the first ``length`` tokens."""
        ...


class GreedySearch(Generic[Cache]):
    """Draft-verified greedy decoding with one decoder.

    The begin of the sequence is fed alone, as graphs with a branch for it want it.
    """

    def __init__(self, decoder: Decoder[Cache], *, bos: int, eos: int) -> None:
        self._decoder = decoder
        self._bos = bos
        self._rules = Rules(eos)

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The tokens after ``step.forced``, at most ``step.max_new_tokens``."""
        begun = self._answer(Ask((self._bos,)))
        search: Search[Cache] = greedy(step, (self._bos,), self._rules, begun)
        try:
            asked = next(search)
            while True:
                asked = search.send([self._answer(ask) for ask in asked])
        except StopIteration as stop:
            found: Hypothesis = stop.value
            return DecodeResult(found.tokens, found.log_probs, found.ended)

    def _answer(self, ask: Ask[Cache]) -> Answer[Cache]:
        if ask.cache is None:
            return Answer(*self._decoder.start(ask.tokens))
        cache = ask.cache
        if ask.kept is not None:
            cache = self._decoder.roll_back(cache, ask.kept)
        return Answer(*self._decoder.extend(ask.tokens, cache))


def greedy(
    step: DecodeStep,
    start: tuple[int, ...],
    rules: Rules,
    begun: Answer[Cache] | None = None,
) -> Search[Cache]:
    """The likeliest token after each; nothing is asked for that ``step.draft`` guessed right.

    start: what every sequence begins with.   begun: the answer to it, if it was asked for before.
    """
    guess = step.draft[: step.max_new_tokens - 1]  # the last token's successor is not wanted
    known = (*step.forced, *guess)
    head_len = len(start) + len(step.forced)
    logits, cache, rows = yield from begin(start, known, begun)
    logits = logits[head_len - 1 :]
    attention = _Rows(rows, len(start) - 1, head_len - 1)
    tokens: list[int] = []
    log_probs: list[float] = []
    place = 0  # how much of the draft lies behind
    while True:
        # logits: (1 + len(guess), vocabulary), the choices before and after each guess
        rules.apply(logits, begins=not step.forced and not tokens)
        chosen = logits.argmax(axis=-1).tolist()
        agreed = _agreed_len(chosen, guess, rules.eos)
        said = chosen[: min(agreed + 1, step.max_new_tokens - len(tokens))]
        attention.take(len(said))
        ended = said[-1:] == [rules.eos]
        if ended:
            said.pop()
        tokens += said
        log_probs += log_probs_of(logits[: len(said)], said)
        if ended or len(tokens) >= step.max_new_tokens:
            return Hypothesis(tuple(tokens), tuple(log_probs), ended, attention.joined())
        kept = head_len + len(tokens) - 1 if agreed < len(guess) else None
        place, guess = _rejoin(step.draft, place + agreed, tokens[-1])
        guess = guess[: step.max_new_tokens - len(tokens) - 1]
        [answer] = yield [Ask((tokens[-1], *guess), cache, kept)]
        logits, cache = answer.logits, answer.cache
        attention.put(answer.attention)


def begin(
    start: tuple[int, ...], known: tuple[int, ...], begun: Answer[Cache] | None
) -> Generator[list[Ask[Cache]], list[Answer[Cache]], tuple[Logits, Cache, Attention | None]]:
    """Logits and attention rows of everything that is known or guessed."""
    if begun is None:
        [first] = yield [Ask((*start, *known))]
        return first.logits, first.cache, first.attention
    if not known:
        return begun.logits, begun.cache, begun.attention
    [rest] = yield [Ask(known, begun.cache)]
    logits = np.concatenate((begun.logits, rest.logits))
    if begun.attention is None or rest.attention is None:
        return logits, rest.cache, None
    return logits, rest.cache, np.concatenate((begun.attention, rest.attention), axis=1)


class _Rows:
    """Collects the rows of attention that led to the tokens which were kept."""

    def __init__(self, rows: Attention | None, first: int, newest: int) -> None:
        self._kept = [] if rows is None else [rows[:, first:newest]]
        self._newest = None if rows is None else rows[:, newest:]

    def put(self, rows: Attention | None) -> None:
        """The rows of the newest pass."""
        self._newest = rows

    def take(self, count: int) -> None:
        """Keep the first ``count`` rows of the newest pass."""
        if self._newest is not None:
            self._kept.append(self._newest[:, :count])

    def joined(self) -> Attention | None:
        """All rows that were kept."""
        return np.concatenate(self._kept, axis=1) if self._kept else None


def _agreed_len(chosen: list[int], guess: tuple[int, ...], eos: int) -> int:
    """How many tokens of ``guess`` are what the model would have chosen."""
    for index, token in enumerate(guess):
        if chosen[index] != token or token == eos:
            return index
    return len(guess)


def _rejoin(draft: tuple[int, ...], place: int, token: int) -> tuple[int, tuple[int, ...]]:
    """Where the draft goes on after ``token``, which it did not expect at ``place``, and with what.

    Most revisions are a word or a comma: the token that was chosen instead stands nearby, and
    what follows it there is likely to follow it here. If it doesn't, nothing is guessed.
    """
    nearby = range(max(0, place - REJOIN_BACK), min(len(draft), place + REJOIN_AHEAD))
    found = [index for index in nearby if draft[index] == token]
    if not found:
        return place, ()
    place = min(found, key=lambda index: abs(index - place)) + 1
    return place, draft[place:]


def log_probs_of(logits: Logits, tokens: list[int]) -> list[float]:
    """Log-probability of ``tokens[i]`` under ``logits[i]``, (len(tokens), vocabulary)."""
    if not tokens:
        return []
    top = logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=-1)) + top[:, 0]
    picked = logits[np.arange(len(tokens)), tokens]
    scores: list[float] = (picked - log_sum).tolist()
    return scores
