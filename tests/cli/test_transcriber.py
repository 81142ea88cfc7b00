from collections.abc import Iterator

import numpy as np
import pytest

from fakes import join, make_recognizer, silence, talk
from fakes_live import RunningServer, running_server
from fakes_server import SPEECH, ScriptedRecognizer
from streamscribe.codec import Encoding, encode
from streamscribe.errors import IncompleteSample
from streamscribe.ingest import AudioFormat
from streamscribe_cli.transcriber import LocalTranscriber, RemoteTranscriber
from streamscribe_protocol.messages import Final, Partial

PCM16 = AudioFormat("pcm_s16le", 16_000, 1)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(ScriptedRecognizer()) as running:
        yield running


def remote(server: RunningServer, *, partials: bool) -> RemoteTranscriber:
    return RemoteTranscriber(server.url, {"model": None, "partials": partials})


def test_a_server_transcribes_what_the_blocks_hold(server: RunningServer) -> None:
    events = list(remote(server, partials=True).events(PCM16, iter([SPEECH, SPEECH])))
    assert [event.text for event in events if isinstance(event, Final)] == ["100 100"]
    assert any(isinstance(event, Partial) for event in events)


def test_the_model_is_known_once_the_server_has_answered(server: RunningServer) -> None:
    transcriber = remote(server, partials=False)
    list(transcriber.events(PCM16, iter([SPEECH])))
    assert transcriber.model == "scripted"


def test_what_the_blocks_raise_is_raised_to_whoever_reads_the_events(
    server: RunningServer,
) -> None:
    def blocks() -> Iterator[bytes]:
        yield SPEECH
        raise IncompleteSample(left_bytes=1, frame_bytes=2)

    with pytest.raises(IncompleteSample):
        list(remote(server, partials=False).events(PCM16, blocks()))


def test_the_engine_here_gives_the_protocols_events_with_times_in_milliseconds() -> None:
    audio = join(silence(1.0), talk(1, 3), silence(2.0))
    block = encode(np.stack([audio, audio], axis=1), Encoding.PCM_F32LE)
    local = LocalTranscriber("scripted", make_recognizer())
    events = list(local.events(AudioFormat("pcm_f32le", 16_000, 2), iter([block])))
    final = events[-1]
    assert isinstance(final, Final)
    assert final.text == "w1 w2 w3."
    assert 900 < final.words[0].start_ms < final.words[-1].end_ms < final.end_ms < 4_000


def test_what_the_blocks_raise_is_raised_by_the_engine_here_too() -> None:
    def blocks() -> Iterator[bytes]:
        yield SPEECH
        raise IncompleteSample(left_bytes=1, frame_bytes=2)

    with pytest.raises(IncompleteSample):
        list(LocalTranscriber("scripted", make_recognizer()).events(PCM16, blocks()))
