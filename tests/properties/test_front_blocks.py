"""What a window's front-end gives does not depend on the hops in which the audio came."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_moonshine import random_weights, small_front
from streamscribe.front_blocks import KEPT_BLOCKS, Array, Front
from streamscribe.model import FrontState
from streamscribe.timeline import SAMPLE_RATE

SHORTEST_LEN = 895
LONGEST_LEN = 20 * SAMPLE_RATE
AUDIO = (np.random.default_rng(1).standard_normal(LONGEST_LEN) / 8).astype(np.float32)
LENGTHS = st.integers(SHORTEST_LEN, 6 * SAMPLE_RATE)


def same(one: Front, other: Front) -> bool:
    """Bit for bit."""
    return all(
        ours.tobytes() == theirs.tobytes()
        for ours, theirs in zip(one.inputs.values(), other.inputs.values(), strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(hops=st.lists(LENGTHS, min_size=1, max_size=6))
def test_a_window_that_grew_in_any_hops_is_the_window_heard_at_once(hops: list[int]) -> None:
    state: FrontState | None = None
    for length in sorted(hops):
        front = small_front().hear(AUDIO[:length], state)
        state = front.state
        assert same(front, small_front().hear(AUDIO[:length]))


@settings(max_examples=20, deadline=None)
@given(longer=LENGTHS, shorter=LENGTHS)
def test_what_a_longer_window_left_serves_a_shorter_one(longer: int, shorter: int) -> None:
    known = small_front().hear(AUDIO[: max(longer, shorter)]).state
    length = min(longer, shorter)
    assert same(small_front().hear(AUDIO[:length], known), small_front().hear(AUDIO[:length]))


@settings(max_examples=10, deadline=None)
@given(length=LENGTHS)
def test_audio_behind_the_window_reaches_nothing_that_counts(length: int) -> None:
    state = small_front().hear(AUDIO[: length + SAMPLE_RATE]).state
    whole = small_front().hear(AUDIO[:length])
    known = zip(whole.state.blocks, state.blocks, strict=False)
    assert all(
        a.tobytes() == b.tobytes()
        for ours, theirs in known
        for a, b in zip(ours, theirs, strict=True)
    )


def test_what_is_kept_is_bounded() -> None:
    state = small_front().hear(AUDIO).state
    assert len(state.blocks) == KEPT_BLOCKS


def test_blocks_are_the_two_convolutions_of_the_whole_window() -> None:
    weights, samples = random_weights(), AUDIO[: 2 * SAMPLE_RATE + 77]
    front = small_front().hear(samples)
    heard = np.tanh(convolution(samples[:, np.newaxis], weights["encoder.conv1.weight"], 64))
    scaled = weights["encoder.conv2.weight"] * weights["encoder.groupnorm.weight"][:, np.newaxis]
    assert np.allclose(front.convolved, convolution(heard, scaled, 3), atol=1e-5)
    moments = np.stack([heard.mean(axis=1), (heard * heard).mean(axis=1)], axis=1)
    assert np.allclose(front.moments, moments.mean(axis=0), atol=1e-6)


def convolution(frames: Array, kernel: Array, stride: int) -> Array:
    """(n, in) to (frames, out), from its definition."""
    width = kernel.shape[2]
    windows = np.lib.stride_tricks.sliding_window_view(frames, width, axis=0)[::stride]
    found: Array = np.tensordot(windows.astype(np.float64), kernel, axes=([1, 2], [1, 2]))
    return found
