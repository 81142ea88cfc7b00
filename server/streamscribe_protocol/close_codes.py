"""Why a WebSocket connection of the native protocol was closed."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Close codes that a server sends. 4000 and above are this protocol's own."""

    NORMAL = 1000
    """The dialogue is over: ``done`` was sent, or the client left."""
    FRAME_TOO_LARGE = 1009
    """One frame was longer than 1 MiB."""
    INTERNAL = 1011
    """The server failed; its log says why."""
    RESTARTING = 1012
    """The server is going down in good order; connect again."""
    OVERLOADED = 1013
    """The server takes no more streams now; the reason may say ``retry after N s``."""
    PROTOCOL_ERROR = 4400
    """A message was malformed, or came when it is not allowed."""
    UNKNOWN_MODEL = 4404
    """``start`` asked for a model that this server does not have."""
    IDLE = 4408
    """No ``start`` came within 10 s, or nothing at all for too long."""
    TAKEN_OVER = 4409
    """The session goes on over another connection."""
    SESSION_LIMIT = 4410
    """The session was as long as this server allows."""
    UNUSABLE_AUDIO = 4415
    """The declared audio format, or the audio itself, can't be used."""
    SLOW_READER = 4429
    """The client does not read what is sent to it."""
