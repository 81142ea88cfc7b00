"""Features don't depend on which windows of a stream were looked at before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamscribe import mel_window
from streamscribe.features import Bands, MelFrontEnd, log_bands, log_mel
from streamscribe.mel_window import MelWindow
from streamscribe.model import Samples

Window: TypeAlias = tuple[int, int, int]
"""Where it starts and ends, and the length of its tail."""

TOLERANCE = 1e-5

COMMON: dict[str, Any] = {
    "mels": 12, "window_len": 400, "hop_len": 160, "fft_len": 512, "gain": 1.0, "power": 2,
    "triangles_over_mel": False, "low_hz": 0.0, "high_hz": 8_000.0, "added": 0.0,
    "normalize_mean": True, "normalize_deviation": True, "deviation": "population",
    "added_to_variance": 0.0, "added_to_deviation": 0.0, "stack": 1,
}  # fmt: skip
WHISPER = MelFrontEnd(
    **COMMON | {"normalize_mean": False, "normalize_deviation": False, "fft_len": 400},
    window="hann", centred=True, remove_offset=False, preemphasis=0.0, preemphasis_over="frame",
    mel_scale="slaney", least=1e-10, periodic=True, padding="reflect", logarithm="decimal",
    dynamic_range=8.0, shift=4.0, divisor=4.0,
)  # fmt: skip
KALDI = MelFrontEnd(
    **COMMON | {"gain": 32768.0, "stack": 2}, window="povey", centred=False, remove_offset=True,
    preemphasis=0.97, preemphasis_over="frame", mel_scale="htk", least=1.192092955078125e-07,
)  # fmt: skip
SPARSE = MelFrontEnd(
    **COMMON | {"window_len": 99, "hop_len": 320}, window="hamming", centred=True,
    remove_offset=False, preemphasis=0.97, preemphasis_over="frame", mel_scale="htk", least=1e-9,
)  # fmt: skip
EMPHASIZED = MelFrontEnd(
    **COMMON, window="hann", centred=True, remove_offset=False, preemphasis=0.97,
    preemphasis_over="signal", mel_scale="slaney", least=1e-9,
)  # fmt: skip
ALL = (WHISPER, KALDI, SPARSE, EMPHASIZED)

STREAM_LEN = 12_000

POSITIONS = st.integers(0, STREAM_LEN) | st.integers(0, STREAM_LEN // 160).map(lambda i: 160 * i)
WINDOWS = st.lists(
    st.tuples(POSITIONS, POSITIONS, st.sampled_from([0, 0, 1, 170, 399, 400, 3_000])).map(
        lambda drawn: (min(drawn[:2]), max(drawn[:2]), drawn[2])
    ),
    max_size=6,
)


def stream(seed: int) -> Samples:
    """Noise whose loudness changes, with a piece of digital silence."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(10.0 ** rng.uniform(-5, -1, STREAM_LEN // 1_000), 1_000)
    samples = rng.normal(0, loudness).astype(np.float32)
    samples[4_000:5_500] = 0
    return samples


def expect_equal(window: MelWindow, audio: Samples, place: Window, mel: MelFrontEnd) -> None:
    start, end, tail_len = place
    got = window.features(audio[start:end], start, tail_len=tail_len)
    tail = np.zeros(tail_len, dtype=np.float32)
    expected = log_mel(np.concatenate([audio[start:end], tail]), mel)
    assert got.shape == expected.shape and got.dtype == expected.dtype
    assert not got.size or abs(got - expected).max() <= TOLERANCE


@settings(max_examples=100, deadline=None)
@given(places=WINDOWS, seed=st.integers(0, 99), mel=st.sampled_from(ALL))
def test_any_windows_of_a_stream_have_the_features_of_each_alone(
    places: list[Window], seed: int, mel: MelFrontEnd
) -> None:
    window, audio = MelWindow(mel), stream(seed)
    for place in places:
        expect_equal(window, audio, place, mel)


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(st.integers(1, 2_000), min_size=1, max_size=12),
    hops=st.integers(3, 40),
    tail_len=st.sampled_from([0, 2_000]),
    mel=st.sampled_from(ALL),
)
def test_a_window_that_grows_and_slides_has_the_features_of_each_alone(
    steps: list[int], hops: int, tail_len: int, mel: MelFrontEnd
) -> None:
    window, audio = MelWindow(mel), stream(0)
    for end in np.minimum(np.cumsum(steps), STREAM_LEN):
        start = max(0, int(end) // mel.hop_len - hops) * mel.hop_len
        expect_equal(window, audio, (start, int(end), tail_len), mel)


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many frames each computation is of."""
    counts: list[int] = []

    def count(samples: Samples, mel: MelFrontEnd, first: int = 0, end: int | None = None) -> Bands:
        bands = log_bands(samples, mel, first, end)
        counts.append(len(bands))
        return bands

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mel_window, "log_bands", count)
        yield counts


def frames_computed(mel: MelFrontEnd, places: Sequence[Window]) -> list[int]:
    window, audio = MelWindow(mel), stream(0)
    sums = []
    for start, end, tail_len in places:
        with counted() as counts:
            window.features(audio[start:end], start, tail_len=tail_len)
        sums.append(sum(counts))
    return sums


def test_frames_seen_before_are_not_computed_again() -> None:
    growing = [(0, 8_000, 0), (0, 8_000, 0), (0, 9_600, 0), (1_600, 11_200, 0)]
    assert frames_computed(WHISPER, growing) == [50, 3, 13, 13]
    assert frames_computed(KALDI, growing) == [48, 0, 10, 10]


def test_an_earlier_start_computes_what_is_new() -> None:
    assert frames_computed(KALDI, [(1_600, 8_000, 0), (0, 8_000, 0)]) == [38, 10]


def test_a_silent_tail_costs_one_frame() -> None:
    assert frames_computed(WHISPER, [(0, 8_000, 0), (0, 8_000, 400_000)]) == [50, 6]


def test_a_window_between_hops_is_computed_afresh_and_forgets_nothing() -> None:
    places = [(0, 8_000, 0), (100, 8_000, 0), (0, 8_000, 0)]
    assert frames_computed(KALDI, places) == [48, 47, 0]


def test_preemphasis_over_the_signal_is_computed_afresh() -> None:
    assert frames_computed(EMPHASIZED, [(0, 8_000, 0), (0, 8_000, 0)]) == [50, 50]


def test_no_more_is_kept_than_the_newest_window_has() -> None:
    places = [(0, 12_000, 0), (0, 1_600, 0), (0, 12_000, 0)]
    assert frames_computed(KALDI, places) == [73, 0, 65]


@pytest.mark.parametrize("mel", ALL)
def test_a_window_that_ends_earlier_has_the_features_of_it_alone(mel: MelFrontEnd) -> None:
    window, audio = MelWindow(mel), stream(0)
    for end in range(STREAM_LEN, 0, -77):
        expect_equal(window, audio, (0, end, 0), mel)
