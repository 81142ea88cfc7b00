"""Any bytes are audio or an ``AudioError``, never anything else."""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import FixedModel
from streamscribe.codec import Encoding
from streamscribe.errors import AudioError
from streamscribe.events import Event, Final, SpeechStarted
from streamscribe.ingest import AudioFormat, Ingest
from streamscribe.recognizer import Recognizer, drive
from streamscribe.vad_webrtc import WebRtcVad

FORMATS = st.builds(
    AudioFormat,
    st.sampled_from(list(Encoding)),
    st.sampled_from([8_000, 11_025, 16_000, 44_100, 48_000]),
    st.integers(1, 2),
)
PIECES = st.lists(
    st.binary(max_size=2_000)
    | st.builds(lambda data, times: data * times, st.binary(max_size=9), st.integers(0, 9_000)),
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(format=FORMATS, pieces=PIECES)
def test_any_bytes_give_events_or_an_audio_error(format: AudioFormat, pieces: list[bytes]) -> None:
    ingest = Ingest(format)
    recognizer = Recognizer(FixedModel((1, 2, 3)), WebRtcVad)
    session = recognizer.open()
    events: list[Event] = []
    with suppress(AudioError):  # what came before it still ends in finals
        for piece in pieces:
            session.receive_audio(ingest.receive(piece))
            events += drive(session, recognizer)
        session.receive_audio(ingest.finish())
    session.receive_eof()
    events += drive(session, recognizer)
    started = [event.segment for event in events if isinstance(event, SpeechStarted)]
    assert started == [event.segment for event in events if isinstance(event, Final)]
    assert session.finished
