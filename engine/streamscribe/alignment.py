"""Which frame says which token, when the tokens are known: Viterbi over CTC's states."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_NEVER = -np.inf


def align(
    log_probs: npt.NDArray[np.float32],
    tokens: Sequence[int],
    blank: int,
    *,
    optional: int = 0,
) -> npt.NDArray[np.int64] | None:
    """The likeliest token or blank of each frame, such that together they say ``tokens``.

    None if there are too few frames. The first ``optional`` tokens may be left out.

    log_probs: (n, vocabulary).   tokens: none of them blank.
    """
    states = np.full(2 * len(tokens) + 1, blank, dtype=np.int64)
    states[1::2] = tokens
    may_skip = np.zeros(len(states), dtype=np.bool_)  # the blank between two different tokens
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    score = np.full(len(states), _NEVER)
    score[: 2 * optional + 1 : 2] = 0.0  # in the blanks before the first frame
    came_from = np.zeros((len(log_probs), len(states)), dtype=np.int64)
    for frame, row in enumerate(log_probs):
        ways = np.full((3, len(states)), _NEVER)
        ways[0] = score
        ways[1, 1:] = score[:-1]
        ways[2, 2:] = np.where(may_skip[2:], score[:-2], _NEVER)
        came_from[frame] = ways.argmax(axis=0)
        score = ways.max(axis=0) + row[states]
    state = len(states) - 1 if not tokens or score[-1] >= score[-2] else len(states) - 2
    if score[state] == _NEVER:
        return None
    said = np.empty(len(log_probs), dtype=np.int64)
    for frame in range(len(log_probs) - 1, -1, -1):
        said[frame] = states[state]
        state -= int(came_from[frame, state])
    return said
