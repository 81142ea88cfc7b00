"""What the shell does when something below or above it breaks."""

import asyncio
import logging

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from fakes_server import ScriptedRecognizer, catalogue_of
from streamscribe_server.limits import Limits
from streamscribe_server.metrics import Metrics
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.service import Service


def test_a_bug_in_the_server_is_logged_with_the_stream_and_closes_with_internal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[Message] = []
    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.receive"}])

    async def receive() -> Message:
        return next(incoming)  # the second lacks what every frame has

    async def send(message: Message) -> None:
        sent.append(message)

    async def serve() -> None:
        catalogue = catalogue_of(ScriptedRecognizer())
        websocket = WebSocket({"type": "websocket", "headers": []}, receive, send)
        schedulers = Schedulers(catalogue, Limits(), Metrics())
        await Service(catalogue, Limits(), schedulers).serve(websocket)

    caplog.set_level(logging.INFO)
    asyncio.run(serve())
    assert sent[-1] == {"type": "websocket.close", "code": 1011, "reason": "internal"}
    assert "the connection failed" in caplog.text
    assert "a connection never started: reason=internal" in caplog.text
