"""Greedy decoding with a draft: verify the guess in one pass, keep what agrees, then go on.

Live, the text of one hop is almost the text of the hop before. So the previous hypothesis is fed
as if it were right (teacher forcing) in one pass, which costs little more than one token. The
model's own choice after each position is then known; up to the first disagreement the draft *is*
what token-by-token decoding would have chosen. The cache is rolled back to that point, and
decoding goes on one token at a time until it says a word that stands nearby in the draft: from
there on the rest of the draft is guessed and verified in the same way.

This equals step-wise greedy decoding exactly where logits don't depend on later tokens. The
default model's files quantise activations per call, so there a near tie may fall the other way;
``bench/draft_agreement.py`` measures how often.
"""

from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from streamscribe.model import DecodeResult, DecodeStep

Logits = npt.NDArray[np.float32]
Cache = TypeVar("Cache")

REJOIN_BACK: Final = 2
REJOIN_AHEAD: Final = 6
"""How far from its place in the draft a token is looked for. On 1,319 looks of live sessions this
took 5.5 passes a look where 8.1 were needed without, and wider or narrower took no fewer."""


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
    """Draft-verified greedy decoding with one decoder."""

    def __init__(self, decoder: Decoder[Cache], *, bos: int, eos: int) -> None:
        self._decoder = decoder
        self._bos = bos
        self._eos = eos

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The tokens after ``step.forced``, at most ``step.max_new_tokens``."""
        guess = step.draft
        head_len = 1 + len(step.forced)
        logits, cache = self._decoder.start((self._bos,))
        if known := (*step.forced, *guess):
            after_known, cache = self._decoder.extend(known, cache)
            logits = np.concatenate((logits, after_known))
        logits = logits[head_len - 1 :]
        tokens: list[int] = []
        log_probs: list[float] = []
        place = 0  # how much of the draft lies behind
        while True:
            # logits: (1 + len(guess), vocabulary), the choices before and after each guess
            chosen = logits.argmax(axis=-1).tolist()
            agreed = self._agreed_len(chosen, guess)
            said = chosen[: min(agreed + 1, step.max_new_tokens - len(tokens))]
            ended = said[-1:] == [self._eos]
            if ended:
                said.pop()
            tokens += said
            log_probs += _log_probs(logits[: len(said)], said)
            if ended or len(tokens) == step.max_new_tokens:
                return DecodeResult(tuple(tokens), tuple(log_probs), ended)
            if agreed < len(guess):
                cache = self._decoder.roll_back(cache, head_len + len(tokens) - 1)
            place, guess = _rejoin(step.draft, place + agreed, tokens[-1])
            logits, cache = self._decoder.extend((tokens[-1], *guess), cache)

    def _agreed_len(self, chosen: list[int], guess: tuple[int, ...]) -> int:
        """How many tokens of ``guess`` are what the model would have chosen."""
        for index, token in enumerate(guess):
            if chosen[index] != token or token == self._eos:
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


def _log_probs(logits: Logits, tokens: list[int]) -> list[float]:
    """Log-probability of ``tokens[i]`` under ``logits[i]``, (len(tokens), vocabulary)."""
    if not tokens:
        return []
    top = logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=-1)) + top[:, 0]
    picked = logits[np.arange(len(tokens)), tokens]
    scores: list[float] = (picked - log_sum).tolist()
    return scores
