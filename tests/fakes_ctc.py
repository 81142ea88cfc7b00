"""A scripted CTC model: every frame says the word whose amplitude its middle sample has.

A word that the window's edge cuts off is heard wrongly, on the left as on the right; so what is
committed without enough context shows in the text.
"""

import random
from collections.abc import Sequence

import numpy as np

from fakes import WORD_LEN
from streamscribe import ctc_options
from streamscribe.ctc_decoding import CtcDecoding
from streamscribe.ctc_policy import CtcPolicy
from streamscribe.families import Chunk, FrontEnd
from streamscribe.model import (
    FramesResult,
    FramesStep,
    LogProbs,
    Samples,
    Step,
    StepResult,
)
from streamscribe.options import SessionOptions
from streamscribe.policy import Policy
from streamscribe.stages import Told, untold

FRONT_END = FrontEnd(receptive_field_len=400, stride_len=320)
CHUNK = Chunk(hop_ms=400, right_ms=300, left_ms=2_000)
BLANK = 0
MOST_WORDS = 400
"""Token ``k`` up to here is the word " wk"; ``MOST_WORDS + k`` is " xk", wrongly heard."""
VOCABULARY_SIZE = 2 * MOST_WORDS + 1


class CtcWordTable:
    """Blank, then words, then words wrongly heard."""

    def __len__(self) -> int:
        return VOCABULARY_SIZE

    def token_bytes(self, token: int) -> bytes:
        if token == BLANK:
            return b""
        return (f" x{token - MOST_WORDS}" if token > MOST_WORDS else f" w{token}").encode()


class ScriptedCtcModel:
    """Deterministic, without state; ``steps`` tells what it was given."""

    name = "scripted-ctc"
    languages = ("xx",)

    def __init__(self, chunk: Chunk = CHUNK) -> None:
        self.told: Told = untold
        self.tokens = CtcWordTable()
        self.chunk = chunk
        self._decoding = CtcDecoding(self.tokens, VOCABULARY_SIZE, BLANK)
        self.steps: list[FramesStep] = []

    def resolve(self, options: SessionOptions) -> SessionOptions:
        return self._decoding.resolve(ctc_options.resolve(options, self.name, self.languages))

    def new_policy(self, options: SessionOptions) -> Policy:
        return CtcPolicy(options, self.tokens, FRONT_END, self.chunk, self._decoding)

    def warm_up(self) -> None:
        pass

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        return [self._run_one(step) for step in steps]

    def _run_one(self, step: Step) -> FramesResult:
        assert isinstance(step, FramesStep)
        self.steps.append(step)
        return FramesResult(_log_probs(self._tokens_of(step.samples)))

    def _tokens_of(self, samples: Samples) -> list[int]:
        """The likeliest token of every frame."""
        words = _words_of(samples)
        frames = np.arange(FRONT_END.frames(len(samples)))
        middles = frames * FRONT_END.stride_len + FRONT_END.receptive_field_len // 2
        return [int(token) for token in words[middles]] if len(frames) else []


class WaveringCtcModel(ScriptedCtcModel):
    """Says now and then something else, and is not always sure; its chunk comes from the seed.

    What it says depends on the step's samples alone.
    """

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        super().__init__(
            Chunk(
                rng.choice([100, 400, 1_500]), rng.choice([0, 300]), rng.choice([0, 2_000, 30_000])
            )
        )
        self._seed = seed

    def _tokens_of(self, samples: Samples) -> list[int]:
        rng = random.Random(f"{self._seed} {len(samples)} {samples[:1].tolist()}")
        tokens = super()._tokens_of(samples)
        return [rng.choice([BLANK, 7, 8]) if rng.random() < 0.1 else token for token in tokens]


def _words_of(samples: Samples) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The token that each sample belongs to."""
    words = np.rint(samples * 1_000).astype(np.int64)
    edges = [0, *(np.flatnonzero(np.diff(words)) + 1).tolist(), len(words)]
    for start, end in zip(edges, edges[1:], strict=False):
        cut = start == 0 or end == len(words)
        if end > start and words[start] and cut and end - start < WORD_LEN:
            words[start:end] += MOST_WORDS
    return words


def _log_probs(tokens: Sequence[int]) -> LogProbs:
    log_probs = np.full((len(tokens), VOCABULARY_SIZE), -9.0, dtype=np.float32)
    log_probs[np.arange(len(tokens)), list(tokens)] = -0.1
    return log_probs
