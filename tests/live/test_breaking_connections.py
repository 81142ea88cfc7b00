"""A real server whose connections are cut, which is killed, and which is told to stop: one stream.

Audio goes up in the pace of speech, or some times faster, so that breaks hit open segments.
"""

import difflib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from bench.cutting_proxy import ProxyThread, cutting_proxy

from live_client import PACKET_BYTES, PCM16, finals, streamed, text
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import Final, Flushed, Partial, SpeechStarted, connect
from streamscribe_client.events import Disconnected, Reconnected, StreamEvent
from streamscribe_protocol.messages import Gap

BYTES_PER_S = 32_000
AT_1_6_S, AT_4_7_S, AT_6_5_S, AT_8_9_S = (round(BYTES_PER_S * s) for s in (1.6, 4.7, 6.5, 8.9))
"""In the first, second and third segment, and later in the third."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with local_server() as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(server: ServerProcess) -> list[StreamEvent]:
    return streamed(server, PCM16)


@contextmanager
def proxy_to(server: ServerProcess) -> Iterator[ProxyThread]:
    place = urlsplit(server.url)
    assert place.hostname is not None
    assert place.port is not None
    with cutting_proxy(place.hostname, place.port) as proxy:
        yield proxy


def spoken(times_faster: float, at: Mapping[int, Callable[[], object]]) -> Iterator[bytes]:
    """The sample in packets, when they have been spoken; what is to be done ``at`` some bytes."""
    began_s = time.monotonic()
    to_do = sorted(at)
    for place in range(0, len(PCM16), PACKET_BYTES):
        time.sleep(max(0.0, began_s + place / BYTES_PER_S / times_faster - time.monotonic()))
        while to_do and to_do[0] <= place:
            at[to_do.pop(0)]()
        yield PCM16[place : place + PACKET_BYTES]


def heard(
    url: str, at: Mapping[int, Callable[[], object]], times_faster: float = 3.0
) -> list[StreamEvent]:
    with connect(url, connection_events=True) as stream:
        stream.send_soon(spoken(times_faster, at))
        return list(stream)


def assert_sound(events: list[StreamEvent]) -> None:
    """One start and one final for each segment, and committed words that stay."""
    opened = Counter(event.segment for event in events if isinstance(event, SpeechStarted))
    closed = Counter(event.segment for event in events if isinstance(event, Final))
    assert opened == closed == Counter(range(len(closed)))
    committed = dict.fromkeys(opened, "")
    for event in events:
        if isinstance(event, Partial | Final):
            assert event.text.startswith(committed[event.segment])
        if isinstance(event, Partial):
            committed[event.segment] = event.text[: event.committed]


def longest_difference(said: str, before: str) -> int:
    """Words in a row that are lost, new or repeated; others that replace as many are none."""
    words, were = (
        ["".join(filter(str.isalnum, word)).lower() for word in one.split()]
        for one in (said, before)
    )
    matcher = difflib.SequenceMatcher(None, were, words, autojunk=False)
    return max(
        (abs((j2 - j1) - (i2 - i1)) for _, i1, i2, j1, j2 in matcher.get_opcodes()), default=0
    )


def resumptions(events: list[StreamEvent]) -> list[str]:
    return [event.resumed for event in events if isinstance(event, Reconnected)]


def test_cut_in_mid_sentence_the_text_is_the_same(
    server: ServerProcess, undisturbed: list[StreamEvent]
) -> None:
    places = (AT_1_6_S, AT_4_7_S, AT_6_5_S, AT_8_9_S)
    with proxy_to(server) as proxy:
        events = heard(proxy.url, dict.fromkeys(places, proxy.cut_all))
        assert proxy.connections == 1 + len(places)
    assert resumptions(events) == ["continued"] * len(places)
    assert_sound(events)
    assert text(events) == text(undisturbed)


@pytest.mark.slow
def test_a_connection_cut_again_and_again_loses_nothing(
    server: ServerProcess, undisturbed: list[StreamEvent]
) -> None:
    with proxy_to(server) as proxy:
        everywhere = range(BYTES_PER_S // 4, len(PCM16), BYTES_PER_S // 2)
        events = heard(proxy.url, dict.fromkeys(everywhere, proxy.cut_all), times_faster=2)
    assert len(resumptions(events)) > 10
    assert_sound(events)
    assert text(events) == text(undisturbed)


def test_a_flush_before_a_break_is_answered_after_it(server: ServerProcess) -> None:
    with proxy_to(server) as proxy, connect(proxy.url, connection_events=True) as stream:
        stream.send(PCM16[:AT_4_7_S])
        proxy.shut()
        proxy.cut_all()
        while not isinstance(next(stream), Disconnected):
            pass
        flush_id = stream.flush()
        stream.send(PCM16[AT_4_7_S:])
        stream.finish()
        proxy.open()
        events = list(stream)
    assert [event.id for event in events if isinstance(event, Flushed)] == [flush_id]
    ends_ms = [final.end_ms for final in finals(events)]
    assert AT_4_7_S // 32 in ends_ms


@pytest.mark.slow
def test_a_recording_sent_as_fast_as_it_goes_waits_and_loses_nothing(
    server: ServerProcess,
) -> None:
    recording = PCM16 * 3
    events: list[StreamEvent] = []
    with proxy_to(server) as proxy, connect(proxy.url, overflow="wait") as stream:
        stream.send_soon([recording])
        for event in stream:
            events.append(event)
            if isinstance(event, Final) and stream.reconnects < 4:
                proxy.cut_all()
        assert stream.reconnects >= 4
    assert_sound(events)
    assert text(events) == text(streamed(server, recording))


def test_audio_beyond_the_buffer_becomes_a_gap_and_the_rest_is_heard(
    server: ServerProcess, undisturbed: list[StreamEvent]
) -> None:
    with proxy_to(server) as proxy, connect(proxy.url, buffer_s=5.0) as stream:

        def shut() -> None:
            proxy.shut()
            proxy.cut_all()

        stream.send_soon(spoken(3.0, {AT_1_6_S: shut, AT_8_9_S: proxy.open}))
        events = list(stream)
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert gap.from_at <= AT_1_6_S // 2 < gap.to_at <= len(PCM16) // 2
    assert_sound(events)
    assert text(events).endswith("what you can do for your country.")
    assert len(text(events).split()) < len(text(undisturbed).split()) - 3


@pytest.mark.slow
def test_a_connection_that_is_dead_without_a_word_is_noticed(
    server: ServerProcess, undisturbed: list[StreamEvent]
) -> None:
    with proxy_to(server) as proxy:
        events = heard(proxy.url, {AT_4_7_S: proxy.freeze_all}, times_faster=0.5)
    (broken,) = [event for event in events if isinstance(event, Disconnected)]
    assert "no message came for 15 s" in broken.reason
    assert resumptions(events) == ["continued"]
    assert_sound(events)
    assert text(events) == text(undisturbed)


@contextmanager
def restarting_server() -> Iterator[tuple[ServerProcess, Callable[[int], Callable[[], None]]]]:
    """A server, and what ends it by a signal and starts another one at the same address."""
    with ExitStack() as stack:
        first = stack.enter_context(local_server())
        port = str(urlsplit(first.url).port)
        running = [first.process]
        threads: list[threading.Thread] = []

        def restart(number: int) -> None:
            os.kill(running[-1].pid, number)
            running[-1].wait()
            running.append(stack.enter_context(local_server("--port", port)).process)

        def restarting(number: int) -> Callable[[], None]:
            def act() -> None:
                threads.append(threading.Thread(target=restart, args=[number]))
                threads[-1].start()

            return act

        yield first, restarting
        for thread in threads:
            thread.join()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("number", "places"),
    [
        (signal.SIGKILL, [AT_1_6_S]),
        (signal.SIGKILL, [AT_4_7_S]),
        (signal.SIGKILL, [AT_1_6_S, AT_8_9_S]),
        (signal.SIGTERM, [AT_6_5_S]),
    ],
)
def test_a_server_that_is_killed_and_started_again_goes_on(
    number: int, places: list[int], undisturbed: list[StreamEvent]
) -> None:
    with restarting_server() as (first, restarting):
        at = dict.fromkeys(places, restarting(number))
        events = heard(first.url, at, times_faster=1.0)
    assert set(resumptions(events)) == {"fresh"}
    assert_sound(events)
    assert longest_difference(text(events), text(undisturbed)) < 3, text(events)
