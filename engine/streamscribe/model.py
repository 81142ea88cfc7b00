"""The seam between the pure session and whatever computes: a step out, its result back.

A step is one model call's worth of work for one session. It holds everything the call needs, so
a model owns no stream, and two sessions can never touch each other. There are two kinds::

    DecodeStep   audio and known text in, tokens out            seq2seq: encoder and decoder
    FramesStep   audio in, log-probabilities of its frames out  CTC: encoder alone
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.options import Search, SessionOptions, Task

if TYPE_CHECKING:  # policies speak in steps; placements are the runtime's
    from streamscribe.onnx_graph import Placement
    from streamscribe.policy import Policy
    from streamscribe.stages import Told

Samples: TypeAlias = npt.NDArray[np.float32]
"""(n,) float32, mono, in [-1, 1], at ``SAMPLE_RATE``."""
Features: TypeAlias = npt.NDArray[np.float32]
"""(frames, bands): what an encoder takes instead of samples."""
LogProbs: TypeAlias = npt.NDArray[np.float32]
"""(frames, vocabulary): natural log-probabilities."""


Array: TypeAlias = npt.NDArray[np.float32]


class StepKind(StrEnum):
    """What the result will be used for; finals go before partials."""

    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a step is to be decoded, by models that leave a choice."""

    language: str | None = None
    """ISO 639 code; None: what the model detects."""
    task: Task = Task.TRANSCRIBE
    context: tuple[int, ...] = ()
    """Tokens of text from before the audio."""
    search: Search = Search.GREEDY
    beam_size: int = 5
    temperature: float = 0.0
    thorough: bool = False
    """Whether a text that looks wrong is looked for again in other ways."""


@dataclass(frozen=True, slots=True)
class FrontState:
    """What an encoder's first layers made of the beginning of a window, for the next window.

    Only the model that gave it knows what is in it (``front_blocks.py``).
    """

    blocks: tuple[tuple[Array, Array], ...] = ()


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """Decode ``samples``, starting from text that is already known or guessed."""

    samples: Samples
    forced: tuple[int, ...]
    """Tokens the result must start with: committed text, and context from before the segment."""
    draft: tuple[int, ...]
    """Guess of what follows ``forced``: verified in one pass, kept up to the first disagreement."""
    max_new_tokens: int
    """Upper bound on the tokens after ``forced``."""
    kind: StepKind
    due_at: int
    """Position of the session's clock that made the step due; the scheduler's deadline."""
    features: Features | None = None
    """Of ``samples`` and the silence after them, where the session has computed them already."""
    wish: Wish = Wish()
    front: FrontState | None = field(default=None, compare=False, repr=False)
    """What an earlier step with the same first sample gave; the result is the same without."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Where in a step's samples a token was spoken; lengths from the first sample."""

    start_len: int
    end_len: int
    attended_len: int
    """What the choice of the token rests on most."""


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """The hypothesis for a step's audio."""

    tokens: tuple[int, ...]
    """What follows ``DecodeStep.forced``, without begin- and end-of-sequence."""
    log_probs: tuple[float, ...]
    """Natural log-probability of each token of ``tokens``, given those before it."""
    ended: bool
    """True when the model ended the sequence itself, False when ``max_new_tokens`` did."""
    spoken: tuple[Spoken, ...] = ()
    """One per token, of models with alignment heads; of others empty."""
    language: str | None = None
    """What was spoken, of models that were asked to detect it."""
    front: FrontState | None = field(default=None, compare=False, repr=False)
    """For the next step whose samples begin with these."""

    @property
    def mean_log_prob(self) -> float:
        """Mean of ``log_probs``; 0 of no tokens."""
        return sum(self.log_probs) / max(1, len(self.log_probs))


@dataclass(frozen=True, slots=True)
class FramesStep:
    """Say of every frame of ``samples`` how likely each token is."""

    samples: Samples
    kind: StepKind
    due_at: int
    """Position of the session's clock that made the step due; the scheduler's deadline."""


@dataclass(frozen=True, slots=True)
class FramesResult:
    """The frames of a step's audio."""

    log_probs: LogProbs


Step: TypeAlias = DecodeStep | FramesStep
StepResult: TypeAlias = DecodeResult | FramesResult


class TokenTable(Protocol):
    """The part of a tokenizer that decoding needs; immutable."""

    def __len__(self) -> int:
        """Count of tokens."""
        ...

    def __hash__(self) -> int:
        """Of the table itself, whatever it holds."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one token, maybe part of a character; a space starts a new word.

        Special tokens give ``b""``.
        """
        ...


class AcousticModel(Protocol):
    """A loaded model. ``run`` may be called from several threads at once."""

    told: "Told"
    """Where the model says how long its stages took."""

    @property
    def name(self) -> str:
        """Name of the bundle, as in ``streamscribe models list``."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages that it writes, as ISO 639 codes."""
        ...

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options as this model follows them.

        Raises ``OptionError`` for one that it can't follow.
        """
        ...

    def new_policy(self, options: SessionOptions) -> "Policy":
        """How a new session of this model's family goes about its audio.

        options: as ``resolve`` gave them.
        """
        ...

    def warm_up(self) -> None:
        """Run once, so that the first step need not wait for buffers to be allocated."""
        ...

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Results in the order of ``steps``; each is independent of the others.

        Only steps that this model's policy asked for may be given.
        """
        ...


class PlacedModel(AcousticModel, Protocol):
    """A model of graphs, which run somewhere."""

    @property
    def placements(self) -> "tuple[Placement, ...]":
        """Where each graph really runs."""
        ...
