"""What a caller may choose for one session. Frozen, checked when made, in milliseconds."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from streamscribe.errors import OptionError


class Commit(StrEnum):
    """What is promised about text before its final."""

    APPEND = "append"  # committed text never changes, and the final starts with it
    FINAL = "final"  # nothing is promised before the final


class Task(StrEnum):
    """What is written of what was said."""

    TRANSCRIBE = "transcribe"  # the words, in the language they were spoken in
    TRANSLATE = "translate"  # their meaning, in English


class Search(StrEnum):
    """How a text is found among all that could have been said; of a seq2seq model, for finals."""

    GREEDY = "greedy"  # the likeliest token of every frame, or after every token
    BEAM = "beam"  # whole texts compete; of a CTC model a language model may judge them
    SAMPLE = "sample"  # tokens are drawn by their probability; for seq2seq models only


class CommitBy(StrEnum):
    """What makes a seq2seq model's text before its final count as settled."""

    AGREEMENT = "agreement"  # consecutive hypotheses say the same
    ALIGNMENT = "alignment"  # it was spoken well before the end of the audio


class Latency(StrEnum):
    """How much a model hears of what follows before it commits: a trade with accuracy."""

    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


RANGES_MS: dict[str, tuple[int, int]] = {
    "hop_ms": (100, 5_000),
    "endpoint_silence_ms": (100, 10_000),
    "soft_pause_ms": (100, 10_000),
    "min_speech_ms": (30, 2_000),
    "pre_roll_ms": (0, 2_000),
    "window_ms": (4_000, 30_000),
    "max_segment_ms": (4_000, 30_000),
}
"""Smallest and largest value of every option that is a time."""
BEAM_SIZES: Final = (1, 16)
"""Smallest and largest beam."""
TEMPERATURES: Final = (0.0, 2.0)
"""Lowest and highest temperature."""
PROMPT_CHARACTERS: Final = 2_000
"""Longest prompt: more than any model takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Options of one session; every time is in milliseconds of audio.

    Raises ``OptionError`` for a value outside its range, a ``soft_pause_ms`` longer than
    ``endpoint_silence_ms``, or a ``hop_ms`` longer than half of ``window_ms``.
    """

    partials: bool = True
    commit: Commit = Commit.APPEND
    hop_ms: int = 500
    """New audio between two partials: half of it at first, up to twice as much in long windows.

    For seq2seq models; a CTC model's hop is part of its ``latency``.
    """
    latency: Latency | None = None
    """Preset of a CTC model, or of a seq2seq model's ``commit_by``; None: medium."""
    search: Search | None = None
    """None: beam for a CTC model where the recognizer has a language model, else greedy."""
    beam_size: int = 5
    """Texts that compete in a seq2seq model's beam."""
    temperature: float = 0.0
    """What a seq2seq model's scores are divided by before a token is drawn; 0 draws none.

    Finals that look wrong are drawn again at rising temperatures, whatever is asked for here.
    """
    commit_by: CommitBy | None = None
    """None: alignment, where the model has heads that follow the audio; else agreement."""
    language: str | None = None
    """ISO 639 code of what is spoken; None: detected by models that can, else the model's own."""
    task: Task | None = None
    """None: what the model does; to transcribe, where it has the choice."""
    prompt: str = ""
    """Text that came before, or words and names to expect, for models that take earlier text."""
    hotwords: tuple[str, ...] = ()
    """Words and phrases that a CTC model should lean towards; at most 1,000."""
    endpoint_silence_ms: int = 800
    """Silence that closes a segment (hard endpoint)."""
    soft_pause_ms: int = 300
    """Silence that is worth a look at the text, with the segment left open (soft pause)."""
    min_speech_ms: int = 90
    """Uninterrupted speech that opens a segment."""
    pre_roll_ms: int = 1_000
    """Audio from before the first voiced frame that belongs to the segment."""
    window_ms: int = 15_000
    """Most audio that one decoding step looks at."""
    max_segment_ms: int = 30_000
    """A segment that reaches this length is closed, and the next one opens at once."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in RANGES_MS:
                continue
            low, high = RANGES_MS[field.name]
            got = getattr(self, field.name)
            if not isinstance(got, int) or isinstance(got, bool) or not low <= got <= high:
                raise OptionError(name=field.name, got=got, allowed=f"{low} to {high} ms")
        if 2 * self.hop_ms > self.window_ms:
            raise OptionError(
                name="hop_ms",
                got=self.hop_ms,
                allowed=f"at most half of window_ms ({self.window_ms // 2})",
            )
        _check_range("beam_size", self.beam_size, BEAM_SIZES)
        _check_range("temperature", self.temperature, TEMPERATURES)
        if len(self.prompt) > PROMPT_CHARACTERS:
            got, allowed = f"{len(self.prompt)} characters", f"at most {PROMPT_CHARACTERS}"
            raise OptionError(name="prompt", got=got, allowed=allowed)
        if self.soft_pause_ms > self.endpoint_silence_ms:
            raise OptionError(
                name="soft_pause_ms",
                got=self.soft_pause_ms,
                allowed=f"at most endpoint_silence_ms ({self.endpoint_silence_ms})",
            )


def _check_range(name: str, got: float, allowed: tuple[float, float]) -> None:
    low, high = allowed
    if not low <= got <= high:
        raise OptionError(name=name, got=got, allowed=f"{low:g} to {high:g}")
