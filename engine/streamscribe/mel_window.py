"""Log-mel features of a window that slides along a stream, each frame computed once.

Windows of one stream overlap, and most of their frames are the same. What differs is the frames
that reach beyond an end of the audio, and the scaling over the window.
"""

import numpy as np

from streamscribe.features import Bands, Features, MelFrontEnd, log_bands, scaled
from streamscribe.model import Samples


class MelWindow:
    """Features of successive windows of one stream.

    The same position must always hold the same sample. Kept are the frames of the newest window,
    whose positions are counted in hops; a window that begins between two hops is computed afresh.
    """

    def __init__(self, mel: MelFrontEnd) -> None:
        self._mel = mel
        self._keeps = not (mel.preemphasis and mel.preemphasis_over == "signal")
        self._kept: Bands = np.zeros((0, mel.mels))
        self._kept_from = 0

    def features(self, samples: Samples, start_at: int, *, tail_len: int = 0) -> Features:
        """What ``log_mel`` gives for the samples and a silent tail; equal within 1e-5.

        The samples are (n,) float32 in [-1, 1] at 16 kHz, and the first one is at ``start_at``.
        """
        window = samples
        if tail_len:
            window = np.concatenate([samples, np.zeros(tail_len, dtype=np.float32)])
        if not self._keeps or start_at % self._mel.hop_len:
            return scaled(log_bands(window, self._mel), self._mel)
        origin = start_at // self._mel.hop_len
        bands = self._bands(window, len(samples), origin)
        first, end = self._whole(len(samples), len(bands))
        self._kept, self._kept_from = bands[first:end], origin + first
        return scaled(bands, self._mel)

    def _bands(self, window: Samples, heard_len: int, origin: int) -> Bands:
        """Frames of a window that is silent after ``heard_len``; frame 0 is ``origin`` hops on."""
        frames = self._mel.frames(len(window))
        first, known = self._known(heard_len, frames, origin)
        voiced = self._voiced(frames, heard_len, len(window) - heard_len)
        silent = log_bands(window, self._mel, voiced, min(frames, voiced + 1))
        return np.concatenate(
            [
                log_bands(window, self._mel, 0, first),
                known,
                log_bands(window, self._mel, first + len(known), voiced),
                np.repeat(silent, frames - voiced, axis=0),
            ]
        )

    def _known(self, heard_len: int, frames: int, origin: int) -> tuple[int, Bands]:
        """Those frames that are kept from the window before, after the number of the first."""
        kept_from = self._kept_from - origin
        first, end = self._whole(heard_len, frames)
        first, end = max(first, kept_from), min(end, kept_from + len(self._kept))
        if end <= first:
            return 0, self._kept[:0]
        return first, self._kept[first - kept_from : end - kept_from]

    def _whole(self, heard_len: int, frames: int) -> tuple[int, int]:
        """The first frame that lies wholly inside the audio, and the one after the last."""
        mel = self._mel
        first = -(-mel.lead_len // mel.hop_len)
        end = (heard_len + mel.lead_len - mel.window_len) // mel.hop_len + 1
        return first, max(first, min(end, frames))

    def _voiced(self, frames: int, heard_len: int, tail_len: int) -> int:
        """Frames before those that hear nothing but the tail, which are all the same."""
        if tail_len < self._mel.window_len:
            return frames
        return min(frames, -(-(heard_len + self._mel.lead_len) // self._mel.hop_len))
