"""What the caller said, in order, and how much of it the server has got.

Audio and messages have their places on one line of bytes::

    forgotten | sent, not acknowledged | not sent yet
              start_at                 sent_byte      end_byte
                 flush-3 ^        ^ hotwords     ^ finish

``next_frame`` moves ``sent_byte`` on; ``rewind`` moves it to where a resumed connection starts.
Messages that may have to be said again are kept until they are answered or have become pointless.
"""

from dataclasses import dataclass
from typing import TypeAlias

from streamscribe_client.stream_options import Perseverance
from streamscribe_client.unacknowledged import Unacknowledged
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import AudioFormat, Finish, Flush, Hotwords, encode

Audio: TypeAlias = bytes | bytearray | memoryview
"""Audio in the declared format; may end anywhere, even inside a sample."""

FRAME_BYTES = 64 << 10
"""Longest audio frame sent: short enough that a message never waits long behind audio."""
PROMISED_MAX = 2
"""Times the bound that may be kept while the server has not answered what we promised it."""
SEGMENT_SPARE_MS = 10_000
"""What a server that is behind may add to a segment before it is acknowledged."""
_SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_f32le": 4}


def pieces(audio: Audio) -> list[memoryview]:
    """``audio`` as bytes in pieces of at most ``FRAME_BYTES``."""
    view = memoryview(audio)
    octets = view.cast("B") if view.nbytes else view
    return [octets[at : at + FRAME_BYTES] for at in range(0, octets.nbytes, FRAME_BYTES)]


@dataclass(slots=True)
class _Said:
    """A message at its place."""

    message: Flush | Hotwords | Finish
    frame: str
    at_byte: int
    sent: bool = False


class Outgoing:
    """Audio within a bound, and the messages in between."""

    def __init__(self, format: AudioFormat, perseverance: Perseverance) -> None:
        frame_bytes = max(1, _SAMPLE_BYTES.get(format.encoding, 1) * format.channels)
        self._rate = max(0, format.rate)
        kept_s = perseverance.buffer_s if perseverance.resume else 0.0  # never sent again
        self._limit_len = round(kept_s * self._rate)
        self._drops = perseverance.overflow == "gap" or not perseverance.resume
        self._frame_bytes = frame_bytes
        self._audio = Unacknowledged(frame_bytes)
        self._said: list[_Said] = []
        self._sent_byte = 0
        self._attached = True
        self._promised_at: int | None = None

    @property
    def start_at(self) -> int:
        """First sample that can still be sent."""
        return self._audio.start_at

    @property
    def end_at(self) -> int:
        """First sample that the caller has not said yet."""
        return self._audio.end_at

    @property
    def has_room(self) -> bool:
        """Whether more audio may be said; always, where the oldest is dropped instead."""
        return self._drops or self._audio.kept_len < self._limit_len

    def allow_segments_of(self, longest_ms: int) -> None:
        """Where nothing may be dropped, leave room for all that must wait for its final."""
        if not self._drops:
            longest_len = self._rate * (longest_ms + SEGMENT_SPARE_MS) // 1_000
            self._limit_len = max(self._limit_len, longest_len)

    def append(self, audio: memoryview) -> None:
        """The caller said more audio. What exceeds the bound is dropped if that is wanted.

        While attached, only what was sent already is dropped: the rest is about to go.
        """
        self._audio.append(audio)
        if self._drops:
            self._drop_oldest()

    def say(self, message: Flush | Hotwords | Finish) -> None:
        """The caller said a message, after all audio so far.

        Raises ``LocalProtocolError`` for one that can't be encoded.
        """
        self._said.append(_Said(message, encode(message), self._audio.end_byte))

    def next_frame(self) -> str | bytes | None:
        """What to send next, if anything; it counts as sent."""
        unsent = next((said for said in self._said if not said.sent), None)
        if unsent is not None and unsent.at_byte <= self._sent_byte:
            unsent.sent = True
            return unsent.frame
        end_byte = self._audio.end_byte if unsent is None else unsent.at_byte
        end_byte = min(end_byte, self._sent_byte + FRAME_BYTES)
        if end_byte == self._sent_byte:
            return None
        frame = self._audio.read(self._sent_byte, end_byte)
        self._sent_byte = end_byte
        if self._drops:
            self._drop_oldest()
        return frame

    def acknowledge(self, at: int) -> None:
        """The server needs nothing before sample ``at`` again."""
        self._audio.forget_before(min(at, self._sent_byte // self._frame_bytes))
        past = [said for said in self._said if said.at_byte <= self._audio.start_byte]
        hotwords = [said for said in past if isinstance(said.message, Hotwords)]
        for outdated in hotwords[:-1]:
            self._said.remove(outdated)

    def answered(self, flush_id: str) -> None:
        """The flush need not be said again."""
        self._said = [said for said in self._said if said.message != Flush(flush_id)]

    def refused(self) -> None:
        """The newest hotwords that were sent can't be followed; they are not said again."""
        sent = [said for said in self._said if said.sent and isinstance(said.message, Hotwords)]
        for said in sent[-1:]:
            self._said.remove(said)

    def detach(self) -> None:
        """The connection is gone: from now on unsent audio may be dropped too."""
        self._attached, self._promised_at = False, None

    def promise(self) -> int:
        """The first sample that can be sent; it is kept while the server makes up its mind."""
        self._promised_at = self._audio.start_at
        return self._promised_at

    def rewind(self, at: int) -> bool:
        """Send from sample ``at`` on, and all kept messages again.

        False: the audio was dropped since it was promised. Raises ``RemoteProtocolError`` for
        what was never offered.
        """
        if not (self._promised_at or 0) <= at <= self._audio.end_at:
            raise RemoteProtocolError(
                "unexpected_message",
                f"the server wants audio from sample {at} on;"
                f" offered: {self._promised_at} to {self._audio.end_at}",
            )
        if at < self._audio.start_at:
            return False
        self._sent_byte = at * self._frame_bytes
        for said in self._said:
            said.sent = False
        self._attached, self._promised_at = True, None
        return True

    def _drop_oldest(self) -> None:
        if self._attached:
            self._audio.drop_oldest(self._limit_len, self._sent_byte)
            return
        promised = self._promised_at is not None
        limit_len = self._limit_len * (PROMISED_MAX if promised else 1)
        self._audio.drop_oldest(limit_len, self._audio.end_byte)
