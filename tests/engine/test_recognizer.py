"""What sessions share, and the simplest driver."""

import subprocess
import sys
from pathlib import Path

import pytest

from fakes import (
    FixedModel,
    ScriptedModel,
    ScriptedVad,
    finals,
    join,
    make_recognizer,
    silence,
    spoken,
    talk,
    transcribe_scripted,
    words_from,
)
from streamscribe.errors import OptionError, UnknownModel
from streamscribe.events import Partial
from streamscribe.options import SessionOptions
from streamscribe.recognizer import Recognizer, drive, load_recognizer, transcribe

AUDIO = join(silence(0.4), talk(1, 20), silence(1.5), talk(21, 30))


def test_a_whole_stream_is_transcribed() -> None:
    assert spoken(list(transcribe(make_recognizer(), AUDIO))) == words_from(1, 30)


def test_audio_may_come_in_pieces() -> None:
    pieces = [AUDIO[:777], AUDIO[777:5_000], AUDIO[5_000:5_000], AUDIO[5_000:]]
    assert list(transcribe(make_recognizer(), pieces)) == transcribe_scripted(AUDIO)


def test_no_audio_gives_no_events() -> None:
    assert list(transcribe(make_recognizer(), [])) == []


def test_audio_longer_than_a_session_may_hold_is_transcribed() -> None:
    three_minutes = join(talk(1, 300), silence(100))
    assert spoken(list(transcribe(make_recognizer(), three_minutes))) == words_from(1, 300)


def test_events_come_while_audio_is_still_being_read() -> None:
    read: list[int] = []

    def pieces() -> object:
        for second in range(10):
            read.append(second)
            yield talk(1 + 10 * second, 10 + 10 * second)

    next(iter(transcribe(make_recognizer(), pieces())))  # type: ignore[arg-type]
    assert read == [0]


def test_a_session_gets_the_recognizers_options() -> None:
    recognizer = Recognizer(ScriptedModel(), ScriptedVad, SessionOptions(partials=False))
    assert not any(isinstance(event, Partial) for event in transcribe(recognizer, AUDIO))


def test_a_session_may_have_options_of_its_own() -> None:
    events = transcribe(make_recognizer(), AUDIO, SessionOptions(partials=False))
    assert not any(isinstance(event, Partial) for event in events)


def test_every_session_has_a_detector_of_its_own() -> None:
    made: list[ScriptedVad] = []

    def make() -> ScriptedVad:
        made.append(ScriptedVad())
        return made[-1]

    recognizer = Recognizer(ScriptedModel(), make)
    recognizer.open()
    recognizer.open()
    assert len(made) == 2


def test_results_come_in_the_order_of_the_steps() -> None:
    recognizer = make_recognizer()
    steps = []
    for first in (1, 50):
        session = recognizer.open()
        session.receive_audio(talk(first, first + 9))
        step = session.step_wanted()
        assert step is not None
        steps.append(step)
    there = recognizer.run(steps)
    assert there == recognizer.run(steps[::-1])[::-1]
    assert there[0] != there[1]


def test_driving_gives_the_events_of_each_step_as_it_is_done() -> None:
    recognizer = make_recognizer()
    session = recognizer.open()
    audio = talk(1, 20)
    session.receive_audio(join(audio, silence(2)))
    next(iter(drive(session, recognizer)))
    assert session.decided_at < len(audio)


def test_a_model_that_says_nothing_gives_an_empty_final() -> None:
    (final,) = finals(transcribe_scripted(talk(1, 3), model=FixedModel(())))
    assert (final.text, final.words) == ("", ())


def test_an_unknown_detector_is_named() -> None:
    with pytest.raises(OptionError, match="'ears'"):
        load_recognizer(vad="ears")


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(UnknownModel, match="'nobody'"):
        load_recognizer("nobody")


def test_the_recognizer_loads_without_the_runtime() -> None:
    code = "import sys, streamscribe.recognizer; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent).returncode == 0
