"""The default model behind real server processes, which are killed, and connections that break."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import soxr

from fakes_resume import Caller
from live_client import PCM16, SAMPLE
from streamscribe.codec import Encoding, encode
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_protocol.messages import (
    AudioFormat,
    Done,
    Final,
    Partial,
    SpeechStarted,
    Start,
)

START = Start(audio=AudioFormat("pcm_s16le", 16_000, 1), language="en")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with local_server() as running:
        yield running


def bare(texts: list[str]) -> str:
    """Lower case, without punctuation."""
    return "".join(c for c in " ".join(texts).lower() if c.isalpha() or c == " ")


def in_mid_sentence(url: str, audio: bytes = PCM16, start: Start = START) -> Caller:
    """A caller to whom something is committed of the first sentence."""
    caller = Caller(url, audio, start)
    caller.connect()
    hop_bytes = start.audio.rate
    caller.send(2 * hop_bytes)
    while not any(partial.committed > 10 for partial in caller.of(Partial)):
        caller.send(hop_bytes)
        caller.read_what_is_there(4, pause_s=0.3)
    return caller


def assert_whole(caller: Caller) -> None:
    """Every segment once, its committed text never changed, and no word lost or doubled."""
    assert isinstance(caller.told[-1], Done)
    segments = [final.segment for final in caller.of(Final)]
    assert segments == list(range(len(segments)))
    assert [started.segment for started in caller.of(SpeechStarted)] == segments
    for before, after in pairwise(caller.of(Final)):
        assert before.end_ms <= after.start_ms
    for partial in caller.of(Partial):
        assert caller.finals[partial.segment].startswith(partial.text[: partial.committed])
    said = bare(caller.finals)
    for words in ("fellow american", "ask not", "what you can do for your country"):
        assert said.count(words) == 1, said
    assert said.count("country") == 2


@pytest.mark.slow
def test_a_connection_that_breaks_in_mid_sentence_costs_nothing(server: ServerProcess) -> None:
    uncut = Caller(server.url, PCM16, START)
    uncut.connect()
    uncut.send_all()
    uncut.read_to_the_end()
    caller = in_mid_sentence(server.url)
    caller.cut()
    assert caller.connect().resumed == "continued"
    caller.send_all()
    caller.read_to_the_end()
    assert caller.finals == uncut.finals
    assert_whole(caller)


def test_a_server_that_is_killed_costs_no_word(server: ServerProcess) -> None:
    with local_server() as killed:
        caller = in_mid_sentence(killed.url)
        killed.process.kill()
        killed.process.wait()
        caller.read_to_the_end()
    ready = caller.connect(server.url)
    assert (ready.resumed, ready.resume_reason) == ("fresh", "unknown")
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller)


@pytest.mark.slow
def test_the_same_at_44100_hertz(server: ServerProcess) -> None:
    audio = encode(soxr.resample(SAMPLE, 16_000, 44_100).astype(np.float32), Encoding.PCM_S16LE)
    start = Start(audio=AudioFormat("pcm_s16le", 44_100, 1), language="en")
    with local_server() as killed:
        caller = in_mid_sentence(killed.url, audio, start)
        killed.process.kill()
        killed.process.wait()
        caller.read_to_the_end()
    assert caller.connect(server.url).send_from_at == caller.acked_at
    caller.send_all()
    caller.read_to_the_end()
    assert_whole(caller)
