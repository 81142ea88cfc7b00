"""A client's frames to messages. What is not allowed at all is ``Refused``."""

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import ClientMessage, Start, decode_client_message
from streamscribe_server.limits import Limits
from streamscribe_server.start_terms import Refused


def check_length(length: int, limits: Limits) -> None:
    """A frame of ``length`` bytes or characters came. Raises ``Refused`` if that is too long."""
    allowed = limits.max_frame_bytes
    if length > allowed:
        message = f"a frame of {length} bytes came; allowed: at most {allowed}"
        raise Refused("frame_too_large", message, CloseCode.FRAME_TOO_LARGE)


def message_of(text: str, limits: Limits) -> ClientMessage | None:
    """What a text frame says; None: this version does not know it. Raises ``Refused``."""
    check_length(len(text), limits)
    try:
        return decode_client_message(text)
    except RemoteProtocolError as error:
        raise Refused(error.code, error.message, CloseCode.PROTOCOL_ERROR) from error


def start_of(frame: str | bytes, limits: Limits) -> Start | None:
    """The ``start`` in a client's first frame; None: wait for the next. Raises ``Refused``."""
    if isinstance(frame, bytes):
        check_length(len(frame), limits)
        raise Refused(
            "audio_before_start",
            f"{len(frame)} bytes of audio came before the start message; send start first",
            CloseCode.PROTOCOL_ERROR,
        )
    message = message_of(frame, limits)
    if message is None or isinstance(message, Start):
        return message
    raise Refused(
        "not_started",
        "another message came before the start message; send start first",
        CloseCode.PROTOCOL_ERROR,
    )


def never_started(limits: Limits) -> Refused:
    """No ``start`` came in time."""
    message = f"no start message came within {limits.start_timeout_s:g} s"
    return Refused("start_timeout", message, CloseCode.IDLE)
