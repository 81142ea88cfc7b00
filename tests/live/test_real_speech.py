"""The default model behind a real server process, and real clients: one voice, known words."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import soxr
from websockets.sync.client import connect as connect_websocket

from live_client import AT_5_S, PCM16, SAMPLE, finals, streamed, text
from streamscribe.codec import Encoding, encode
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_client import (
    Endpoint,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
    connect,
    connect_async,
)
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import AudioFormat as WireFormat
from streamscribe_protocol.messages import Finish, Start
from streamscribe_protocol.messages import encode as encode_message

BEGINNING, END = "my fellow america", "ask what you can do for your country"
"""What is said, as far as small models always hear it."""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with local_server() as running:
        yield running


@pytest.fixture(scope="module")
def alone(server: ServerProcess) -> list[StreamEvent]:
    """Everything that a client who is alone gets for the sample."""
    return streamed(server, PCM16)


def bare(text: str) -> str:
    """Lower case, without punctuation."""
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ")


def test_the_words_are_understood(alone: list[StreamEvent]) -> None:
    said = bare(text(alone))
    assert ("my fellow americans" in said, END in said) == (True, True)


def test_committed_text_only_grows_and_the_final_starts_with_it(alone: list[StreamEvent]) -> None:
    committed = {final.segment: [""] for final in finals(alone)}
    for event in alone:
        if isinstance(event, Partial):
            committed[event.segment].append(event.text[: event.committed])
    assert any(any(texts) for texts in committed.values())
    for final in finals(alone):
        for before, after in pairwise([*committed[final.segment], final.text]):
            assert after.startswith(before)


def test_every_segment_starts_ends_and_gets_one_final_in_this_order(
    alone: list[StreamEvent],
) -> None:
    shape = [
        (event.segment, type(event))
        for event in alone
        if isinstance(event, SpeechStarted | Endpoint | Final)
    ]
    segments = range(len(finals(alone)))
    assert shape == [
        (segment, kind) for segment in segments for kind in (SpeechStarted, Endpoint, Final)
    ]


def test_finals_cover_the_speech_without_overlap(alone: list[StreamEvent]) -> None:
    spans = [(final.start_ms, final.end_ms) for final in finals(alone)]
    assert spans[0][0] <= 500
    assert 10_500 <= spans[-1][1] <= 12_500
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_words_make_up_the_text_and_lie_within_their_final(alone: list[StreamEvent]) -> None:
    for final in finals(alone):
        assert " ".join(word.text for word in final.words) == final.text
        times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert final.start_ms <= times[0] <= times[-1] <= final.end_ms


def test_silence_closes_the_last_segment(alone: list[StreamEvent]) -> None:
    endpoints = [event for event in alone if isinstance(event, Endpoint)]
    assert endpoints[-1].rule == "silence"


def test_the_asyncio_client_gets_the_same_events(
    server: ServerProcess, alone: list[StreamEvent]
) -> None:
    async def streamed_async() -> list[StreamEvent]:
        async with connect_async(server.url) as stream:
            stream.send_soon(PCM16[at : at + 7_777] for at in range(0, len(PCM16), 7_777))
            return [event async for event in stream]

    assert finals(asyncio.run(streamed_async())) == finals(alone)


def test_two_clients_at_once_get_the_same_text_as_one_alone(
    server: ServerProcess, alone: list[StreamEvent]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda audio: text(streamed(server, audio)), [PCM16, PCM16]))
    assert both == [text(alone)] * 2


def test_partials_come_while_the_audio_is_still_being_sent(server: ServerProcess) -> None:
    with connect(server.url) as stream:
        stream.send(PCM16[:AT_5_S])
        first = next(event for event in stream if isinstance(event, Partial))
    assert first.at_ms < 5_000


def test_a_flush_in_the_middle_closes_the_segment_there_and_the_rest_goes_on(
    server: ServerProcess,
) -> None:
    with connect(server.url, partials=False) as stream:
        stream.send(PCM16[:AT_5_S])
        flush_id = stream.flush()
        before = []
        for event in stream:
            before.append(event)
            if isinstance(event, Flushed) and event.id == flush_id:
                break
        stream.send(PCM16[AT_5_S:])
        stream.finish()
        after = list(stream)
    assert [event.rule for event in before if isinstance(event, Endpoint)][-1] == "flush"
    assert finals(before)[-1].end_ms == 5_000
    assert (BEGINNING in bare(text(before)), END in bare(text(after))) == (True, True)


def test_telephone_audio_is_understood(server: ServerProcess) -> None:
    audio = encode(soxr.resample(SAMPLE, 16_000, 8_000), Encoding.MULAW)
    events = streamed(server, audio, encoding="mulaw", rate=8_000, partials=False)
    assert END in bare(text(events))


def test_48_khz_stereo_floats_are_understood(server: ServerProcess) -> None:
    mono = soxr.resample(SAMPLE, 16_000, 48_000)
    audio = encode(np.stack([mono, mono / 2], axis=1), Encoding.PCM_F32LE)
    events = streamed(server, audio, encoding="pcm_f32le", rate=48_000, channels=2, partials=False)
    assert (BEGINNING in bare(text(events)), END in bare(text(events))) == (True, True)


def test_nothing_is_committed_before_the_final_if_the_client_wants_it_so(
    server: ServerProcess,
) -> None:
    events = streamed(server, PCM16[:AT_5_S], commit="final")
    partials = [event for event in events if isinstance(event, Partial)]
    assert partials
    assert not any(partial.committed for partial in partials)
    assert BEGINNING in bare(text(events))


def test_done_comes_last_and_says_how_much_was_heard(server: ServerProcess) -> None:
    start = Start(audio=WireFormat("pcm_s16le", 16_000, 1), partials=False)
    with connect_websocket(server.url) as connection:
        connection.send(encode_message(start))
        connection.send(PCM16)
        connection.send(encode_message(Finish()))
        messages = [json.loads(frame) for frame in connection]
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    assert (messages[-1]["type"], messages[-1]["audio_ms"]) == ("done", 12_500)
