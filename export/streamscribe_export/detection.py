"""Which family a checkpoint is of, whatever its kind: a CTC head, or a decoder."""

from typing import Any, Final

from streamscribe_export.errors import UnknownFamily, UnsupportedCheckpoint
from streamscribe_export.families import FAMILIES, CheckpointFamily, detect
from streamscribe_export.seq2seq_families import SEQ2SEQ_FAMILIES, detect_seq2seq

WHISPER: Final = CheckpointFamily(
    "whisper", "WhisperForConditionalGeneration", lambda _: [(2, 2)], takes_features=True
)


def detect_any(config: dict[str, Any]) -> CheckpointFamily:
    """The family that a ``config.json`` states."""
    model_type = config.get("model_type")
    if model_type == WHISPER.architecture:
        return _whisper(config)
    family = detect_seq2seq(config)
    if family is not None:
        return family
    if model_type not in FAMILIES:
        decoders = sorted([*SEQ2SEQ_FAMILIES, WHISPER.architecture])
        raise UnknownFamily(got=model_type, known=sorted(FAMILIES), decoders=decoders)
    return detect(config)


def _whisper(config: dict[str, Any]) -> CheckpointFamily:
    stated = config.get("architectures") or []
    if WHISPER.model_class not in stated:
        raise UnsupportedCheckpoint(
            f"the checkpoint writes no text: its architectures say"
            f" {', '.join(map(str, stated)) or 'nothing'}; allowed: {WHISPER.model_class}"
        )
    return WHISPER
