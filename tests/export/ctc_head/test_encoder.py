"""Windows of a stream keep every frame of a recording once."""

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from streamscribe_export.ctc_head.encoder import (
    RECEPTIVE_FIELD_LEN,
    STRIDE_LEN,
    Windows,
    frame_count,
    spans,
)

windows = st.builds(
    Windows,
    left_ms=st.integers(0, 9000),
    hop_ms=st.integers(1, 3000),
    right_ms=st.integers(0, 1000),
)


@given(audio_len=st.integers(0, 400_000), cut=windows)
def test_windows_keep_every_frame_once(audio_len: int, cut: Windows) -> None:
    kept: list[int] = []
    for span in spans(audio_len, cut):
        assert span.start_len % STRIDE_LEN == 0 and span.end_len <= audio_len
        first = span.start_len // STRIDE_LEN + span.skipped
        kept.extend(range(first, first + span.kept))
        assert span.skipped + span.kept <= frame_count(span.end_len - span.start_len)
    assert kept == list(range(frame_count(audio_len)))


def test_a_window_has_the_context_it_was_asked_for() -> None:
    frame_ms = STRIDE_LEN // 16
    middle = spans(30 * 16_000, Windows(8 * 24 * 10, 24 * 20, 24 * 20))[10]
    assert middle.skipped * frame_ms == 8 * 24 * 10
    assert (middle.end_len - middle.start_len - RECEPTIVE_FIELD_LEN) // STRIDE_LEN + 1 == 120


def test_audio_too_short_for_a_frame_has_none() -> None:
    assert frame_count(RECEPTIVE_FIELD_LEN - 1) == 0
    assert frame_count(RECEPTIVE_FIELD_LEN) == 1
    assert spans(RECEPTIVE_FIELD_LEN - 1, Windows(8000, 500, 500)) == []
    assert np.diff([frame_count(895 + 384 * n) for n in range(4)]).tolist() == [1, 1, 1]
