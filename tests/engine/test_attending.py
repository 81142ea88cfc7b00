"""When tokens were spoken, from rows of attention."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.attending import SMOOTHED_FRAMES, attended, evened, spans

Matrix = npt.NDArray[np.float32]
Spans = list[tuple[int, int]]


def matrix_of(rows: int, frames: int, seed: int) -> Matrix:
    return np.random.default_rng(seed).normal(size=(rows, frames)).astype(np.float32)


MATRICES = st.builds(matrix_of, st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000))


def best_total(matrix: Matrix) -> float:
    """The most that a path from the first row and frame to the last ones gathers, place by place.

    A path goes to the next frame, to the next row, or to both.
    """
    rows, frames = matrix.shape
    best = np.full((rows + 1, frames + 1), -math.inf)
    best[0, 0] = 0
    for row in range(rows):
        for frame in range(frames):
            before = max(best[row, frame], best[row, frame + 1], best[row + 1, frame])
            best[row + 1, frame + 1] = float(matrix[row, frame]) + before
    return float(best[rows, frames])


def total_of(matrix: Matrix, found: Spans) -> float:
    """The most that a path with these spans gathers.

    A path enters a row at its first frame, from the frame before or from the same one; so what a
    row gathers may go on to the frame at which the next row begins.
    """
    rows, frames = matrix.shape
    total = 0.0
    for row, (start, end) in enumerate(found):
        last_ends = {frames} if row == rows - 1 else {max(end, start + 1), end + 1}
        total += max(float(matrix[row, start:until].sum()) for until in last_ends)
    return total


@given(matrix=MATRICES)
def test_no_monotone_path_follows_the_attention_better(matrix: Matrix) -> None:
    assert total_of(matrix, spans(matrix)) == pytest.approx(best_total(matrix), abs=1e-4)


@given(matrix=MATRICES)
def test_together_the_spans_are_all_frames_in_order(matrix: Matrix) -> None:
    found = spans(matrix)
    assert len(found) == len(matrix)
    assert (found[0][0], found[-1][1]) == (0, matrix.shape[1])
    assert all(start <= end for start, end in found)
    assert all(before[1] == after[0] for before, after in pairwise(found))


def test_a_row_lasts_for_the_frames_it_looks_at() -> None:
    matrix = np.zeros((3, 10), dtype=np.float32)
    matrix[0, :4] = matrix[1, 4:5] = matrix[2, 5:] = 1
    assert spans(matrix) == [(0, 4), (4, 5), (5, 10)]


def test_more_rows_than_frames_leave_some_without_any() -> None:
    found = spans(matrix_of(9, 3, seed=1))
    assert sum(end - start for start, end in found) == 3


@pytest.mark.parametrize(
    ("rows", "frames", "expected"),
    [
        pytest.param(1, 5, [(0, 5)], id="one row"),
        pytest.param(1, 1, [(0, 1)], id="one row and one frame"),
        pytest.param(3, 1, [(0, 0), (0, 0), (0, 1)], id="one frame"),
        pytest.param(3, 0, [(0, 0)] * 3, id="no frame"),
    ],
)
def test_where_there_is_no_choice_there_is_one_answer(
    rows: int, frames: int, expected: Spans
) -> None:
    assert spans(matrix_of(rows, frames, seed=0)) == expected


def test_a_row_rests_on_the_frame_it_looks_at_most() -> None:
    matrix = np.array([[0, 3, 1], [2, 0, 1], [0, 0, 9]], dtype=np.float32)
    assert attended(matrix) == [1, 0, 2]


def glances(*frames: int, total: int = 40, width: int = 5) -> Matrix:
    """One head that looks at one place after the other."""
    looked = np.full((1, len(frames), total), 0.01, dtype=np.float32)
    for row, frame in enumerate(frames):
        looked[0, row, frame - width // 2 : frame + width // 2 + 1] = 1
    return looked


def near(frames: list[int], *places: int) -> bool:
    return all(abs(frame - place) <= 2 for frame, place in zip(frames, places, strict=True))


def test_what_is_looked_at_is_found_again() -> None:
    assert near(attended(evened(glances(10, 20, 30))), 10, 20, 30)


def test_a_frame_that_everybody_looks_at_says_nothing() -> None:
    looked = glances(10, 20, 30)
    looked[0, :, 33:39] = 50
    matrix = evened(looked)
    assert not matrix[:, 35].any()
    assert near(attended(matrix), 10, 20, 30)


def test_a_glance_at_one_frame_alone_is_smoothed_away() -> None:
    looked = glances(10, 20, 30)
    looked[0, 1, 8:13] = 0.5  # another looks there too, but nobody at the frame of the glance
    looked[0, 0, 35] = 1
    assert near(attended(evened(looked))[:1], 10)


def test_what_most_heads_look_at_counts() -> None:
    looked = np.concatenate((glances(10, 20, 30), glances(10, 20, 30), glances(32, 12, 22)))
    assert near(attended(evened(looked)), 10, 20, 30)


def test_heads_that_are_as_sharp_as_each_other_weigh_the_same() -> None:
    looked = glances(10, 20, 30)
    assert evened(np.concatenate((looked, 7 * looked))) == pytest.approx(evened(looked), abs=1e-5)


@pytest.mark.parametrize("frames", [0, 1, SMOOTHED_FRAMES // 2, SMOOTHED_FRAMES - 1, 20])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_any_number_of_rows_and_frames_can_be_evened(rows: int, frames: int) -> None:
    rng = np.random.default_rng(0)
    looked = rng.random((3, rows, frames)).astype(np.float32)
    matrix = evened(looked)
    assert matrix.shape == (rows, frames)
    assert np.isfinite(matrix).all()
    assert matrix.any() == (rows > 1 and frames > 0)


def test_fewer_frames_than_the_filter_reaches_are_not_smoothed() -> None:
    looked = np.eye(SMOOTHED_FRAMES // 2, dtype=np.float32)[np.newaxis]
    assert attended(evened(looked)) == [*range(SMOOTHED_FRAMES // 2)]
