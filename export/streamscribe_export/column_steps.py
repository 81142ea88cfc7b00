"""The steps of weights that were quantised before."""

import numpy as np
import numpy.typing as npt


def column_steps(
    weights: npt.NDArray[np.float32], top: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """A step for each column, and whether all of the column are whole multiples of it.

    So it is with weights that were quantised before. No multiple exceeds ``top``.
    """
    scale = np.maximum(abs(weights).max(axis=0), 1e-12).astype(np.float32) / top
    gaps = np.diff(np.sort(weights, axis=0), axis=0)
    step = np.where(gaps > scale / 64, gaps, np.inf).min(axis=0)
    levels = weights / step
    whole = abs(levels - np.rint(levels)).max(axis=0) < 1e-2
    kept = whole & (abs(levels).max(axis=0) < top + 0.5)
    return step.astype(np.float32), kept


def column_scales(weights: npt.NDArray[np.float32], top: int) -> npt.NDArray[np.float32]:
    """The scale of each column: its step where it has one, so that nothing is rounded twice."""
    step, kept = column_steps(weights, top)
    scale = np.maximum(abs(weights).max(axis=0), 1e-12).astype(np.float32) / top
    return np.where(kept, step, scale).astype(np.float32)
