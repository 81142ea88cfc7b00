"""Real models on real speech: a session that goes on says what an undisturbed one says.

Single words may come out otherwise, because the audio is heard in other windows; no run of three or
more is lost or doubled.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bench.losses import compare
from bench.scoring import normal_words

from fakes import finals
from fakes_broken import Told, continuation_of, go_on, told_until
from live_client import SAMPLE
from streamscribe.events import Event, Partial
from streamscribe.model import Samples
from streamscribe.options import Latency, SessionOptions
from streamscribe.recognizer import Recognizer, load_recognizer

DEFAULT, CTC = "moonshine-tiny-en", "moonshine-tiny-en-ctc"
SPEECH = Path(__file__).parents[2].parent / "shared/speech/long"
EAGER = SessionOptions(latency=Latency.LOW)
"""So that much is committed before a segment ends."""


@cache
def recognizer(model: str) -> Recognizer:
    return load_recognizer(model)


@cache
def undisturbed(model: str, name: str) -> tuple[Told, ...]:
    """Every moment of a session that nothing happens to."""
    return tuple(told_until(recognizer(model), EAGER, audio(name)))


def audio(name: str) -> Samples:
    if not name:
        return SAMPLE
    samples, _ = soundfile.read(SPEECH / name, dtype="float32")
    return np.asarray(samples, dtype=np.float32)


def words(events: tuple[Event, ...]) -> list[str]:
    return normal_words(" ".join(final.text for final in finals(events)))


def check(model: str, name: str, told: Told) -> None:
    continuation = continuation_of(told)
    rest = tuple(go_on(recognizer(model), EAGER, audio(name), continuation))
    losses = compare(words(undisturbed(model, name)[-1].events), words(told.events + rest))
    assert losses.none, (continuation, losses)
    assert losses.other <= 3, (continuation, losses)
    if continuation.segment_open:
        first = finals(rest)[0]
        assert first.segment == continuation.segment
        assert first.text.startswith(continuation.committed_text)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("model", [DEFAULT, CTC])
def test_no_run_of_words_is_lost_or_repeated(model: str, place: float) -> None:
    moments = undisturbed(model, "")
    check(model, "", moments[int(place * len(moments))])


@pytest.mark.parametrize("model", [DEFAULT, CTC])
def test_nor_where_the_most_was_committed_of_an_open_segment(model: str) -> None:
    def committed(told: Told) -> int:
        newest = told.events[-1] if told.events else None
        return newest.committed if isinstance(newest, Partial) else 0

    told = max(undisturbed(model, ""), key=committed)
    assert len(continuation_of(told).committed_text.split()) >= 3
    check(model, "", told)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not SPEECH.is_dir(), reason="needs the folder of recorded speech")
@pytest.mark.parametrize("name", ["two_cities.flac", "sonnet_p001.flac"])
@pytest.mark.parametrize("model", [DEFAULT, CTC])
def test_nor_in_a_long_recording(model: str, name: str) -> None:
    moments = undisturbed(model, name)
    for place in (0.15, 0.35, 0.55, 0.75, 0.95):
        check(model, name, moments[int(place * len(moments))])
