import pytest

from fakes_captions import endpoint, final, partial
from streamscribe_cli.load.stream_log import StreamLog, StreamTerms
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Error, SpeechStarted

STARTED_S = 100.0
TERMS = StreamTerms(started_s=STARTED_S, packet_ms=20, endpoint_silence_ms=800, hop_ms=500)


def heard(*came: tuple[float, StreamEvent]) -> StreamLog:
    """A stream whose events came so many seconds after it began."""
    log = StreamLog(TERMS)
    for at_s, event in came:
        log.receive(event, STARTED_S + at_s)
    return log


def started(at_ms: int = 0, segment: int = 0) -> SpeechStarted:
    return SpeechStarted(0, segment, at_ms)


def test_a_final_is_late_by_the_time_since_the_last_voice_was_due() -> None:
    log = heard((0.1, started()), (5.05, endpoint(5_000)), (5.1, final("And so")))
    [timing] = log.finals
    assert timing.due_s == pytest.approx(STARTED_S + 4.2)
    assert timing.delay_s == pytest.approx(0.9)


def test_where_silence_closed_nothing_speech_ends_at_the_endpoint() -> None:
    log = heard((0.1, started()), (30.2, endpoint(30_000, "max_segment")), (30.5, final("Long")))
    assert [timing.delay_s for timing in log.finals] == [pytest.approx(0.5)]
    assert log.rules == {"max_segment": 1}


def test_audio_in_the_middle_of_a_packet_is_due_with_the_whole_packet() -> None:
    log = heard((1.0, partial("And", at_ms=511)))
    [timing] = log.partials
    assert timing.due_s == pytest.approx(STARTED_S + 0.52)
    assert timing.delay_s == pytest.approx(0.48)


def test_audio_up_to_the_end_of_a_packet_is_due_with_that_packet() -> None:
    assert heard().due_s(500) == pytest.approx(STARTED_S + 0.5)


def test_a_stretch_lies_between_two_partials_in_audio_and_in_time() -> None:
    log = heard(
        (0.1, started()),
        (1.1, partial("And", at_ms=1_000)),
        (1.8, partial("And so", at_ms=1_500)),
    )
    [stretch] = log.stretches
    assert stretch.audio_s == pytest.approx(0.5)
    assert stretch.time_s == pytest.approx(0.7)


def test_a_segment_without_any_partial_is_a_stretch_up_to_the_end_of_its_speech() -> None:
    log = heard((0.1, started()), (6.0, endpoint(5_800)))
    assert [stretch.audio_s for stretch in log.stretches] == [pytest.approx(5.0)]


def test_partials_that_stop_long_before_the_speech_are_a_stretch_too() -> None:
    log = heard((0.1, started()), (1.1, partial("And", at_ms=1_000)), (6.0, endpoint(5_800)))
    assert [stretch.audio_s for stretch in log.stretches] == [pytest.approx(4.0)]


def test_a_first_partial_in_its_time_and_the_rest_of_a_hop_are_no_stretches() -> None:
    log = heard((0.1, started()), (1.1, partial("And", at_ms=1_000)), (2.6, endpoint(2_500)))
    assert log.stretches == []


def test_partials_of_two_segments_have_no_stretch_between_them() -> None:
    log = heard(
        (0.1, started()),
        (1.1, partial("One", at_ms=1_000)),
        (2.6, endpoint(2_500)),
        (2.6, final("One")),
        (9.0, started(9_000, segment=1)),
        (10.1, partial("Two", at_ms=10_000, segment=1)),
    )
    assert log.stretches == []


def test_a_final_without_text_has_no_delay_but_is_counted() -> None:
    log = heard((0.1, started()), (5.05, endpoint(5_000)), (5.1, final("")))
    assert (log.finals, log.empty_finals, log.words) == ([], 1, 0)


def test_errors_that_end_nothing_are_counted_by_code() -> None:
    log = heard((0.1, Error(0, "unusable_hotwords", "no", fatal=False)))
    assert log.errors == {"unusable_hotwords": 1}
