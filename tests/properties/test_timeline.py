"""Whatever is appended and discarded, the timeline holds exactly what it says it holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.errors import BacklogExceeded
from streamscribe.ingest import RATES_HZ
from streamscribe.timeline import SAMPLE_RATE, Timeline, at_from_rate, samples_at_rate

MOVES = st.lists(
    st.tuples(st.integers(0, 30_000), st.floats(0, 1)),  # samples appended, share then discarded
    max_size=12,
)


@given(moves=MOVES, capacity_len=st.integers(1, 50_000))
def test_any_moves_leave_the_samples_of_their_positions(
    moves: list[tuple[int, float]], capacity_len: int
) -> None:
    timeline = Timeline(capacity_len)
    for appended, share in moves:
        heard_at = timeline.heard_at
        samples = np.arange(heard_at, heard_at + appended, dtype=np.float32)
        if heard_at + appended - timeline.start_at > capacity_len:
            with pytest.raises(BacklogExceeded):
                timeline.append(samples)
        else:
            timeline.append(samples)
        kept_len = timeline.heard_at - timeline.start_at
        timeline.discard_before(timeline.start_at + int(kept_len * share))
        expected = np.arange(timeline.start_at, timeline.heard_at, dtype=np.float32)
        assert np.array_equal(timeline.read(timeline.start_at, timeline.heard_at), expected)
        assert timeline._ring.size <= max(8_192, 4 * kept_len)
        assert timeline._ring.size <= capacity_len


@given(at=st.integers(0, 10**10), rate_hz=st.integers(8_000, 96_000))
def test_a_clients_position_is_the_last_one_not_past_the_true_one(at: int, rate_hz: int) -> None:
    position = samples_at_rate(at, rate_hz)
    assert position * 16_000 <= at * rate_hz < (position + 1) * 16_000


@given(at=st.integers(0, 2**40), rate_hz=st.integers(*RATES_HZ))
def test_what_was_acknowledged_never_lies_after_the_place_where_a_session_goes_on(
    at: int, rate_hz: int
) -> None:
    acked_at = samples_at_rate(at, rate_hz)
    assert at_from_rate(acked_at, rate_hz) >= at or acked_at == 0


@given(at=st.integers(0, 2**40), rate_hz=st.integers(*RATES_HZ))
def test_a_position_of_a_clients_clock_is_found_within_a_sample(at: int, rate_hz: int) -> None:
    sample_len = max(1.0, SAMPLE_RATE / rate_hz)
    assert abs(at_from_rate(at, rate_hz) - at * SAMPLE_RATE / rate_hz) <= sample_len
    assert samples_at_rate(at_from_rate(at, rate_hz), rate_hz) <= at


@given(at=st.integers(0, 2**40), rate_hz=st.integers(SAMPLE_RATE, RATES_HZ[1]))
def test_above_16000_hertz_an_acknowledgement_leads_back_to_where_it_came_from(
    at: int, rate_hz: int
) -> None:
    assert at_from_rate(samples_at_rate(at, rate_hz), rate_hz) == at
