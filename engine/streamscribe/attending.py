"""When tokens were spoken, from what the alignment heads look at while they are chosen.

Two questions, two answers:

``attended``   which frame the choice of a token rests on most. Of use while the text still grows.
``spans``      from which frame to which each token lasts: the one monotone path through tokens and
               frames that follows the attention best (dynamic time warping).

Rows of attention are those of ``Hypothesis.attention``.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from streamscribe.seq2seq import Attention

SMOOTHED_FRAMES: Final = 7
"""Width of the median filter over frames; odd."""

_Matrix = npt.NDArray[np.float32]


def evened(attention: Attention) -> _Matrix:
    """Mean over the heads, (tokens, frames), each frame scaled over the tokens.

    A frame that every token looks at says nothing about any of them.
    """
    mean = attention.mean(axis=1, keepdims=True)
    deviation = attention.std(axis=1, keepdims=True)
    scaled = (attention - mean) / np.where(deviation > 0, deviation, 1)
    smooth: _Matrix = _median(scaled).mean(axis=0)
    return smooth


def attended(matrix: _Matrix) -> list[int]:
    """The frame of each row that is looked at most."""
    frames: list[int] = matrix.argmax(axis=1).tolist()
    return frames


def spans(matrix: _Matrix) -> list[tuple[int, int]]:
    """First frame, and one past the last, of each row; together they cover all frames.

    A row may last for no frame.
    """
    rows, frames = matrix.shape
    if frames == 0:
        return [(0, 0)] * rows
    starts = _path_starts(-matrix)
    return list(zip(starts, [*starts[1:], frames], strict=True))


def _path_starts(cost: _Matrix) -> list[int]:
    """The frame at which the cheapest path enters each row.

    A path goes to the next frame, to the next row, or to both.
    """
    rows, frames = cost.shape
    total = np.cumsum(cost[0])
    entered = np.zeros((rows, frames), dtype=np.int64)
    from_same = np.zeros((rows, frames), dtype=bool)  # entered at the frame that the row above left
    for row in range(1, rows):
        before = np.concatenate(([np.inf], total[:-1]))
        same = total < before
        way = np.where(same, total, before)
        along = np.cumsum(cost[row])
        offered = way - along + cost[row]
        best = np.minimum.accumulate(offered)
        newest = np.where(offered <= best, np.arange(frames), 0)
        entered[row] = np.maximum.accumulate(newest)
        from_same[row] = same
        total = best + along
    starts = [0] * rows
    frame = frames - 1
    for row in range(rows - 1, 0, -1):
        starts[row] = int(entered[row, frame])
        frame = starts[row] - (0 if from_same[row, starts[row]] else 1)
    return starts


def _median(attention: Attention) -> Attention:
    """Median over ``SMOOTHED_FRAMES`` frames, edges mirrored."""
    reach = SMOOTHED_FRAMES // 2
    if attention.shape[-1] <= reach:
        return attention
    padded = np.pad(attention, ((0, 0), (0, 0), (reach, reach)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED_FRAMES, axis=-1)
    smooth: Attention = np.partition(windows, reach, axis=-1)[..., reach]
    return smooth
