"""What the stages of an export ask of a checkpoint, whatever its kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from streamscribe.model import Samples
from streamscribe_export.pieces import Piece
from streamscribe_export.signals import Signal

FRONT: Final = "front.onnx"
ENCODER: Final = "encoder.onnx"
DECODER: Final = "decoder.onnx"
TOKENS: Final = "tokens.json"

Row: TypeAlias = tuple[str, str, str]
"""Of the closing table: what, found, allowed."""


@dataclass(frozen=True, slots=True)
class Work:
    """Where the graphs of one export lie, and how they are run."""

    folder: Path
    """What becomes the bundle."""
    plain: Path
    """Graphs in float32; gone when the bundle is whole."""
    quantize: str
    """``none``, ``int8`` or ``fp16``."""
    threads: int


class Found(Protocol):
    """What a comparison found."""

    @property
    def real_speech(self) -> bool:
        """Whether a recording was among the windows."""
        ...

    def as_json(self) -> dict[str, Any]:
        """For the bundle's ``measured``."""
        ...

    def rows(self, quantize: str) -> list[Row]:
        """For the closing table."""
        ...


class Loaded(Protocol):
    """A checkpoint with its weights."""

    @property
    def pieces(self) -> Sequence[Piece]:
        """What each token adds to the text."""
        ...

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of ``bundle.json`` that depend on the kind; ``languages`` where known."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know before using the bundle."""
        ...

    @property
    def repetitions(self) -> int:
        """How often speed is measured."""
        ...

    def write_plain(self, work: Work) -> None:
        """Write the graphs in float32 into ``work.plain``, where the bundle's come from."""
        ...

    def convert(self, work: Work) -> str:
        """Write the bundle's graphs; returns what was done to them."""
        ...

    def compare(self, work: Work, recordings: Sequence[Signal]) -> Found:
        """Compare the bundle, whole but for ``measured``, with the checkpoint.

        Raises ``ParityFailed`` where it says something else.
        """
        ...

    def runs(self, work: Work) -> Mapping[str, Callable[[Samples], object]]:
        """What is measured, by name: ``torch`` and ``bundle``, for quantised ones ``float32``."""
        ...
