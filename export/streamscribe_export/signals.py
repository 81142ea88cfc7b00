"""What parity is checked with: sounds that are the same on every machine, and real speech."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streamscribe.model import Samples
from streamscribe_export.errors import AudioUnreadable
from streamscribe_export.front_end import SAMPLE_RATE

SAMPLE: Final = "samples/jfk.flac"
"""In the package of the command line."""
LONGEST_LEN: Final = 20 * SAMPLE_RATE
"""Recordings are compared in windows of this length at most."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One window to compare with."""

    name: str
    samples: Samples


def babble(length: int, seed: int = 0) -> Samples:
    """Something like a voice: a gliding tone with overtones, in syllables, over noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(length) / SAMPLE_RATE
    pitch_hz = 120 + 40 * np.sin(2 * np.pi * 0.7 * at + seed) + 15 * np.sin(2 * np.pi * 5 * at)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE
    voice = sum(np.sin(phase * k) / k for k in range(1, 20))
    loudness = np.clip(np.sin(2 * np.pi * 3.3 * at + seed), 0, 1) ** 2
    return np.asarray(0.2 * voice * loudness + rng.normal(0, 0.01, length), dtype=np.float32)


def speech_sample() -> Samples | None:
    """The recording that comes with the command line, where that is installed."""
    found = importlib.util.find_spec("streamscribe_cli")
    places = [Path(place) for place in (found and found.submodule_search_locations) or ()]
    path = next((place / SAMPLE for place in places if (place / SAMPLE).is_file()), None)
    return None if path is None else read_audio(path)


def read_audio(path: Path) -> Samples:
    """A recording as mono samples at 16 kHz."""
    import soundfile
    import soxr

    try:
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioUnreadable(f"{path} can't be read as audio: {error}") from error
    mono = sound.mean(axis=1)
    if rate_hz != SAMPLE_RATE:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE)
    if len(mono) < SAMPLE_RATE:
        raise AudioUnreadable(
            f"{path} holds {len(mono) / SAMPLE_RATE:.2f} s of audio; allowed: at least 1 s"
        )
    return np.asarray(mono, dtype=np.float32)


def windows_of(name: str, samples: Samples) -> list[Signal]:
    """A recording in windows; a rest shorter than a second is left out."""
    cuts = [samples[start : start + LONGEST_LEN] for start in range(0, len(samples), LONGEST_LEN)]
    return [
        Signal(f"{name} [{index}]", cut)
        for index, cut in enumerate(cuts)
        if len(cut) >= SAMPLE_RATE
    ]
