"""The CTC model that comes with the install, behind a real server process and real clients."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from live_client import AT_5_S, PCM16, finals, streamed, text
from streamscribe.options import Latency
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import Endpoint, Partial, connect
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Error

MODEL = "moonshine-tiny-en-ctc"
HEARD = "do for you"
"""What even a small model hears in the sample."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with local_server("--model", MODEL) as running:
        yield running


@pytest.fixture(scope="module")
def alone(server: ServerProcess) -> list[StreamEvent]:
    """Everything that a client who is alone gets for the sample."""
    return streamed(server, PCM16)


def test_words_are_understood(alone: list[StreamEvent]) -> None:
    assert HEARD in text(alone)


def test_committed_text_only_grows_and_the_final_starts_with_it(alone: list[StreamEvent]) -> None:
    committed = {final.segment: [""] for final in finals(alone)}
    for event in alone:
        if isinstance(event, Partial):
            committed[event.segment].append(event.text[: event.committed])
    assert any(any(texts) for texts in committed.values())
    for final in finals(alone):
        for before, after in pairwise([*committed[final.segment], final.text]):
            assert after.startswith(before)


def test_word_times_are_measured_and_lie_within_their_final(alone: list[StreamEvent]) -> None:
    for final in finals(alone):
        assert {word.timing for word in final.words} <= {"measured"}
        times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert all(final.start_ms <= time <= final.end_ms for time in times)


def test_other_packets_give_the_same_events(
    server: ServerProcess, alone: list[StreamEvent]
) -> None:
    assert finals(streamed(server, PCM16, 7_777)) == finals(alone)


def test_two_clients_at_once_get_the_same_text_as_one_alone(
    server: ServerProcess, alone: list[StreamEvent]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: text(streamed(server, PCM16)), range(2)))
    assert both == [text(alone)] * 2


@pytest.mark.parametrize("latency", [preset.value for preset in Latency])
def test_every_preset_understands(server: ServerProcess, latency: str) -> None:
    with connect(server.url, latency=latency) as stream:  # type: ignore[arg-type]
        assert stream.options.latency == latency
        stream.send(PCM16)
        stream.finish()
        assert HEARD in text(list(stream))


def test_a_flush_in_the_middle_loses_nothing(server: ServerProcess) -> None:
    with connect(server.url, partials=False) as stream:
        stream.send(PCM16[:AT_5_S])
        stream.flush()
        stream.send(PCM16[AT_5_S:])
        stream.finish()
        events = list(stream)
    assert "flush" in [event.rule for event in events if isinstance(event, Endpoint)]
    assert HEARD in text(events)


def test_hotwords_may_be_changed_in_mid_stream_and_wrong_ones_change_nothing(
    server: ServerProcess,
) -> None:
    with connect(server.url, hotwords=("americans",), partials=False) as stream:
        stream.send(PCM16[:AT_5_S])
        stream.set_hotwords(["country"])
        stream.set_hotwords(["\u2603"])
        stream.send(PCM16[AT_5_S:])
        stream.finish()
        events = list(stream)
    errors = [event for event in events if isinstance(event, Error)]
    assert [(error.code, error.fatal) for error in errors] == [("invalid_option", False)]
    assert "country" in text(events)
    assert HEARD in text(events)
