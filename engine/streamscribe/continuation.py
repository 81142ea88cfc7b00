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
