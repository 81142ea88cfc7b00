"""The ring buffer on the absolute clock, and the conversions of units."""

import numpy as np
import pytest

from streamscribe.errors import BacklogExceeded
from streamscribe.model import Samples
from streamscribe.timeline import (
    Timeline,
    at_to_ms,
    at_to_s,
    len_to_ms,
    ms_to_len,
    samples_at_rate,
)


def counting(start: int, stop: int) -> Samples:
    return np.arange(start, stop, dtype=np.float32)


def held_bytes(timeline: Timeline) -> int:
    return timeline._ring.nbytes


def test_milliseconds_become_samples_exactly() -> None:
    assert ms_to_len(90) == 1_440


def test_a_length_that_is_no_whole_millisecond_is_rounded_down() -> None:
    assert len_to_ms(31) == 1


def test_a_position_becomes_milliseconds_and_seconds_of_the_session() -> None:
    assert (at_to_ms(24_007), at_to_s(24_000)) == (1_500, 1.5)


def test_a_position_at_a_clients_rate_never_passes_the_true_position() -> None:
    assert samples_at_rate(7, 44_100) == 19  # truly 19.29
    assert samples_at_rate(5, 8_000) == 2  # truly 2.5


def test_a_new_timeline_has_heard_nothing() -> None:
    timeline = Timeline()
    assert (timeline.start_at, timeline.heard_at) == (0, 0)
    assert len(timeline.read(0, 0)) == 0


def test_samples_are_read_back_by_position() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 100))
    timeline.append(counting(100, 150))
    assert np.array_equal(timeline.read(90, 110), counting(90, 110))


def test_discarding_moves_the_oldest_position_but_not_the_newest() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 100))
    timeline.discard_before(60)
    assert (timeline.start_at, timeline.heard_at) == (60, 100)
    assert np.array_equal(timeline.read(60, 100), counting(60, 100))


def test_discarding_what_is_already_gone_changes_nothing() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 100))
    timeline.discard_before(60)
    timeline.discard_before(20)
    assert timeline.start_at == 60


def test_samples_read_earlier_do_not_change_when_the_ring_wraps() -> None:
    timeline = Timeline(capacity_len=100)
    timeline.append(counting(0, 100))
    early = timeline.read(0, 100)
    timeline.discard_before(100)
    timeline.append(counting(100, 200))
    assert np.array_equal(early, counting(0, 100))
    assert np.array_equal(timeline.read(100, 200), counting(100, 200))


def test_more_than_the_capacity_is_refused_and_nothing_is_added() -> None:
    timeline = Timeline(capacity_len=100)
    timeline.append(counting(0, 100))
    with pytest.raises(BacklogExceeded, match="101 samples .* allowed: 100"):
        timeline.append(counting(100, 101))
    assert timeline.heard_at == 100
    assert np.array_equal(timeline.read(0, 100), counting(0, 100))


def test_refused_audio_fits_once_the_oldest_is_discarded() -> None:
    timeline = Timeline(capacity_len=100)
    timeline.append(counting(0, 100))
    timeline.discard_before(1)
    timeline.append(counting(100, 101))
    assert np.array_equal(timeline.read(1, 101), counting(1, 101))


def test_an_idle_timeline_takes_less_than_a_hundred_kilobytes() -> None:
    assert held_bytes(Timeline()) < 100_000


def test_the_memory_of_a_burst_is_given_back() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 1_000_000))
    in_burst = held_bytes(timeline)
    timeline.discard_before(999_000)
    assert in_burst >= 4_000_000
    assert held_bytes(timeline) < 100_000
    assert np.array_equal(timeline.read(999_000, 1_000_000), counting(999_000, 1_000_000))


def test_reading_what_was_discarded_is_our_bug() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 100))
    timeline.discard_before(60)
    with pytest.raises(AssertionError):
        timeline.read(59, 70)


def test_reading_what_was_not_heard_is_our_bug() -> None:
    timeline = Timeline()
    timeline.append(counting(0, 100))
    with pytest.raises(AssertionError):
        timeline.read(90, 101)
