"""Speech for properties: phrases of scripted words with pauses, and a model that wavers."""

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from fakes import GUESS, PERIOD, ScriptedModel, join, silence, talk
from fakes_ctc import WaveringCtcModel
from streamscribe.model import AcousticModel, DecodeResult, DecodeStep, Samples
from streamscribe.options import Commit, SessionOptions

Phrase = tuple[int, int]
"""Words, each followed by a gap of 90 ms; then a pause in milliseconds."""

PAUSES_MS = (0, 150, 210, 300, 400, 520, 700, 790, 900, 1_500, 4_000)

PHRASES = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from(PAUSES_MS)), min_size=1, max_size=7
)
"""Up to a minute and a half of speech."""

SHORT_PHRASES = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(PAUSES_MS)), min_size=1, max_size=4
)

OPTIONS = st.builds(
    SessionOptions,
    partials=st.booleans(),
    commit=st.sampled_from(Commit),
    hop_ms=st.sampled_from([300, 500, 1_000]),
    endpoint_silence_ms=st.sampled_from([300, 800, 2_000]),
    soft_pause_ms=st.sampled_from([200, 300]),
    pre_roll_ms=st.sampled_from([300, 500, 1_000]),
    window_ms=st.sampled_from([6_000, 15_000]),
    max_segment_ms=st.sampled_from([5_000, 12_000, 30_000]),
)


def speak(phrases: Sequence[Phrase]) -> Samples:
    """The words from 1 on, phrase by phrase, after 0.4 s of silence."""
    parts = [silence(0.4)]
    first = 1
    for words, pause_ms in phrases:
        parts += [talk(first, first + words - 1), silence(pause_ms / 1_000)]
        first += words
    return join(*parts)


def count_words(phrases: Sequence[Phrase]) -> int:
    """How many words ``speak`` says."""
    return sum(words for words, _ in phrases)


class WaveringModel(ScriptedModel):
    """Hears now and then too much, too little or wrongly, and is not always sure of it.

    What it says depends on the step's samples alone.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def _run_one(self, step: DecodeStep) -> DecodeResult:
        rng = random.Random(f"{self._seed} {len(step.samples)} {step.samples[:1].tolist()}")
        heard = super()._run_one(step).tokens
        if rng.random() < 0.2:
            heard = heard[: rng.randrange(3)]
        if rng.random() < 0.2:
            heard = tuple(GUESS + 900 if rng.random() < 0.2 else token for token in heard)
        if rng.random() < 0.1:
            heard = (PERIOD, *heard, *([7, 8] * 10))
        kept = heard[: step.max_new_tokens]
        log_prob = rng.choice([-0.01, -0.01, -0.3, -2.0])
        return DecodeResult(kept, tuple(log_prob for _ in kept), ended=len(kept) == len(heard))


def wavering(seed: int) -> AcousticModel:
    """A model that wavers; the seed says how, and of which family it is."""
    return WaveringCtcModel(seed) if seed % 2 else WaveringModel(seed)
