"""Greedy decoding with a draft: verify the guess in one pass, keep what agrees, then go on.

Live, the text of one hop is almost the text of the hop before. So the previous hypothesis is fed
as if it were right (teacher forcing) in one pass, which costs little more than one token. The
model's own choice after each position is then known; up to the first disagreement the draft *is*
what token-by-token decoding would have chosen. The cache is rolled back to that point and
decoding goes on one token at a time.

This equals step-wise greedy decoding exactly where logits don't depend on later tokens. The
default model's files quantise activations per call, so there a near tie may fall the other way;
``bench/draft_agreement.py`` measures how often.
"""

from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from streamscribe.model import Step, StepResult

Logits = npt.NDArray[np.float32]
Cache = TypeVar("Cache")


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

    def decode(self, step: Step) -> StepResult:
        """The tokens after ``step.forced``, at most ``step.max_new_tokens``."""
        draft = step.draft[: step.max_new_tokens]
        head_len = 1 + len(step.forced)
        logits, cache = self._decoder.start((self._bos,))
        if guess := (*step.forced, *draft):
            after_guess, cache = self._decoder.extend(guess, cache)
            logits = np.concatenate((logits, after_guess))
        logits = logits[head_len - 1 :]  # (1 + len(draft), vocabulary): choices after the forced
        chosen = logits.argmax(axis=-1).tolist()
        agreed = 0
        while agreed < len(draft) and chosen[agreed] == draft[agreed]:
            agreed += 1
        tokens = list(draft[:agreed])
        log_probs = _log_probs(logits[:agreed], tokens)
        if agreed < len(draft):
            cache = self._decoder.roll_back(cache, head_len + agreed)
        newest = logits[agreed]
        ended = False
        while len(tokens) < step.max_new_tokens:
            token = int(newest.argmax())
            if token == self._eos:
                ended = True
                break
            tokens.append(token)
            log_probs += _log_probs(newest[np.newaxis], [token])
            if len(tokens) == step.max_new_tokens:
                break
            logits, cache = self._decoder.extend((token,), cache)
            newest = logits[-1]
        return StepResult(tokens=tuple(tokens), log_probs=tuple(log_probs), ended=ended)


def _log_probs(logits: Logits, tokens: list[int]) -> list[float]:
    """Log-probability of ``tokens[i]`` under ``logits[i]``, (len(tokens), vocabulary)."""
    if not tokens:
        return []
    top = logits.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(logits - top).sum(axis=-1)) + top[:, 0]
    picked = logits[np.arange(len(tokens)), tokens]
    scores: list[float] = (picked - log_sum).tolist()
    return scores
