"""A server of the native protocol without a network, that can be cut off and resumed anywhere."""

from dataclasses import dataclass, field, replace
from typing import Literal

from fakes_wire_server import READY
from streamscribe_client.dialogue import Dialogue
from streamscribe_protocol.messages import (
    Ack,
    Done,
    Finish,
    Flush,
    Flushed,
    Hotwords,
    Resume,
    ServerMessage,
    Start,
    decode_client_message,
    encode,
)

FRAME_BYTES = 2


@dataclass
class ResumingServer:
    """What reached it, at the places of the client's own audio."""

    dialogue: Dialogue
    audio: bytearray = field(default_factory=bytearray)
    flushed_at: dict[str, int] = field(default_factory=dict)
    hotwords: tuple[str, ...] = ()
    hotwords_at: list[tuple[str, ...]] = field(default_factory=list)
    """Per byte of ``audio``: those that it was heard with."""
    finished_at: int | None = None
    resumes: list[Resume] = field(default_factory=list)
    fresh_at: int = 0
    """Byte at which the newest session begins."""
    seq: int = 0

    def open(self) -> None:
        """The first connection."""
        start = decode_client_message(self.dialogue.opening())
        assert isinstance(start, Start) and start.resume is None
        self.say(replace(READY, seq=1))

    def resume(self, resumed: Literal["continued", "fresh"]) -> None:
        """Another connection. What it sends is lost to a client that was cut off."""
        start = decode_client_message(self.dialogue.opening())
        assert isinstance(start, Start) and start.resume is not None
        self.resumes.append(start.resume)
        at = start.resume.from_at
        if resumed == "continued":
            at = max(at, len(self.audio) // FRAME_BYTES)
        else:
            self.seq, self.flushed_at, self.hotwords = start.resume.last_seq, {}, start.hotwords
            self.fresh_at = at * FRAME_BYTES
        self._lose(at * FRAME_BYTES - len(self.audio))
        del self.audio[at * FRAME_BYTES :], self.hotwords_at[at * FRAME_BYTES :]
        self.finished_at = None
        ready = replace(READY, seq=start.resume.last_seq, resumed=resumed, send_from_at=at)
        self.dialogue.receive(encode(ready))

    def hear(self, frames: int) -> None:
        """Up to so many frames reach it."""
        for _ in range(frames):
            frame = self.dialogue.next_frame()
            if frame is None:
                return
            self._take(frame)

    def acknowledge(self, at: int) -> None:
        """It needs nothing before sample ``at`` again."""
        self.say(Ack(self.seq + 1, min(at, len(self.audio) // FRAME_BYTES)))

    def answer_flushes(self) -> None:
        """Those that it has got."""
        for flush_id in self.flushed_at:
            self.say(Flushed(self.seq + 1, flush_id))

    def end(self) -> None:
        """All is heard and said."""
        self.say(Done(self.seq + 1, 0))

    def say(self, message: ServerMessage) -> None:
        self.seq += 1
        self.dialogue.receive(encode(message))

    def _lose(self, length: int) -> None:
        self.audio += bytes(max(0, length))
        self.hotwords_at += [()] * max(0, length)

    def _take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.audio += frame
            self.hotwords_at += [self.hotwords] * len(frame)
            return
        match decode_client_message(frame):
            case Flush(id):
                self.flushed_at.setdefault(id, len(self.audio))
            case Hotwords(hotwords):
                self.hotwords = hotwords
            case Finish():
                self.finished_at = len(self.audio)
