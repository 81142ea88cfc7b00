"""A client whose connection can be cut at any place, and that goes on as the protocol says."""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from fakes_live import START
from streamscribe_protocol.messages import (
    Ack,
    Final,
    Finish,
    Heartbeat,
    Partial,
    Ready,
    Resume,
    ServerMessage,
    SpeechStarted,
    Start,
    decode_server_message,
    encode,
)


def cut(connection: ClientConnection) -> None:
    """Break the connection so that neither side says goodbye."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.shutdown(socket.SHUT_RDWR)
    connection.socket.close()


@dataclass
class Caller:
    """Sends ``audio`` and keeps what a client keeps. ``told``: the numbered messages, in order."""

    url: str
    audio: bytes
    start: Start = START
    sample_bytes: int = 2
    told: list[ServerMessage] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    ready: Ready | None = None
    sent_bytes: int = 0
    finished: bool = False
    close_code: int | None = None

    @property
    def last_seq(self) -> int:
        return self.told[-1].seq if self.told else 0

    @property
    def acked_at(self) -> int:
        marks = [m.at if isinstance(m, Ack) else m.ack_at for m in self.of(Ack) + self.of(Final)]
        return max(marks, default=0)

    @property
    def finals(self) -> list[str]:
        return [final.text for final in self.of(Final)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.told if isinstance(message, kind)]

    def connect(self, url: str | None = None, **changes: Any) -> Ready:  # noqa: ANN401
        """Open the session, or go on with it, maybe at another server."""
        resume = replace(self.resume(), **changes) if self.ready else None
        opening = connect(url or self.url, compression=None, ping_interval=None)
        self.connection = opening.__enter__()  # left by ``cut``, or when the server closes
        self.connection.send(encode(replace(self.start, resume=resume)))
        self.ready = self._take(Ready)
        self.sent_bytes = self.ready.send_from_at * self.sample_bytes
        return self.ready

    def resume(self) -> Resume:
        """What is known when the connection breaks."""
        assert self.ready is not None
        opened, closed = self.of(SpeechStarted), self.of(Final)
        segment = opened[-1].segment if opened else 0
        is_open = bool(opened) and segment not in {final.segment for final in closed}
        partials = [p for p in self.of(Partial) if p.segment == segment] if is_open else []
        return Resume(
            token=self.ready.resume_token,
            from_at=self.acked_at,
            acked_at=self.acked_at,
            last_seq=self.last_seq,
            next_segment=segment if is_open or not opened else segment + 1,
            segment_open=is_open,
            committed_text=partials[-1].text[: partials[-1].committed].rstrip() if partials else "",
            context_text=" ".join(final.text for final in closed)[-400:],
            heard_at=len(self.audio) // self.sample_bytes,
        )

    def send(self, length: int) -> None:
        """The next ``length`` bytes."""
        self.connection.send(self.audio[self.sent_bytes : self.sent_bytes + length])
        self.sent_bytes += length

    def send_all(self) -> None:
        """What is left, and ``finish``."""
        while self.sent_bytes < len(self.audio):
            self.send(16_000)
        self.finish()

    def finish(self) -> None:
        self.finished = True
        self.connection.send(encode(Finish()))

    def read(self, messages: int) -> None:
        """Take so many more numbered messages."""
        until = len(self.told) + messages
        while len(self.told) < until:
            self._next()

    def read_until(self, seen: Callable[[ServerMessage], bool]) -> None:
        while not seen(self._next()):
            pass

    def read_what_is_there(self, messages: int, pause_s: float = 0.05) -> None:
        """Take so many more messages, or as many as come without a pause."""
        for _ in range(messages):
            try:
                self._next(timeout=pause_s)
            except TimeoutError:
                return

    def read_to_the_end(self) -> None:
        try:
            while True:
                self._next()
        except ConnectionClosed:
            self.close_code = self.connection.close_code

    def cut(self) -> None:
        cut(self.connection)

    def _take(self, kind: type[Any]) -> Any:  # noqa: ANN401
        message = self._next()
        assert isinstance(message, kind), message
        return message

    def _next(self, timeout: float = 10) -> ServerMessage:
        message = decode_server_message(str(self.connection.recv(timeout=timeout)))
        assert message is not None
        if isinstance(message, Heartbeat):
            assert message.seq == self.last_seq
            self.heartbeats.append(message)
        elif isinstance(message, Ready) and message.resumed is not None:
            assert message.seq == self.last_seq
        else:
            assert message.seq == self.last_seq + 1, message
            self.told.append(message)
        return message
