"""One stream of a load: connects, plays at the pace of speech, listens, finishes."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

from streamscribe.timeline import SAMPLE_RATE
from streamscribe_cli.load.stream_log import StreamLog, StreamTerms
from streamscribe_client import (
    AsyncStream,
    ConnectionFailed,
    ConnectionLost,
    ProtocolError,
    ServerBusy,
    ServerError,
    connect_async,
)
from streamscribe_client.stream_options import ConnectOptions
from streamscribe_protocol.errors import RemoteProtocolError

CONNECT_MAX_S: Final = 10.0
DRAIN_MAX_S: Final = 20.0
"""Longest wait for what is missing once all audio should have been sent."""
NOT_FINISHED: Final = "not_finished"
"""Code of a stream whose last final did not come in that time."""


class State(Enum):
    """How far a stream has come."""

    WAITING = "waiting"
    CONNECTED = "connected"
    FINISHED = "finished"
    """Every final came, and ``done``."""
    REFUSED = "refused"
    """The server takes no more streams."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one stream has to play."""

    url: str
    options: ConnectOptions
    packets: Iterator[bytes | memoryview]
    """PCM16, 16 kHz, mono; without end."""
    packet_ms: int
    start_s: float
    """When it connects, on the clock of ``time.monotonic``."""
    stop_s: float
    """No packet is due after this."""


class Player:
    """Plays one part. ``play`` raises nothing that the server or the network may do."""

    def __init__(self, index: int, part: Part) -> None:
        self.index = index
        self.state = State.WAITING
        self.error: str | None = None
        """Code of what ended it; of a failed stream."""
        self.message = ""
        self.answered_s: float | None = None
        """From the attempt to connect to ``ready``, or to the refusal."""
        self.log: StreamLog | None = None
        self.late_s: list[float] = []
        """How late each packet was sent. The network's fault, or the server's, or our own."""
        self._part = part

    async def play(self) -> None:
        """Play from start to end."""
        part = self._part
        await _sleep_until(part.start_s)
        try:
            async with asyncio.timeout(part.stop_s + DRAIN_MAX_S - time.monotonic()):
                await self._play()
        except ServerBusy as error:
            self._end(State.REFUSED, "overloaded", str(error))
        except ConnectionFailed as error:
            code = "connection_failed" if error.status is None else f"http_{error.status}"
            self._end(State.FAILED, code, str(error))
        except ConnectionLost as error:
            self._end(State.FAILED, f"closed_{error.code}", str(error))
        except (ServerError, RemoteProtocolError) as error:
            self._end(State.FAILED, error.code, str(error))
        except TimeoutError:
            said = f"its last final did not come within {DRAIN_MAX_S:g} s of its end"
            self._end(State.FAILED, NOT_FINISHED, said)

    def _end(self, state: State, code: str, message: str) -> None:
        if self.answered_s is None:
            self.answered_s = time.monotonic() - self._part.start_s
        self.state, self.error, self.message = state, code, message

    async def _play(self) -> None:
        part = self._part
        options = part.options.copy()
        options["resume"] = False  # what breaks shall be seen
        async with connect_async(part.url, timeout_s=CONNECT_MAX_S, **options) as stream:
            started_s = time.monotonic()
            self.answered_s = started_s - part.start_s
            self.state = State.CONNECTED
            self.log = StreamLog(
                StreamTerms(
                    started_s=started_s,
                    packet_ms=part.packet_ms,
                    endpoint_silence_ms=stream.options.endpoint_silence_ms,
                    hop_ms=stream.options.hop_ms,
                )
            )
            listening = asyncio.create_task(self._listen(stream, self.log))
            try:
                await self._send(stream, started_s)
                await stream.finish()
                await listening
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError, ConnectionError, ServerError, ProtocolError):
                    await listening  # it failed as the sender did
        self.state = State.FINISHED

    async def _send(self, stream: AsyncStream, started_s: float) -> None:
        packet_s = self._part.packet_ms / 1_000
        for number, packet in enumerate(self._part.packets, start=1):
            due_s = started_s + number * packet_s
            if due_s > self._part.stop_s:
                return
            await _sleep_until(due_s)
            await stream.send(packet)
            self.late_s.append(time.monotonic() - due_s)

    async def _listen(self, stream: AsyncStream, log: StreamLog) -> None:
        async for event in stream:
            log.receive(event, time.monotonic())


def packet_len(packet_ms: int) -> int:
    """Samples of a packet."""
    return SAMPLE_RATE * packet_ms // 1_000


async def _sleep_until(at_s: float) -> None:
    if (ahead_s := at_s - time.monotonic()) > 0:
        await asyncio.sleep(ahead_s)
