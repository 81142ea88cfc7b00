"""The frames of a server as messages, with their numbers: 1, 2, 3 ... without holes.

The numbers go on over all connections of a session, and messages of unknown types have theirs.
Not numbered, and so never in the way: a heartbeat, and what answers a resume. The ``Ready`` that
does so repeats the last number, so that both sides can tell that they speak of the same session.
"""

from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import (
    Error,
    Heartbeat,
    Ready,
    ServerMessage,
    decode_server_message,
)


class Incoming:
    """Knows the last number, and refuses holes and repetitions."""

    def __init__(self) -> None:
        self.last_seq = 0
        """Number of the last numbered message."""

    def decoded(self, frame: str | bytes, *, resuming: bool) -> ServerMessage | None:
        """The next message; None: one of unknown type. ``resuming``: a resume isn't answered yet.

        Raises ``RemoteProtocolError``.
        """
        if isinstance(frame, bytes):
            raise RemoteProtocolError(
                "unexpected_message", f"the server sent a binary frame of {len(frame)} bytes"
            )
        message = decode_server_message(frame)
        if isinstance(message, Heartbeat) or (resuming and isinstance(message, Error)):
            return message
        answer = resuming and isinstance(message, Ready)
        expected = self.last_seq if answer else self.last_seq + 1
        if message is not None and message.seq != expected:
            raise RemoteProtocolError(
                "sequence_gap", f"message {message.seq} came; expected {expected}"
            )
        self.last_seq = expected
        return message
