"""Who a session is, and what it came from."""

import secrets
from dataclasses import dataclass, field

from streamscribe_protocol.messages import Resume

_TOKEN_BYTES = 16
"""128 random bits: nobody finds a token by trying."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a session from others."""

    key_id: str | None = None
    """API key that opened it; None: without one. A token is worth nothing to another key."""
    session: str = field(default_factory=lambda: secrets.token_hex(6))
    """Name, for logs."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))
    """Who knows it may take the session over."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Why and where a session takes up another one, which is not here any more, or never was."""

    resume: Resume
    reason: str
    """``unknown``, ``expired`` or ``behind``."""
