"""What happens to a waveform before the encoder hears it: other voices, rooms, lines and noise.

Everything is drawn from a generator that the caller seeds, so that a clip's n-th pass is always
the same sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How likely each change is, and how strong it may be."""

    speed: tuple[float, float] = (0.88, 1.12)
    """Faster is higher, too: a resampled voice is another voice."""
    speed_chance: float = 0.8
    noise_chance: float = 0.5
    snr_db: tuple[float, float] = (5.0, 30.0)
    room_chance: float = 0.3
    reverberation_s: tuple[float, float] = (0.1, 0.6)
    """Time in which the room's answer decays by 60 dB."""
    telephone_chance: float = 0.08
    gain_db: tuple[float, float] = (-15.0, 6.0)

    def apply(
        self, samples: Samples, rng: np.random.Generator, noises: Sequence[Samples]
    ) -> Samples:
        """A changed copy of ``samples``; ``noises`` may be empty, then noise is synthetic."""
        if rng.random() < self.speed_chance:
            samples = faster(samples, rng.uniform(*self.speed))
        if rng.random() < self.room_chance:
            samples = in_room(samples, rng.uniform(*self.reverberation_s), rng)
        if rng.random() < self.noise_chance:
            samples = with_noise(samples, _some_noise(noises, rng), rng.uniform(*self.snr_db), rng)
        if rng.random() < self.telephone_chance:
            samples = through_telephone(samples)
        samples = samples * 10 ** (rng.uniform(*self.gain_db) / 20)
        return np.ascontiguousarray(np.clip(samples, -1.0, 1.0), dtype=np.float32)


def faster(samples: Samples, factor: float) -> Samples:
    """Played ``factor`` times as fast, and as much higher."""
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE), dtype=np.float32)


def in_room(samples: Samples, reverberation_s: float, rng: np.random.Generator) -> Samples:
    """Convolved with a made-up room: a direct sound, then decaying noise; same loudness."""
    length = max(2, round(reverberation_s * SAMPLE_RATE))
    decay = 10 ** (-3 * np.arange(length) / length)
    answer = rng.standard_normal(length) * decay * rng.uniform(0.01, 0.06)
    answer[: rng.integers(8, 160)] = 0
    answer[0] = 1
    size = len(samples) + length - 1
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(answer, size)
    wet = np.asarray(np.fft.irfft(spectrum, size)[: len(samples)], dtype=np.float32)
    return np.asarray(wet * (_rms(samples) / _rms(wet)), dtype=np.float32)


def with_noise(
    samples: Samples, noise: Samples, snr_db: float, rng: np.random.Generator
) -> Samples:
    """A random stretch of ``noise`` added, ``snr_db`` below the speech."""
    start = int(rng.integers(0, len(noise)))
    stretch = np.resize(np.roll(noise, -start), len(samples))
    scale = _rms(samples) / _rms(stretch) * 10 ** (-snr_db / 20)
    return np.asarray(samples + stretch * scale, dtype=np.float32)


def through_telephone(samples: Samples) -> Samples:
    """Only what 8 kHz can carry."""
    narrow = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE // 2)
    return np.asarray(soxr.resample(narrow, SAMPLE_RATE // 2, SAMPLE_RATE), dtype=np.float32)


def _some_noise(noises: Sequence[Samples], rng: np.random.Generator) -> Samples:
    if noises and rng.random() < 0.7:
        return noises[int(rng.integers(len(noises)))]
    # Synthetic: between white and strongly low-pass, by the slope of its spectrum.
    size = 8 * SAMPLE_RATE
    spectrum = np.fft.rfft(rng.standard_normal(size))
    slope = np.maximum(1, np.arange(len(spectrum))) ** -rng.uniform(0, 1)
    return np.asarray(np.fft.irfft(spectrum * slope, size), dtype=np.float32)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-9
