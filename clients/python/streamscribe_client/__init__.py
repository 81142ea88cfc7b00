"""Live transcription from Python: audio in, partials and finals out.

::

    from streamscribe_client import Final, connect

    with connect("localhost:8000", rate=16000) as stream:
        stream.send_soon(microphone())  # an iterator of PCM16 bytes
        for event in stream:
            if isinstance(event, Final):
                print(event.text)

``connect`` is for programs without an event loop, ``connect_async`` for asyncio; both streams
have the same verbs. Events are the protocol's own messages; its other classes, such as ``Word``
and ``Endpointing``, are in ``streamscribe_protocol.messages``.
"""

from streamscribe_client.async_client import AsyncStream, connect_async
from streamscribe_client.errors import ConnectionFailed, ConnectionLost, ServerBusy, ServerError
from streamscribe_client.sync_client import Stream, connect
from streamscribe_protocol.errors import ProtocolError
from streamscribe_protocol.messages import (
    Endpoint,
    Error,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
)

__all__ = [
    "AsyncStream",
    "ConnectionFailed",
    "ConnectionLost",
    "Endpoint",
    "Error",
    "Final",
    "Flushed",
    "Partial",
    "ProtocolError",
    "ServerBusy",
    "ServerError",
    "SpeechStarted",
    "Stream",
    "connect",
    "connect_async",
]
