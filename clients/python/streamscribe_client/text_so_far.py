"""What the caller was told of the text so far, as a resume must say it, and what may follow it."""

from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import Endpoint, Final, Partial, Resume, SpeechStarted

CONTEXT_CHARACTERS = 400
"""Most text of earlier finals that a resume carries."""

SegmentMessage = SpeechStarted | Partial | Endpoint | Final
"""Messages about one segment."""


class TextSoFar:
    """The open segment, its committed text, and the end of what was said before it.

    ``take`` refuses what would repeat itself to the caller or take back a promise: a segment
    that was opened or closed already, and committed text that changed.
    """

    def __init__(self) -> None:
        self.next_segment = 0
        """Number of the open segment, or of the next one to open."""
        self.segment_open = False
        self.opened_ms = 0
        """Where the newest segment began: what lies before it is silence, or in finals."""
        self.committed_text = ""
        """Of the open segment."""
        self.context_text = ""
        """The last words of earlier segments, at most ``CONTEXT_CHARACTERS``."""

    def take(self, message: SegmentMessage) -> None:
        """Note a message. Raises ``RemoteProtocolError`` if it contradicts an earlier one."""
        segment = message.segment
        if segment < self.next_segment:
            raise _contradiction(message, f"came, but segment {segment} has its final")
        if segment > self.next_segment:
            self.next_segment, self.segment_open, self.committed_text = segment, False, ""
        match message:
            case SpeechStarted(at_ms=at_ms):
                if self.segment_open:
                    raise _contradiction(message, "came, but that is open already")
                self.segment_open = True
                self.opened_ms = at_ms
            case Partial(text=text, committed=committed):
                self._keep_promise(message, text[:committed])
                self.committed_text = text[:committed]
            case Final(text=text):
                self._keep_promise(message, text)
                self.next_segment, self.segment_open = segment + 1, False
                self.committed_text = ""
                self.context_text = _last_words(f"{self.context_text} {text}".strip())
            case Endpoint():
                pass

    def resume(
        self, token: str, *, from_at: int, acked_at: int, last_seq: int, heard_at: int
    ) -> Resume:
        """The message that asks to go on from here."""
        return Resume(
            token=token,
            from_at=from_at,
            acked_at=acked_at,
            last_seq=last_seq,
            next_segment=self.next_segment,
            segment_open=self.segment_open,
            committed_text=self.committed_text,
            context_text=self.context_text,
            heard_at=heard_at,
        )

    def _keep_promise(self, message: Partial | Final, text: str) -> None:
        if not text.startswith(self.committed_text):
            raise _contradiction(
                message, f"changed the {len(self.committed_text)} characters that were committed"
            )


def _contradiction(message: SegmentMessage, what: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        "unexpected_message",
        f"{type(message).__name__} {message.seq} of segment {message.segment} {what}",
    )


def _last_words(text: str) -> str:
    """The end of ``text``, from a word's start if there is one."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    end = text[-CONTEXT_CHARACTERS:]
    cut_inside = not text[-CONTEXT_CHARACTERS - 1].isspace()
    _, found, whole = end.partition(" ")
    return whole if cut_inside and found else end.lstrip()
