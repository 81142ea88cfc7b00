"""Streams on the engine, and that one which fails fails alone."""

import logging
from dataclasses import replace

import pytest

from fakes_server import (
    BREAKS_MODEL,
    BREAKS_SESSION,
    FLOAT32,
    HOP_LEN,
    PCM16,
    SPEECH,
    STUCK_SESSION,
    Bench,
    pcm16,
)
from streamscribe.continuation import Continuation
from streamscribe.events import Final, Flushed, Gap
from streamscribe_server.mailbox import (
    Audio,
    Close,
    Ended,
    Failed,
    Finish,
    Flush,
    Opened,
    Progress,
)


def test_a_stream_is_opened_told_of_its_events_and_ended() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(SPEECH * 2), Finish())
    bench.work()
    assert bench.finals("a") == ["100 100"]
    assert (bench.updates["a"][0], bench.updates["a"][-1]) == (Opened(), Ended(2 * HOP_LEN))


def test_a_flush_is_answered_after_the_final_of_the_audio_before_it() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(SPEECH), Audio(SPEECH[:100]), Flush("now"), Audio(SPEECH))
    bench.work()
    flushed = bench.events("a").index(Flushed("now"))
    final = next(event for event in bench.events("a")[:flushed] if isinstance(event, Final))
    assert final.end_at == HOP_LEN + 50


def test_progress_is_told_for_silence_too_so_that_a_sender_can_be_paced() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(bytes(2 * 16_000)))
    bench.work()
    assert bench.updates["a"][-1] == Progress((), decided_at=16_000, settled_at=16_000)


def test_what_a_session_can_not_decide_yet_counts_as_decided_when_it_wants_nothing() -> None:
    """Otherwise a sender that waits for progress could wait for ever."""
    bench = Bench()
    bench.open("a")
    for _ in range(2):
        bench.post("a", Audio(bytes(2 * 5_000)))
        bench.work()
    assert bench.updates["a"][-1] == Progress((), decided_at=10_000, settled_at=8_000)


def test_a_long_frame_is_given_to_its_session_half_a_second_at_a_time() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(bytes(2 * 20_000)))
    bench.work()
    assert bench.recognizer.sessions[0].received_lens == [8_000, 8_000, 4_000]


def test_no_turn_gives_a_stream_more_than_one_slice() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(bytes(2 * 20_000)))
    bench.turn()
    assert bench.recognizer.sessions[0].received_lens == [8_000]


def test_no_batch_is_larger_than_allowed() -> None:
    bench = Bench(max_batch=2)
    for stream in ("a", "b", "c"):
        bench.open(stream)
        bench.post(stream, Audio(SPEECH))
    bench.work()
    assert bench.batches == [2, 1]


def test_a_session_that_raises_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.open("good")
    bench.open("bad")
    bench.post("bad", Audio(pcm16(BREAKS_SESSION, HOP_LEN)))
    bench.post("good", Audio(SPEECH), Finish())
    bench.work()
    assert isinstance(bench.updates["bad"][-1], Failed)
    assert bench.updates["bad"][-1].code == "internal"
    assert "scripted" not in bench.updates["bad"][-1].message
    assert "stream bad failed" in caplog.text
    assert bench.finals("good") == ["100"]


@pytest.mark.parametrize("max_batch", [1, 3])
def test_a_step_that_breaks_the_model_fails_its_own_stream_only(
    max_batch: int, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(max_batch=max_batch)
    for stream, loudness in (("a", 0.1), ("bad", BREAKS_MODEL), ("b", 0.2)):
        bench.open(stream)
        bench.post(stream, Audio(pcm16(loudness, HOP_LEN)), Finish())
    bench.work()
    assert isinstance(bench.updates["bad"][-1], Failed)
    assert (bench.finals("a"), bench.finals("b")) == (["100"], ["200"])
    assert "streams bad" in caplog.text


def test_a_session_that_decides_nothing_is_ended_and_the_reason_counted() -> None:
    bench = Bench()
    bench.open("stuck")
    bench.open("quiet")
    bench.post("stuck", Audio(pcm16(STUCK_SESSION, 5 * HOP_LEN)))
    bench.post("quiet", Audio(bytes(2 * 5 * HOP_LEN)))
    bench.work()
    bench.engine.fail_stuck()
    assert isinstance(bench.updates["stuck"][-1], Failed)
    assert isinstance(bench.updates["quiet"][-1], Progress)
    assert bench.metrics.value("streamscribe_watchdog_total", reason="session_stuck") == 1


def test_unusable_audio_ends_the_stream_after_the_finals_of_what_came_before() -> None:
    bench = Bench()
    bench.open("a", FLOAT32)
    one_tenth, nan = bytes.fromhex("cdcccc3d"), bytes.fromhex("0000c07f")
    bench.post("a", Audio(one_tenth * HOP_LEN), Audio(nan), Audio(one_tenth * HOP_LEN))
    bench.work()
    assert bench.finals("a") == ["100"]
    last = bench.updates["a"][-1]
    assert isinstance(last, Failed)
    assert last.code == "invalid_sample"


def test_audio_that_ends_inside_a_sample_keeps_its_finals_and_says_so() -> None:
    bench = Bench()
    bench.open("a")
    bench.post("a", Audio(SPEECH + pcm16(0.1, 800) + b"\x00"), Finish())
    bench.work()
    assert bench.finals("a") == ["100 100"]
    last = bench.updates["a"][-1]
    assert isinstance(last, Failed)
    assert last.code == "incomplete_sample"


def test_a_closed_stream_is_forgotten_and_its_cost_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench(call_s=0.05)
    bench.open("a")
    bench.post("a", Audio(SPEECH * 2), Finish())
    bench.work()
    bench.post("a", Close("done"), Audio(SPEECH))
    bench.work()
    assert "audio_s=1.0 rtf=0.15 lag_max_ms=150 steps=3 skipped=0 reason=done" in caplog.text
    assert "100 100" not in caplog.text


def test_when_the_engine_stops_every_stream_is_told() -> None:
    bench = Bench()
    bench.open("a")
    bench.engine.abandon()
    assert bench.updates["a"] == [Opened(), Failed("internal", "the server's engine has stopped")]


LATE = Continuation(
    start_at=3_600 * 16_000,
    segment=7,
    segment_open=False,
    committed_text="",
    context_text="",
    lost_from_at=None,
)
"""An hour has passed in the session that broke."""


def test_a_stream_that_goes_on_late_on_the_clock_is_not_ahead_of_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else its steps would be due in an hour, and get only what other streams leave over."""
    bench = Bench(call_s=0.1)
    bench.open("late", replace(PCM16, continuation=LATE))
    bench.post("late", Audio(SPEECH))
    bench.work()
    caplog.set_level(logging.INFO)
    bench.post("late", Close("done"))
    assert "audio_s=0.5" in caplog.text
    assert "lag_max_ms=100 " in caplog.text


def test_progress_goes_on_from_where_the_session_broke() -> None:
    bench = Bench()
    bench.open("late", replace(PCM16, continuation=LATE))
    bench.post("late", Audio(bytes(2 * HOP_LEN)))
    bench.work()
    heard_at = LATE.start_at + HOP_LEN
    assert bench.updates["late"] == [Opened(), Progress((), heard_at, heard_at)]


def test_a_gap_is_told_before_any_audio_comes() -> None:
    bench = Bench()
    bench.open("late", replace(PCM16, continuation=replace(LATE, lost_from_at=0)))
    assert bench.events("late") == [Gap(0, LATE.start_at)]
