"""Every message of the native protocol, and their JSON form. Reference: ``docs/protocol.md``.

Text frames carry one message each, as a JSON object whose ``type`` names the class; binary
frames carry audio. Times (``_ms``) are milliseconds of the session's own clock, which starts at
0 with the first sample received. ``ack_at`` and ``Ack.at`` are samples at the rate that the
client declared, because milliseconds are not exact at every rate.
"""

import json
import reprlib
from typing import Any, NoReturn

from streamscribe_protocol.client_messages import (
    CLIENT_TYPES,
    VERSION,
    AudioFormat,
    ClientMessage,
    CommitMode,
    CommitRule,
    Endpointing,
    Finish,
    Flush,
    Hotwords,
    KeepAlive,
    LatencyPreset,
    Resume,
    SearchMethod,
    Start,
    TaskName,
)
from streamscribe_protocol.errors import LocalProtocolError, RemoteProtocolError
from streamscribe_protocol.fields import Parser, is_unicode, object_parser, to_json_value
from streamscribe_protocol.server_messages import (
    SERVER_TYPES,
    Ack,
    Done,
    EffectiveOptions,
    Endpoint,
    Error,
    Final,
    Flushed,
    Gap,
    Heartbeat,
    Partial,
    Ready,
    Resumed,
    ServerMessage,
    SpeechStarted,
    TimingSource,
    Word,
)

__all__ = [
    "Ack",
    "AudioFormat",
    "CLIENT_TYPES",
    "ClientMessage",
    "CommitMode",
    "CommitRule",
    "Done",
    "EffectiveOptions",
    "Endpoint",
    "Endpointing",
    "Error",
    "Final",
    "Finish",
    "Flush",
    "Flushed",
    "Gap",
    "Heartbeat",
    "Hotwords",
    "KeepAlive",
    "LatencyPreset",
    "MAX_FRAME_BYTES",
    "Partial",
    "Ready",
    "Resume",
    "Resumed",
    "SERVER_TYPES",
    "STREAM_PATH",
    "SearchMethod",
    "ServerMessage",
    "SpeechStarted",
    "Start",
    "TaskName",
    "TimingSource",
    "VERSION",
    "Word",
    "decode_client_message",
    "decode_server_message",
    "encode",
]

STREAM_PATH = "/v1/stream"
"""Where a server answers."""
MAX_FRAME_BYTES = 1 << 20
"""Longest frame that a server takes, of either kind."""

_TYPE_NAMES = {cls: name for name, cls in (CLIENT_TYPES | SERVER_TYPES).items()}
_CLIENT_PARSERS = {name: object_parser(cls) for name, cls in CLIENT_TYPES.items()}
_SERVER_PARSERS = {name: object_parser(cls) for name, cls in SERVER_TYPES.items()}


def encode(message: ClientMessage | ServerMessage) -> str:
    """One message as the text of a frame.

    Raises ``LocalProtocolError`` for what JSON can't carry: NaN, infinity, lone surrogates.
    """
    content = {"type": _TYPE_NAMES[type(message)], **to_json_value(message)}
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise LocalProtocolError(f"{content['type']} can't be encoded: {error}") from error
    if not is_unicode(text):
        raise LocalProtocolError(f"{content['type']} can't be encoded: a text has lone surrogates")
    return text


def decode_client_message(text: str) -> ClientMessage | None:
    """The message in a client's text frame; None for a type that this version doesn't know.

    Raises ``RemoteProtocolError`` and nothing else.
    """
    message: ClientMessage | None = _decode(text, _CLIENT_PARSERS)
    return message


def decode_server_message(text: str) -> ServerMessage | None:
    """The message in a server's text frame; None for a type that this version doesn't know.

    Raises ``RemoteProtocolError`` and nothing else.
    """
    message: ServerMessage | None = _decode(text, _SERVER_PARSERS)
    return message


def _decode(text: str, parsers: dict[str, Parser]) -> Any:  # noqa: ANN401
    content = _json_object(text)
    name = content.get("type")
    if not isinstance(name, str):
        raise RemoteProtocolError("invalid_message", "the message lacks a string called type")
    if name not in parsers:
        return None
    version = content.get("version", VERSION)
    if name in ("start", "ready") and type(version) is int and version != VERSION:
        raise RemoteProtocolError(
            "unsupported_version", f"{name}.version is {reprlib.repr(version)}; allowed: {VERSION}"
        )
    return parsers[name](content, name)


def _json_object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, parse_constant=_reject_constant)
    except RecursionError as error:
        raise RemoteProtocolError("invalid_json", "the JSON is nested too deeply") from error
    except ValueError as error:
        raise RemoteProtocolError("invalid_json", f"the text is not JSON: {error}") from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise RemoteProtocolError("invalid_json", f"a message is a JSON object; got a {kind}")
    return content


def _reject_constant(literal: str) -> NoReturn:
    raise RemoteProtocolError("invalid_json", f"{literal} is not a JSON number")
