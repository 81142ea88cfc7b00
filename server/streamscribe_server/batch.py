"""Steps of several streams that are computed in one model call."""

from dataclasses import dataclass

from streamscribe.model import Step, StepKind, StepResult
from streamscribe_server.engine_stream import EngineStream


@dataclass(frozen=True, slots=True)
class Part:
    """One stream's step in a batch."""

    stream_id: str
    stream: EngineStream
    step: Step


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Steps of one model, all of one kind; compared by identity."""

    parts: tuple[Part, ...]
    kind: StepKind
    due: bool
    """Their time has come; False: the audio came faster than real time."""

    @property
    def steps(self) -> list[Step]:
        """What the model is given."""
        return [part.step for part in self.parts]

    @property
    def names(self) -> str:
        """The streams, for the log."""
        return ", ".join(part.stream_id for part in self.parts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch."""

    batch: Batch
    results: list[StepResult] | Exception
    compute_s: float
