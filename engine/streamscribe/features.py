"""Log-mel features."""

from dataclasses import dataclass

from streamscribe.json_fields import JsonObject
from streamscribe.model import Samples


@dataclass(frozen=True, slots=True)
class MelFrontEnd:
    """Stub."""


def mel_front_end(fields: JsonObject) -> MelFrontEnd:
    """Stub."""
    raise NotImplementedError


def log_mel(samples: Samples, mel: MelFrontEnd) -> Samples:
    """Stub."""
    raise NotImplementedError
