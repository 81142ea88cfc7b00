"""Is this frame loud enough to be speech here? Adapts to the room and to the speaker.

Two levels are followed, in dB relative to full scale: the *floor*, which falls at once to any
quieter frame and rises slowly, and the *peak* of what a detector called speech, which rises at
once and falls slowly. Speech begins well above the one and not far below the other; once begun, a
quieter frame may belong to it too, such as a soft consonant in a noisy room.
"""

import math
from typing import Final

import numpy as np

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

BEGIN_ABOVE_FLOOR_DB: Final = 9.0
GO_ON_ABOVE_FLOOR_DB: Final = 3.0
BELOW_PEAK_DB: Final = 25.0
FLOOR_RISE_DB_PER_S: Final = 3.0
PEAK_FALL_DB_PER_S: Final = 2.0
LOWEST_FLOOR_DB: Final = -75.0
LOWEST_PEAK_DB: Final = -40.0
GO_ON_PROBABILITY: Final = 0.4
"""Between the gate's thresholds: enough to go on, not enough to begin."""
_DIGITAL_SILENCE: Final = 1e-10


class Loudness:
    """The levels of one stream."""

    def __init__(self) -> None:
        self._floor_db = LOWEST_FLOOR_DB
        self._peak_db = LOWEST_PEAK_DB

    def speech_probability(self, frame: Samples, voiced: bool) -> float:
        """How likely ``frame``, (n,), is speech, when a detector calls it ``voiced`` or not."""
        seconds = len(frame) / SAMPLE_RATE
        level_db = 10 * math.log10(max(float(np.square(frame).mean()), _DIGITAL_SILENCE))
        self._floor_db = min(level_db, self._floor_db + FLOOR_RISE_DB_PER_S * seconds)
        self._floor_db = max(self._floor_db, LOWEST_FLOOR_DB)
        self._peak_db = max(self._peak_db - PEAK_FALL_DB_PER_S * seconds, LOWEST_PEAK_DB)
        if not voiced:
            return 0.0
        self._peak_db = max(self._peak_db, level_db)
        if level_db < self._peak_db - BELOW_PEAK_DB:
            return 0.0
        if level_db >= self._floor_db + BEGIN_ABOVE_FLOOR_DB:
            return 1.0
        return GO_ON_PROBABILITY if level_db >= self._floor_db + GO_ON_ABOVE_FLOOR_DB else 0.0
