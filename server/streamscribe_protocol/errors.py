"""What goes wrong in a dialogue, and whose fault it is.

::

    ProtocolError
    ├── LocalProtocolError    this side asked for something that is not allowed now, or ever
    └── RemoteProtocolError   the other side sent something that the protocol does not allow
"""


class ProtocolError(Exception):
    """Base of both kinds of protocol error."""


class LocalProtocolError(ProtocolError):
    """This side misused the protocol; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The other side broke the protocol.

    ``code`` is the stable name that goes over the wire in ``error``: ``invalid_json``,
    ``invalid_message``, ``unsupported_version``, ``unexpected_message`` or ``sequence_gap``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
