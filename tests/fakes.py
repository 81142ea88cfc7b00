"""A scripted model and detector for the pure core: the audio itself says what is spoken.

Word ``k`` is ``WORD_LEN`` samples of the constant amplitude ``k / 1000``; silence is zero. So a
window of any bounds can be read back into words, and a word lost or doubled shows in the text::

    talk(1, 2, 3)  ->  0.1 0.1 ... 0.0 0.0 ... 0.2 0.2 ...  ->  "w1 w2 w3."
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from streamscribe.abilities import Abilities
from streamscribe.encoder_decoder import LEAD_LEN
from streamscribe.events import Event
from streamscribe.events import Final as FinalEvent
from streamscribe.model import AcousticModel, DecodeResult, DecodeStep, Samples, Step, StepResult
from streamscribe.options import SessionOptions
from streamscribe.policy import Policy
from streamscribe.recognizer import Recognizer, drive
from streamscribe.seq2seq_options import resolve
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.seq2seq_traits import Traits
from streamscribe.session import Session
from streamscribe.stages import Told, untold
from streamscribe.timeline import SAMPLE_RATE

WORD_LEN: Final = 3_361
"""Seven frames of 30 ms and one sample more: odd, so a cut word has one larger part."""

FRAME_LEN: Final = 480
PERIOD: Final = 1_000
GUESS: Final = 2_000
"""``GUESS + k`` is what the model wrongly writes for a word of which it heard too little."""


class WordTable:
    """Token ``k`` is the word " wk", ``PERIOD`` is ".", ``GUESS + k`` is " xk"."""

    def __len__(self) -> int:
        return GUESS + PERIOD

    def token_bytes(self, token: int) -> bytes:
        if token == PERIOD:
            return b"."
        return f" x{token - GUESS}".encode() if token > GUESS else f" w{token}".encode()


class LetterTable:
    """Token ``n`` is the character with code ``n``: words of many tokens."""

    def __len__(self) -> int:
        return 256

    def token_bytes(self, token: int) -> bytes:
        return chr(token).encode()


class ScriptedModel:
    """Writes the words that it can hear in a step's samples; deterministic, without state.

    A word is heard if more than half of it lies in the window. A word cut off at the window's end
    with less than that is guessed wrongly, so that hypotheses are revised. A sentence ends where
    the window ends in silence. Continues after as many words as ``DecodeStep.forced`` holds.
    """

    name = "scripted"
    languages = ("xx",)

    def __init__(self, *, guesses: bool = True, max_tokens_per_s: float = 50.0) -> None:
        self.told: Told = untold
        self.tokens = WordTable()
        self.max_tokens_per_s = max_tokens_per_s
        self.steps: list[DecodeStep] = []
        self.log_prob_of: dict[int, float] = {}  # by token; of the others it is -0.1
        self._guesses = guesses

    def resolve(self, options: SessionOptions) -> SessionOptions:
        return resolve(options, Abilities(model=self.name, languages=self.languages), 0)

    def new_policy(self, options: SessionOptions) -> Policy:
        return Seq2SeqPolicy(options, self.tokens, Traits(self.max_tokens_per_s, lead_len=LEAD_LEN))

    def warm_up(self) -> None:
        pass

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        return [self._run_one(decode_step(step)) for step in steps]

    def _run_one(self, step: DecodeStep) -> DecodeResult:
        self.steps.append(step)
        heard = self._hear(step.samples)
        words_known = sum(token != PERIOD for token in step.forced)
        new = heard[words_known:]
        kept = new[: step.max_new_tokens]
        log_probs = tuple(self.log_prob_of.get(token, -0.1) for token in kept)
        return DecodeResult(tokens=tuple(kept), log_probs=log_probs, ended=len(kept) == len(new))

    def _hear(self, samples: Samples) -> list[int]:
        edges = [0, *(np.flatnonzero(np.diff(samples)) + 1).tolist(), len(samples)]
        heard: list[int] = []
        for start, end in zip(edges, edges[1:], strict=False):
            word = round(float(samples[start]) * 1_000) if end > start else 0
            if word and end - start > WORD_LEN // 2:
                heard.append(word)
            elif word and end == len(samples) and self._guesses:
                heard.append(GUESS + word)
        if heard and not samples[-1]:
            heard.append(PERIOD)
        return heard


class FixedModel(ScriptedModel):
    """Writes the same tokens whatever it hears."""

    name = "fixed"

    def __init__(self, tokens: Sequence[int], *, log_prob: float = -0.1) -> None:
        super().__init__()
        self._said = tuple(tokens)
        self._log_prob = log_prob

    def _run_one(self, step: DecodeStep) -> DecodeResult:
        said = self._said[len(step.forced) :][: step.max_new_tokens]
        return DecodeResult(said, tuple(self._log_prob for _ in said), ended=True)


class ScriptedVad:
    """Voiced is every frame that holds a sample other than zero."""

    def __init__(self, frame_len: int = FRAME_LEN) -> None:
        self.frame_len = frame_len

    def speech_probability(self, frame: Samples) -> float:
        return 1.0 if frame.any() else 0.0


def decode_step(step: Step) -> DecodeStep:
    """``step``, which is known to be one of a seq2seq session."""
    assert isinstance(step, DecodeStep)
    return step


def samples_len(length_s: float) -> int:
    """Seconds to samples."""
    return round(length_s * SAMPLE_RATE)


def silence(length_s: float) -> Samples:
    """Nothing, for so many seconds."""
    return np.zeros(samples_len(length_s), dtype=np.float32)


def word(number: int) -> Samples:
    """The word ``number``, in [1, 999]."""
    return np.full(WORD_LEN, number / 1_000, dtype=np.float32)


def talk(first: int, last: int, *, gap_s: float = 0.09) -> Samples:
    """The words from ``first`` to ``last``, each followed by a gap too short for a pause."""
    return join(*(part for k in range(first, last + 1) for part in (word(k), silence(gap_s))))


def join(*parts: Samples) -> Samples:
    """One after the other."""
    return np.concatenate(parts) if parts else silence(0)


def make_recognizer(model: AcousticModel | None = None) -> Recognizer:
    """A recognizer with scripted ears."""
    return Recognizer(model or ScriptedModel(), ScriptedVad)


def feed(session: Session, recognizer: Recognizer, audio: Samples) -> list[Event]:
    """Hand over ``audio`` in blocks of a second, running every step at once."""
    events: list[Event] = []
    for start in range(0, len(audio), SAMPLE_RATE):
        session.receive_audio(audio[start : start + SAMPLE_RATE])
        events += drive(session, recognizer)
    return events


def transcribe_scripted(
    audio: Samples,
    options: SessionOptions | None = None,
    model: AcousticModel | None = None,
) -> list[Event]:
    """All events of a stream that ends after ``audio``."""
    recognizer = make_recognizer(model)
    session = recognizer.open(options)
    events = feed(session, recognizer, audio)
    session.receive_eof()
    return events + list(drive(session, recognizer))


def finals(events: Sequence[Event]) -> list[FinalEvent]:
    """The finals among ``events``."""
    return [event for event in events if isinstance(event, FinalEvent)]


def spoken(events: Sequence[Event]) -> list[str]:
    """The words of all finals, without their punctuation."""
    return [word.strip(".") for final in finals(events) for word in final.text.split()]


def words_from(first: int, last: int) -> list[str]:
    """What ``spoken`` should give for ``talk(first, last)``."""
    return [f"w{k}" for k in range(first, last + 1)]
