"""A session that goes on where another one broke off, and what is known of that one.

Nothing of the old session is left but what its caller was told, and the audio that the caller still
has: all of it since the last position behind which everything was final or silent. So an open
segment is heard again as a whole, from up to a second before its beginning on.

- The new session's clock, and its segments' numbers, go on from the old one's.
- An open segment is open at once, from ``start_at`` on, with the committed text before everything
  else. So no first word can be lost because another detector, which has not heard the room before,
  finds the onset later. Until there is voice, nothing is computed.
- The committed text is *behind* until it has been heard again. The re-sent audio says it once more;
  a model that was made to begin with it while the audio has not come so far would write on from
  words that it has not heard. So it is heard without, and what it writes is compared with the
  committed text (``matching.py``). From then on the policy of each family goes its own way.
- While it is behind, or nobody has spoken, silence closes the segment later than usual, and so does
  its length: what was committed was heard in this segment, and must not be written by the next.
  After ``PATIENCE_LEN`` and a pre-roll more than the endpoint's silence it is closed all the same,
  and its text is what was committed.
"""

from dataclasses import dataclass
from typing import Final

from streamscribe.errors import OptionError
from streamscribe.events import Endpoint, Event, Gap, Rule
from streamscribe.events import Final as FinalEvent
from streamscribe.options import PROMPT_CHARACTERS
from streamscribe.timeline import ms_to_len
from streamscribe.words import promised_words

PATIENCE_LEN: Final = ms_to_len(2_000)
"""How much longer than usual a segment that was open before is held open, besides a pre-roll: the
second of silence that may come before it, and a second for a detector that hears otherwise."""
COMMITTED_CHARACTERS: Final = 4_000
"""Longest committed text: several times what can be said in the longest segment."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where a session goes on; positions are samples at 16 kHz of the old session's clock.

    Raises ``OptionError`` for values that no session can have had.
    """

    start_at: int
    """Where the audio that will come begins; 0 or more."""
    segment: int
    """Number of the open segment, or of the next one to open."""
    segment_open: bool = False
    """Whether the segment was announced, and its final was not given."""
    committed_text: str = ""
    """What was committed of the open segment: words with single spaces between them."""
    context_text: str = ""
    """What was said before that segment, for models that take earlier text."""
    lost_from_at: int | None = None
    """The audio from here to ``start_at`` is missing; None: none is."""

    def __post_init__(self) -> None:
        _check(self.start_at >= 0, "start_at", self.start_at, "0 or more")
        _check(self.segment >= 0, "segment", self.segment, "0 or more")
        text = self.committed_text
        _check(self.segment_open or not text, "committed_text", text, "'' without an open segment")
        most = COMMITTED_CHARACTERS
        _check(len(text) <= most, "committed_text", len(text), f"at most {most} characters")
        single = " ".join(text.split())
        _check(text == single, "committed_text", text, "words with single spaces between them")
        got, most = len(self.context_text), PROMPT_CHARACTERS
        _check(got <= most, "context_text", got, f"at most {most} characters")
        lost_at = self.lost_from_at
        inside = lost_at is None or 0 <= lost_at < self.start_at
        _check(inside, "lost_from_at", lost_at, f"0 to below start_at ({self.start_at}), or None")

    @property
    def goes_on_open(self) -> bool:
        """Whether a segment is open at ``start_at``: a gap has closed it."""
        return self.segment_open and self.lost_from_at is None

    @property
    def next_segment(self) -> int:
        """Number of the next segment that opens, unless the open one goes on."""
        return self.segment + 1 if self.segment_open else self.segment


def events_of_gap(continuation: Continuation) -> list[Event]:
    """What the caller is told first: an open segment ends where audio is missing.

    Nobody knows where in the gap it was spoken, so its final covers the whole of it.
    """
    from_at, to_at = continuation.lost_from_at, continuation.start_at
    if from_at is None:
        return []
    gap = Gap(from_at, to_at)
    if not continuation.segment_open:
        return [gap]
    text, segment = continuation.committed_text, continuation.segment
    words = promised_words(text, from_at, to_at)
    final = FinalEvent(segment, text, words, from_at, to_at)
    return [Endpoint(segment, Rule.GAP, to_at), final, gap]


def _check(fine: bool, name: str, got: object, allowed: str) -> None:
    if not fine:
        raise OptionError(name=f"continuation.{name}", got=got, allowed=allowed)
