import asyncio
from collections.abc import Iterator

from starlette.types import Message

from streamscribe_server.limits import Limits
from streamscribe_server.pacing import Pace

TEXT = {"type": "websocket.receive", "text": "{}"}
AUDIO = {"type": "websocket.receive", "bytes": b"\0\0"}
LIMITS = Limits(text_frames_per_s=10, binary_frames_per_s=100, frame_burst_s=1)


class Client:
    """Its frames lie ready, each ``every_s`` after the one before; time passes by sleeping."""

    def __init__(self, frames: list[Message], every_s: float = 0.0) -> None:
        self.now_s = 50.0
        self.sleeps = 0
        self._frames: Iterator[Message] = iter(frames)
        self._every_s = every_s

    async def receive(self) -> Message:
        self.now_s += self._every_s
        return next(self._frames)

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now_s += seconds

    def seconds_for(self, frames: int) -> float:
        pace = Pace(self.receive, LIMITS, lambda: self.now_s, self.sleep)

        async def take() -> None:
            for _ in range(frames):
                await pace()

        started_s = self.now_s
        asyncio.run(take())
        return round(self.now_s - started_s, 6)


def test_frames_that_come_as_live_audio_does_never_wait() -> None:
    assert Client([AUDIO] * 500, every_s=0.02).seconds_for(500) == 10.0


def test_a_burst_is_taken_at_once() -> None:
    assert Client([AUDIO] * 100).seconds_for(100) == 0


def test_a_flood_of_audio_is_taken_at_its_rate() -> None:
    assert 8.9 <= Client([AUDIO] * 1_000).seconds_for(1_000) <= 9.0


def test_a_flood_of_messages_is_taken_more_slowly() -> None:
    assert 8.9 <= Client([TEXT] * 100).seconds_for(100) <= 9.0


def test_a_pause_does_not_save_up_more_than_a_burst() -> None:
    client = Client([AUDIO] * 2_000)
    pace = Pace(client.receive, LIMITS, lambda: client.now_s, client.sleep)

    async def take() -> float:
        await pace()
        client.now_s += 3_600
        started_s = client.now_s
        for _ in range(1_100):
            await pace()
        return client.now_s - started_s

    assert 9.9 <= asyncio.run(take()) <= 10.0


def test_between_any_two_frames_others_get_their_turn() -> None:
    client = Client([AUDIO] * 50)
    client.seconds_for(50)
    assert client.sleeps == 50


def test_a_caller_that_gives_up_waiting_loses_no_frame() -> None:
    client = Client([TEXT, AUDIO])

    async def never(seconds: float) -> None:
        await asyncio.Event().wait()

    async def take() -> Message:
        impatient = Pace(client.receive, LIMITS, lambda: client.now_s, never)
        try:
            async with asyncio.timeout(0):
                await impatient()
        except TimeoutError:
            return await client.receive()
        raise AssertionError("it did not wait")

    assert asyncio.run(take()) == TEXT
