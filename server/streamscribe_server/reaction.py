"""What a dialogue asks its caller to do."""

from dataclasses import dataclass

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import ServerMessage
from streamscribe_server.mailbox import Command


@dataclass(frozen=True, slots=True)
class Closing:
    """How to close the connection."""

    code: CloseCode
    reason: str
    """A word or two, for the close frame and the log."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do now, in this order: commands, replies, close."""

    replies: tuple[ServerMessage, ...] = ()
    commands: tuple[Command, ...] = ()
    closing: Closing | None = None


NOTHING = Reaction()
"""Nothing to do."""
