"""A client's bytes to 16 kHz mono samples: decode, mix, resample, in that order."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamscribe.codec import Decoder, Encoding, Frames
from streamscribe.errors import UnsupportedChannels, UnsupportedEncoding, UnsupportedRate
from streamscribe.model import Samples
from streamscribe.resample import Resampler

RATES_HZ: Final = (8_000, 96_000)
"""Lowest and highest sample rate accepted."""

CHANNELS: Final = (1, 2)
"""Channel counts accepted; two are mixed in equal parts."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How a client's audio is written.

    Raises ``UnsupportedEncoding``, ``UnsupportedRate`` or ``UnsupportedChannels``. Numbers must
    be ``int``: neither ``True`` nor ``"16000"`` will do.
    """

    encoding: str
    """The name of an ``Encoding``; an ``Encoding`` once the object is made."""
    rate_hz: int
    channels: int

    def __post_init__(self) -> None:
        allowed = tuple(str(encoding) for encoding in Encoding)
        if self.encoding not in allowed:
            raise UnsupportedEncoding(got=str(self.encoding), allowed=allowed)
        low_hz, high_hz = RATES_HZ
        if type(self.rate_hz) is not int or not low_hz <= self.rate_hz <= high_hz:
            raise UnsupportedRate(got_hz=self.rate_hz, allowed_hz=RATES_HZ)
        if type(self.channels) is not int or self.channels not in CHANNELS:
            raise UnsupportedChannels(got=self.channels, allowed=CHANNELS)
        object.__setattr__(self, "encoding", Encoding(self.encoding))

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return Encoding(self.encoding).sample_bytes * self.channels


class Ingest:
    """One stream's bytes to samples. Any split of the same bytes gives the same samples."""

    def __init__(self, format: AudioFormat) -> None:
        self._decoder = Decoder(Encoding(format.encoding), format.channels)
        self._resampler = Resampler(format.rate_hz)

    def receive(self, data: bytes) -> Samples:
        """Samples completed by ``data``, (n,), n maybe 0. Raises ``InvalidSample``."""
        return self._resampler.receive(_mono(self._decoder.receive(data)))

    def finish(self) -> Samples:
        """The last samples, (n,). Raises ``IncompleteSample`` if the bytes end inside one."""
        self._decoder.finish()
        return self._resampler.finish()


def _mono(frames: Frames) -> Samples:
    if frames.shape[1] == 1:
        return frames[:, 0]
    return (frames[:, 0] + frames[:, 1]) * np.float32(0.5)
