"""Clients that are rude by their timing rather than by their bytes, and odd opening requests."""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from bench.answers import faults_of
from bench.documented import Documented
from bench.fuzz_frames import BINARY, CLOSE, CONT, ECHOED, PING, TEXT
from bench.odd_requests import odd_requests
from bench.raw_socket import RawSocket, handshake, raw_socket, wire_frame
from streamscribe_protocol.messages import STREAM_PATH

START: Final = b'{"type":"start","audio":{"encoding":"pcm_s16le","rate":16000,"channels":1}}'
CUT_S: Final = 20.0
"""A connection that doesn't get through its handshake must be ended by then."""
SILENT_S: Final = 80.0
"""A client that says nothing any more must be ended by then: the idle limit and some."""
PATIENCE_S: Final = 10.0
_SMALL_BUFFER_BYTES: Final = 4_096
_FLOOD_BYTES: Final = 64 << 20
_AT_ONCE: Final = 50


@dataclass(slots=True)
class Target:
    """Whom to be rude to, and what came of it."""

    host: str
    port: int
    allowed: Documented
    connections: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def request(self) -> bytes:
        """A correct opening request."""
        return handshake(f"{self.host}:{self.port}", STREAM_PATH)

    def judge(self, kind: str, raw: RawSocket, *more: str) -> None:
        """Count a connection, and note what was wrong with its answer."""
        self.connections += 1
        wrong = faults_of(raw.answer, self.allowed, ECHOED)
        self.faults += [f"{kind}: {fault}" for fault in (*wrong, *more)]

    def expect(self, kind: str, true: bool, otherwise: str) -> None:
        """Note ``otherwise`` unless ``true``."""
        if not true:
            self.faults.append(f"{kind}: {otherwise}")


async def odd_upgrades(target: Target) -> None:
    """Requests that are not quite an upgrade; each gets a status or is cut."""
    for name, octets in odd_requests(target.host, target.port).items():
        async with raw_socket(target.host, target.port) as raw:
            await raw.write(octets, PATIENCE_S)
            if not await raw.upgraded(CUT_S):
                await raw.ended(1.0)
            silent = raw.answer.status is None and not await raw.ended(0)
            target.judge(f"odd upgrade, {name}", raw, *(["no answer"] if silent else []))


async def compressed(target: Target) -> None:
    """Compression is asked for, and a frame that would inflate without end is sent."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with raw_socket(target.host, target.port) as raw:
        request = handshake(f"{target.host}:{target.port}", STREAM_PATH, offer)
        await raw.write(request, PATIENCE_S)
        await raw.upgraded(PATIENCE_S)
        agreed = "permessage-deflate" in raw.answer.head.lower()
        bomb = b"\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08" + bytes(2_000)
        await raw.write(wire_frame(BINARY, bomb, reserved=4), PATIENCE_S)
        refused = await raw.ended(PATIENCE_S)
        target.judge("compressed", raw)
        target.expect("compressed", not agreed and refused, "a compressed frame was taken")


async def dribbled_handshakes(target: Target) -> None:
    """One byte of the request at a time, slower than anybody has a reason to be."""

    async def dribble() -> None:
        async with raw_socket(target.host, target.port) as raw:
            until = time.monotonic() + CUT_S
            for octet in itertools.cycle(target.request[:-4]):
                await raw.write(bytes([octet]), PATIENCE_S)
                if await raw.ended(0.25) or time.monotonic() > until:
                    break
            target.judge("dribbled handshake", raw)
            target.expect("dribbled handshake", await raw.ended(0), f"open after {CUT_S:g} s")

    await asyncio.gather(*(dribble() for _ in range(40)))


async def silent_connections(target: Target) -> None:
    """Hundreds of connections that never say a word; somebody else is served meanwhile."""

    async def silent() -> None:
        async with raw_socket(target.host, target.port) as raw:
            await raw.ended(CUT_S)
            target.judge("silent connection", raw)
            target.expect("silent connection", await raw.ended(0), f"open after {CUT_S:g} s")

    tasks = [asyncio.create_task(silent()) for _ in range(400)]
    await asyncio.sleep(1.0)
    await _served(target, "beside silent connections")
    await asyncio.gather(*tasks)


async def dribbled_frames(target: Target) -> None:
    """One byte of a frame at a time: slow, and allowed."""

    async def dribble() -> None:
        async with raw_socket(target.host, target.port) as raw:
            await raw.write(target.request, PATIENCE_S)
            if not await raw.upgraded(PATIENCE_S):  # it has no room for one more
                return target.judge("dribbled frames", raw)
            frames = wire_frame(TEXT, START) + wire_frame(BINARY, bytes(200))
            for octet in frames + wire_frame(TEXT, b'{"type":"finish"}'):
                await raw.write(bytes([octet]), PATIENCE_S)
                await asyncio.sleep(0.01)
            await raw.ended(CUT_S)
            target.judge("dribbled frames", raw)
            done = any('"done"' in str(message) for message in raw.answer.messages)
            target.expect("dribbled frames", done, "the session did not come to its end")

    await asyncio.gather(*(dribble() for _ in range(20)))


async def dropped(target: Target) -> None:
    """Hundreds of connections that are dropped at every stage."""
    stages = (
        b"", target.request[:40], target.request, wire_frame(TEXT, START),
        wire_frame(BINARY, os.urandom(6_400)), wire_frame(TEXT, b'{"type":"finish"}'),
    )  # fmt: skip
    gate = asyncio.Semaphore(_AT_ONCE)

    async def drop(last: int) -> None:
        async with gate, raw_socket(target.host, target.port) as raw:
            for stage, octets in enumerate(stages[: last + 1]):
                await raw.write(octets, PATIENCE_S)
                if stage == 2 and not await raw.upgraded(PATIENCE_S):
                    break
            target.judge("dropped", raw)

    await asyncio.gather(*(drop(index % len(stages)) for index in range(600)))


async def half_open(target: Target) -> None:
    """Peers that vanish without a word: nothing more comes, not even the answer to a close."""

    async def gone(octets: bytes) -> None:
        async with raw_socket(target.host, target.port) as raw:
            await raw.write(target.request, PATIENCE_S)
            await raw.upgraded(PATIENCE_S)
            await raw.write(octets, PATIENCE_S)
            await raw.ended(SILENT_S)
            target.judge("half-open", raw)
            ended = await raw.ended(0)
            target.expect("half-open", ended, f"open after {SILENT_S:g} s")

    started = wire_frame(TEXT, START) + wire_frame(BINARY, bytes(6_400))
    cases = (b"", started, started + wire_frame(BINARY, bytes(99))[:50])
    await asyncio.gather(*(gone(cases[index % 3]) for index in range(12)))


async def deaf(target: Target) -> None:
    """Clients that read nothing and ask without end for something that must be answered."""

    async def flood(octets: bytes, first: bytes = b"") -> None:
        async with raw_socket(target.host, target.port, _SMALL_BUFFER_BYTES) as raw:
            await raw.write(target.request, PATIENCE_S)
            await raw.upgraded(PATIENCE_S)
            await raw.write(wire_frame(TEXT, START) + first, PATIENCE_S)
            raw.stop_reading()
            sent_bytes = 0
            while sent_bytes < _FLOOD_BYTES and await raw.write(octets, PATIENCE_S):
                sent_bytes += len(octets)
            target.connections += 1

    pings = wire_frame(PING, bytes(125)) * 500
    flushes = wire_frame(TEXT, b'{"type":"flush","id":"x"}') * 500
    pieces = wire_frame(CONT, b"", fin=False) * 5_000
    begun = wire_frame(BINARY, b"", fin=False)
    await asyncio.gather(flood(pings), flood(pings), flood(flushes), flood(pieces, begun))


async def _served(target: Target, where: str) -> None:
    """An ordinary client gets an answer, unless the server has no room at all."""
    async with raw_socket(target.host, target.port) as raw:
        await raw.write(target.request, PATIENCE_S)
        room = await raw.upgraded(PATIENCE_S) or raw.answer.status != 503
        await raw.write(wire_frame(TEXT, START) + wire_frame(CLOSE, b"\x03\xe8"), PATIENCE_S)
        await raw.ended(PATIENCE_S)
        target.judge(where, raw)
        served = raw.answer.close_code == 1000 or not room
        target.expect(where, served, "an ordinary client was not served")


ATTACKS: Final[dict[str, Callable[[Target], Awaitable[None]]]] = {
    "odd upgrades": odd_upgrades,
    "compressed": compressed,
    "dribbled handshakes": dribbled_handshakes,
    "silent connections": silent_connections,
    "dribbled frames": dribbled_frames,
    "dropped": dropped,
    "deaf": deaf,
    "half-open": half_open,
}
