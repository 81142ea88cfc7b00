"""What all sessions share, and the simplest way to drive one.

A ``Recognizer`` is immutable; open as many sessions from it as you like. ``transcribe`` is
nothing but a driver of one session: audio from a file goes the way of live audio.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from streamscribe.bundle import Bundle
from streamscribe.continuation import Continuation
from streamscribe.converting import ready_bundle
from streamscribe.device import CPU, Device
from streamscribe.errors import OptionError
from streamscribe.events import Event
from streamscribe.families import Family
from streamscribe.language_model import load_language_model
from streamscribe.model import AcousticModel, PlacedModel, Samples, Step, StepResult
from streamscribe.options import SessionOptions
from streamscribe.session import Session
from streamscribe.stages import Told, timed_vads
from streamscribe.store import DEFAULT_MODEL, find_language_model
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.vad import VadFactory, make_vad

_BLOCK_LEN = SAMPLE_RATE
"""Audio handed to a session at a time: far below what it may hold."""
_TRIAL_S = 8
"""Audio that the cost of speech is measured on: an utterance."""


class Recognizer:
    """A model, a voice activity detector and the options that sessions get by default."""

    def __init__(
        self, model: AcousticModel, vad: VadFactory, options: SessionOptions | None = None
    ) -> None:
        self.model = model
        self.options = options or SessionOptions()
        self.new_vad = vad

    def open(
        self, options: SessionOptions | None = None, continuation: Continuation | None = None
    ) -> Session:
        """A new session, with options of its own or the recognizer's.

        continuation: where another session broke off, and this one goes on; ``continuation.py``.

        Raises ``OptionError`` for an option that the model can't follow.
        """
        chosen = self.resolve(options or self.options)
        return Session(chosen, self.new_vad(), self.model.new_policy(chosen), continuation)

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options as a session will have them.

        Raises ``OptionError`` for one that the model can't follow.
        """
        return self.model.resolve(options)

    def watch(self, told: Told) -> None:
        """Have the time that each stage takes told from now on, on the thread where it ran."""
        self.model.told = told
        self.new_vad = timed_vads(self.new_vad, told)

    def cost_of_speech(self) -> float:
        """Seconds that the model computes for a second of speech, one stream alone.

        Measured on noise that the session takes for speech, since there is nothing else at hand;
        what is said in it matters little.
        """
        noise = np.random.default_rng(1).normal(0, 0.05, _TRIAL_S * SAMPLE_RATE)
        options = self.resolve(self.options)
        session = Session(options, _Voiced(), self.model.new_policy(options))
        session.receive_audio(noise.astype(np.float32))
        started_s = time.perf_counter()
        for _ in drive(session, self):
            pass
        return (time.perf_counter() - started_s) / _TRIAL_S

    def warm_up(self) -> None:
        """Run the model once, so that the first step is as fast as the others."""
        self.model.warm_up()

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Run steps of any sessions; results in the same order."""
        return self.model.run(steps)


class _Voiced:
    """Takes everything for speech."""

    frame_len = ms_to_len(30)

    def speech_probability(self, frame: Samples) -> float:
        return 1.0


def load_recognizer(
    model: str = DEFAULT_MODEL,
    *,
    vad: str = "webrtc",
    options: SessionOptions | None = None,
    threads: int | None = None,
    models_dir: Path | None = None,
    language_model: str | None = None,
) -> Recognizer:
    """Load a model by name or bundle folder, to run on the CPU; ``threads`` is per model call.

    On other devices, or on the best one: ``loading.load_recognizers``.

    A model with a recipe whose files are installed is made first: see ``converting.py``.

    language_model: judges a CTC model's words; what ``find_language_model`` finds.

    Raises ``BundleError`` if the model can't be had, ``OptionError`` for an unknown detector.
    """
    factory = make_vad(vad)
    bundle = ready_bundle(model, models_dir)
    loaded = load_model(bundle, threads=threads, language_model=language_model)
    return Recognizer(loaded, factory, options)


def load_model(
    bundle: Bundle,
    *,
    threads: int | None = None,
    language_model: str | None = None,
    device: Device = CPU,
) -> PlacedModel:
    """The bundle's model, ready to run.

    Raises ``BundleError`` if a file can't be used, ``DeviceUnavailable`` if the device can't be
    had, ``OptionError`` if the model's family has no use for a language model.
    """
    # Imported here, because the pure engine must load without the runtime.
    match bundle.family:
        case Family.SEQ2SEQ:
            if language_model is not None:
                allowed = f"none: {bundle.name} is a seq2seq model, which is its own"
                raise OptionError(name="language_model", got=language_model, allowed=allowed)
            from streamscribe.encoder_decoder import EncoderDecoderModel

            return EncoderDecoderModel(bundle, threads=threads, device=device)
        case Family.CTC:
            from streamscribe.ctc_model import CtcModel

            if language_model is None:
                return CtcModel(bundle, threads=threads, device=device)
            words = load_language_model(find_language_model(language_model))
            return CtcModel(bundle, threads=threads, device=device, language_model=words)


def transcribe(
    recognizer: Recognizer,
    audio: Samples | Iterable[Samples],
    options: SessionOptions | None = None,
) -> Iterator[Event]:
    """The events of one whole stream, as they happen.

    audio: (n,) float32 at 16 kHz in [-1, 1], or an iterable of such blocks.
    """
    session = recognizer.open(options)
    for block in _blocks(audio):
        session.receive_audio(block)
        yield from drive(session, recognizer)
    session.receive_eof()
    yield from drive(session, recognizer)


def drive(session: Session, recognizer: Recognizer) -> Iterator[Event]:
    """Run every step that ``session`` wants now; gives its events as they happen."""
    while (step := session.step_wanted()) is not None:
        session.step_done(recognizer.run([step])[0])
        yield from session.take_events()
    yield from session.take_events()


def _blocks(audio: Samples | Iterable[Samples]) -> Iterator[Samples]:
    for piece in [audio] if isinstance(audio, np.ndarray) else audio:
        for start in range(0, len(piece), _BLOCK_LEN):
            yield piece[start : start + _BLOCK_LEN]
