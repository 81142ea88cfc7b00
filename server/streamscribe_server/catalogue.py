"""The models that this process serves, and what the server needs of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from streamscribe.continuation import Continuation
from streamscribe.errors import UnknownModel
from streamscribe.events import Event
from streamscribe.model import Samples, Step, StepResult
from streamscribe.options import SessionOptions
from streamscribe.stages import Told

DEFAULT_MODEL = "default"
"""Name under which a client asks for whatever the server serves first."""


class SpeechSession(Protocol):
    """One stream's state machine: ``streamscribe.session.Session``, or a scripted one."""

    @property
    def heard_at(self) -> int:
        """Samples received so far."""
        ...

    @property
    def decided_at(self) -> int:
        """Decisions were taken up to here."""
        ...

    @property
    def settled_at(self) -> int:
        """Audio before this position is never needed again."""
        ...

    @property
    def finished(self) -> bool:
        """The audio has ended and every event was produced."""
        ...

    def receive_audio(self, samples: Samples) -> None:
        """Take 16 kHz mono samples; then ask ``step_wanted``."""
        ...

    def receive_eof(self) -> None:
        """There is no more audio; then ask ``step_wanted``."""
        ...

    def flush(self, id: str) -> None:
        """Close the open segment at what was received; then ask ``step_wanted``."""
        ...

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        """Lean towards these phrases in the audio that follows."""
        ...

    def step_wanted(self) -> Step | None:
        """The next step, once; None while one is in flight or more audio is needed."""
        ...

    def step_done(self, result: StepResult) -> None:
        """Take the result of the step in flight."""
        ...

    def skip_step(self, arrived_at: int) -> bool:
        """Leave out the step in flight, if a later one stands for it; then ask for that one."""
        ...

    def take_events(self) -> list[Event]:
        """Events since the last call."""
        ...


class SpeechRecognizer(Protocol):
    """A loaded model that opens sessions: ``streamscribe.recognizer.Recognizer``."""

    def open(
        self, options: SessionOptions | None = None, continuation: Continuation | None = None
    ) -> SpeechSession:
        """A new session; None: with the recognizer's own options, from 0."""
        ...

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options as a session will have them; ``OptionError`` for one it can't follow."""
        ...

    def watch(self, told: Told) -> None:
        """Have the time that each stage takes told, on the thread where it ran."""
        ...

    def cost_of_speech(self) -> float:
        """Seconds that the model computes for a second of speech, one stream alone."""
        ...

    def warm_up(self) -> None:
        """Run the model once, so that the first step is as fast as the others."""
        ...

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Compute ``steps``, of any sessions; results in the same order.

        Several threads may call it at once.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model of the catalogue."""

    name: str
    languages: tuple[str, ...]
    """Languages it transcribes, as lower-case tags such as ``en``; never empty."""
    recognizer: SpeechRecognizer
    options: SessionOptions = SessionOptions()
    """Options of sessions whose client asks for nothing else."""
    others: tuple[SpeechRecognizer, ...] = ()
    """The same model on further devices."""

    def replicas(self) -> list["ServedModel"]:
        """One for each device."""
        each = (self.recognizer, *self.others)
        return [replace(self, recognizer=one, others=()) for one in each]


class Catalogue:
    """Models by name; the first is also called ``default``."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        assert models, "a server without a model has nothing to serve"
        self._models = {model.name: model for model in models}
        self._default = models[0]

    @property
    def default(self) -> ServedModel:
        """The model of clients that name none."""
        return self._default

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """All models, the default first."""
        return tuple(self._models.values())

    def find(self, name: str) -> ServedModel:
        """The model called ``name``. Raises ``UnknownModel``, which lists those there are."""
        if name == DEFAULT_MODEL:
            return self._default
        if name not in self._models:
            raise UnknownModel(got=name, allowed=(DEFAULT_MODEL, *self._models))
        return self._models[name]
