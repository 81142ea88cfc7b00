"""Bytes of a client's encoding to float32 samples, and back.

Decoding is safe to split anywhere, inside a sample too: a ``Decoder`` keeps the incomplete
sample for the next call. G.711 (mu-law, A-law) goes through 256-entry tables computed from the
formulas of ITU-T Recommendation G.711 (11/88), on the 16-bit scale.
"""

from enum import StrEnum
from typing import Final, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from streamscribe.errors import IncompleteSample, InvalidSample

Frames: TypeAlias = npt.NDArray[np.float32]
"""(n, channels) float32 in [-1, 1], at the client's own rate."""

_FULL_SCALE: Final = 32_768  # 16-bit sample that would be 1.0


class Encoding(StrEnum):
    """How a client's samples are written; channels are interleaved."""

    PCM_S16LE = "pcm_s16le"  # 16-bit signed integers, little-endian
    PCM_F32LE = "pcm_f32le"  # 32-bit IEEE floats, little-endian, nominally in [-1, 1]
    MULAW = "mulaw"  # G.711 mu-law, 8 bits
    ALAW = "alaw"  # G.711 A-law, 8 bits

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        match self:
            case Encoding.PCM_S16LE:
                return 2
            case Encoding.PCM_F32LE:
                return 4
            case Encoding.MULAW | Encoding.ALAW:
                return 1
            case _:
                assert_never(self)


def _mulaw_levels() -> npt.NDArray[np.float32]:
    """Value of each code, (256,): codes are sent inverted; sign, 3-bit segment, 4-bit step."""
    code = ~np.arange(256) & 0xFF
    segment, step = code >> 4 & 0x7, code & 0xF
    magnitude = ((step << 3) + 132 << segment) - 132  # 132: the law's bias of 33, on 16 bits
    return (np.where(code & 0x80, -magnitude, magnitude) / _FULL_SCALE).astype(np.float32)


def _alaw_levels() -> npt.NDArray[np.float32]:
    """Value of each code, (256,): even bits are sent inverted; sign, 3-bit segment, 4-bit step."""
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 0x7, code & 0xF
    linear = (step << 4) + 8  # segments 0 and 1 have the same step size
    magnitude = np.where(segment == 0, linear, linear + 256 << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / _FULL_SCALE).astype(np.float32)


_MULAW: Final = _mulaw_levels()
_ALAW: Final = _alaw_levels()


class Decoder:
    """Bytes of one stream to frames of samples."""

    def __init__(self, encoding: Encoding, channels: int) -> None:
        self._encoding = encoding
        self._channels = channels
        self._frame_bytes = encoding.sample_bytes * channels
        self._tail = b""
        self._decoded_len = 0

    def receive(self, data: bytes) -> Frames:
        """Frames completed by ``data``, (n, channels); any number of bytes may come.

        Floats outside [-1, 1] are clipped. Raises ``InvalidSample`` for NaN or infinity, with
        its index at the client's rate since the stream began; then nothing was taken.
        """
        data = self._tail + data
        whole_bytes = len(data) - len(data) % self._frame_bytes
        samples = _decode(self._encoding, data[:whole_bytes]).reshape(-1, self._channels)
        if self._encoding is Encoding.PCM_F32LE:
            self._refuse_invalid(samples)
            np.clip(samples, -1, 1, out=samples)
        self._tail = data[whole_bytes:]
        self._decoded_len += len(samples)
        return samples

    def finish(self) -> None:
        """Say that no bytes follow. Raises ``IncompleteSample`` if some are left over."""
        if self._tail:
            raise IncompleteSample(left_bytes=len(self._tail), frame_bytes=self._frame_bytes)

    def _refuse_invalid(self, samples: Frames) -> None:
        finite = np.isfinite(samples)
        if finite.all():
            return
        row, channel = np.argwhere(~finite)[0]
        raise InvalidSample(got=float(samples[row, channel]), at=self._decoded_len + int(row))


def encode(samples: npt.NDArray[np.float32], encoding: Encoding) -> bytes:
    """Samples in [-1, 1], (n,) or (n, channels), as bytes; values outside are clipped.

    Integers round to nearest. G.711 takes the nearest level, and +0 for mu-law's two zeros.
    Decoding what was encoded from decoded samples gives the same samples again.
    """
    flat = samples.reshape(-1)
    match encoding:
        case Encoding.PCM_S16LE:
            return to_int16(flat).astype("<i2").tobytes()
        case Encoding.PCM_F32LE:
            return np.clip(flat, -1, 1).astype("<f4").tobytes()
        case Encoding.MULAW:
            return _nearest_codes(flat, _MULAW).tobytes()
        case Encoding.ALAW:
            return _nearest_codes(flat, _ALAW).tobytes()
        case _:
            assert_never(encoding)


def to_int16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Samples on the 16-bit scale, same shape, rounded to nearest and clipped."""
    return np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _decode(encoding: Encoding, data: bytes) -> npt.NDArray[np.float32]:
    match encoding:
        case Encoding.PCM_S16LE:
            return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(1 / _FULL_SCALE)
        case Encoding.PCM_F32LE:
            return np.frombuffer(data, "<f4").astype(np.float32)
        case Encoding.MULAW:
            return _MULAW[np.frombuffer(data, np.uint8)]
        case Encoding.ALAW:
            return _ALAW[np.frombuffer(data, np.uint8)]
        case _:
            assert_never(encoding)


def _nearest_codes(
    samples: npt.NDArray[np.float32], levels: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    by_level = np.lexsort((np.arange(256), levels))  # of equal levels, the higher code is last
    ordered = levels[by_level]
    middles = (ordered[:-1] + ordered[1:]) / 2
    return by_level[np.searchsorted(middles, samples, side="right")].astype(np.uint8)
