import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe_server.due_times import BURST_S, PACE, DueTimes

RATE = 16_000


def test_live_audio_is_due_when_it_arrives() -> None:
    due = DueTimes()
    for second in range(1, 5):
        due.record(second * RATE, now_s=100.0 + second)
    assert due.when(3 * RATE).due_s == 103.0


def test_audio_inside_a_packet_is_due_with_the_packet() -> None:
    due = DueTimes()
    due.record(RATE, now_s=5.0)
    due.record(2 * RATE, now_s=6.0)
    assert due.when(RATE + 1).due_s == 6.0


def test_a_stall_of_the_network_costs_a_live_stream_nothing() -> None:
    due = DueTimes()
    due.record(RATE, now_s=1.0)
    due.record(2 * RATE, now_s=3.5)
    due.record(3 * RATE, now_s=3.5)
    due.record(4 * RATE, now_s=4.0)
    assert due.when(4 * RATE).due_s == 4.0


def test_a_file_sent_at_once_is_due_at_the_pace_of_speech() -> None:
    due = DueTimes()
    for second in range(1, 61):
        due.record(second * RATE, now_s=0.0)
    assert due.when(60 * RATE).due_s == 60.0 - BURST_S


def test_the_end_of_the_audio_is_due_with_the_newest_packet() -> None:
    due = DueTimes()
    due.record(RATE, now_s=2.0)
    assert due.when(RATE + 400).due_s == 2.0


def test_what_a_burst_delivers_keeps_its_own_pace() -> None:
    due = DueTimes()
    for second in range(1, 11):
        due.record(second * RATE, now_s=0.0)
    assert due.when(2 * RATE).due_s == 0.0
    assert due.when(10 * RATE).paced_s == pytest.approx(10 * PACE)


def test_a_live_stream_is_on_time_again_some_time_after_a_stall() -> None:
    due = DueTimes()
    due.record(3 * RATE, now_s=0.0)
    for second in range(4, 40):
        due.record(second * RATE, now_s=float(second - 3))
    assert due.when(39 * RATE).paced_s == 36.0


@given(
    packets=st.lists(
        st.tuples(st.integers(1, 5 * RATE), st.floats(0, 5, allow_nan=False)), min_size=1
    )
)
def test_nothing_is_due_before_it_arrives_nor_before_what_came_earlier(
    packets: list[tuple[int, float]],
) -> None:
    due, at, now_s, earlier_s = DueTimes(), 0, 0.0, 0.0
    for length, wait_s in packets:
        at, now_s = at + length, now_s + wait_s
        due.record(at, now_s)
        when_s = due.when(at).due_s
        assert when_s >= max(now_s, earlier_s)
        earlier_s = when_s
