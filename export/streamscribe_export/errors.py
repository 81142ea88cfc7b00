"""Everything that an export refuses.

::

    ExportError
    ├── ExportExtraMissing        the packages that only an export needs are not installed
    ├── CheckpointUnreachable     neither a folder nor to be had from the hub
    ├── CheckpointError           the checkpoint can't be used
    │   ├── UnknownFamily
    │   ├── NoCtcHead             it has another head, or none
    │   ├── HeadNotTrained        weights are missing, and would be made up
    │   ├── ProcessorMissing      no tokenizer or feature extractor beside the weights
    │   ├── VocabularyMismatch    tokenizer and logits don't belong together
    │   ├── DamagedCheckpoint     files are cut short or can't be read
    │   └── UnsupportedCheckpoint it is of a known family, but can't be streamed
    ├── AudioUnreadable           the recording to verify with
    ├── OutputExists
    ├── DiskFull
    └── ParityFailed              the graph does not say what the checkpoint says

Each message says what was wrong, what was got and what is allowed.
"""

from collections.abc import Sequence
from typing import ClassVar

from streamscribe.errors import StreamscribeError


class ExportError(StreamscribeError):
    """An export was refused; nothing was left behind."""

    code: ClassVar[str] = "export_failed"


class ExportExtraMissing(ExportError):
    """What only an export needs is not installed."""

    def __init__(self, *, missing: str) -> None:
        super().__init__(
            f"exporting needs {missing}, which is not installed; install PyTorch's small build"
            " first: pip install torch --index-url https://download.pytorch.org/whl/cpu"
            " and then: pip install 'streamscribe[export]'"
        )


class CheckpointUnreachable(ExportError):
    """The checkpoint is neither a folder here nor to be had from the hub."""


class CheckpointError(ExportError):
    """The checkpoint can't be used."""


class UnknownFamily(CheckpointError):
    """No family of ours has this ``model_type``."""

    def __init__(self, *, got: object, known: Sequence[str], decoders: Sequence[str] = ()) -> None:
        more = f"; and encoder-decoders: {', '.join(decoders)}" if decoders else ""
        super().__init__(
            f"model_type {got!r} is of no known family; known: {', '.join(known)}{more}"
        )


class NoCtcHead(CheckpointError):
    """The checkpoint was made for something else than CTC."""

    def __init__(self, *, got: Sequence[str], allowed: str) -> None:
        said = ", ".join(got) or "nothing"
        super().__init__(
            f"the checkpoint has no CTC head: its architectures say {said}; allowed: {allowed}"
        )


class HeadNotTrained(CheckpointError):
    """Weights that the model needs are not in the checkpoint."""

    def __init__(self, *, missing: Sequence[str]) -> None:
        shown = ", ".join(missing[:4]) + (" ..." if len(missing) > 4 else "")
        super().__init__(
            f"{len(missing)} weights are not in the checkpoint and would be random: {shown};"
            " allowed: a checkpoint that was trained as a whole, with its head"
        )


class ProcessorMissing(CheckpointError):
    """Tokenizer or feature extractor are not beside the weights."""


class VocabularyMismatch(CheckpointError):
    """The tokenizer names other tokens than the model gives."""


class DamagedCheckpoint(CheckpointError):
    """A file is cut short, missing or not what its name says."""


class UnsupportedCheckpoint(CheckpointError):
    """A known family, but something about this checkpoint can't be streamed."""


class AudioUnreadable(ExportError):
    """The recording to verify with can't be read."""


class OutputExists(ExportError):
    """There is something where the bundle should go."""


class DiskFull(ExportError):
    """There is no room for the bundle."""


class ParityFailed(ExportError):
    """The graph does not say what the checkpoint says."""
