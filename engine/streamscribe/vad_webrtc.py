"""The WebRTC detector: Gaussian mixtures over six bands; a yes or no for each frame.

It hears any strong sound as speech: at mode 2 it misses next to none, but calls most steady noise
and music voiced too; ``loudness.py`` takes half of that back. Of its frame lengths (10, 20 and
30 ms) the longest is used, which flickers least and costs least: 0.3 ms a second of audio.
"""

from typing import Final

import webrtcvad

from streamscribe.codec import to_int16
from streamscribe.errors import OptionError
from streamscribe.loudness import Loudness
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE, ms_to_len

MODES: Final = (0, 1, 2, 3)
"""From the most sensitive to the most selective."""

_SETTLING_FRAMES: Final = 4
"""The detector calls the first 90 to 120 ms of any sound voiced, until it has met the noise."""


class WebRtcVad:
    """A ``Vad`` whose probability is 0, 0.4 or 1. Raises ``OptionError`` for an unknown mode.

    The first four frames that are not digital silence count as unvoiced, or every stream would
    open with a segment of noise; pre-roll gives speech its beginning back.
    """

    def __init__(self, mode: int = 2) -> None:
        if type(mode) is not int or mode not in MODES:
            raise OptionError(name="mode", got=mode, allowed="0, 1, 2 or 3")
        self._detector = webrtcvad.Vad(mode)
        self._loudness = Loudness()
        self._unsettled_frames = _SETTLING_FRAMES

    @property
    def frame_len(self) -> int:
        """480 samples, 30 ms."""
        return ms_to_len(30)

    def speech_probability(self, frame: Samples) -> float:
        """1.0 if ``frame``, (480,), holds speech, 0.4 if it may go on in it, else 0.0."""
        voiced = self._detector.is_speech(to_int16(frame).tobytes(), SAMPLE_RATE)
        probability = self._loudness.speech_probability(frame, voiced)
        if self._unsettled_frames and frame.any():
            self._unsettled_frames -= 1
            return 0.0
        return probability
