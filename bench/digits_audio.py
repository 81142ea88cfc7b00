"""Spoken digits joined to recordings of any length, with gaps, levels and noise of their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jiwer
import numpy as np

from bench.corpus import Clip, load_clips
from bench.scoring import Errors
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

HELD_OUT: Final = "heldout"
NOISE_FLOOR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Recording:
    """Digits that follow each other."""

    text: str
    samples: Samples
    """(n,) float32 at 16 kHz in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How digits are joined; every range is drawn from evenly."""

    gap_s: tuple[float, float]
    """Between two digits."""
    level_db: tuple[float, float]
    """Of each digit against a level of -25 dB."""
    snr_db: tuple[float, float]
    """Of a digit at that level against the noise behind everything."""
    rate: tuple[float, float] = (1.0, 1.0)
    """Speed and pitch."""
    loud_then_quiet_db: float = 0.0
    """The second half of the recording is this much quieter, noise aside."""


TRAINING: Final = Manner((0.02, 0.6), (-9, 9), (8, 40), rate=(0.84, 1.2))


class Digits:
    """Clips of some speakers, and noise to put behind them."""

    def __init__(self, clips: Sequence[Clip], noises: Sequence[Samples]) -> None:
        self._clips = [Clip(c.name, c.kind, c.text, _trimmed(c.samples)) for c in clips]
        self._noises = noises

    @classmethod
    def load(cls, speech: Path, *, held_out: bool) -> "Digits":
        """The speakers to learn from, or those held out; noises are parted in the same way."""
        folder = speech / "commands"
        lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        splits = [json.loads(line)["split"] == HELD_OUT for line in lines]
        clips = load_clips(folder)
        noises = [clip.samples for clip in load_clips(speech / "noise")]
        return cls(
            [clip for clip, out in zip(clips, splits, strict=True) if out is held_out],
            noises[1::2] if held_out else noises[::2],
        )

    def join(self, rng: np.random.Generator, seconds: float, manner: Manner) -> Recording:
        """A recording of exactly this length with as many digits as it holds, at least one."""
        whole_len = round(seconds * SAMPLE_RATE)
        samples = np.zeros(whole_len, dtype=np.float32)
        words: list[str] = []
        at = round(float(rng.uniform(*manner.gap_s)) * SAMPLE_RATE)
        while True:
            clip = self._clips[int(rng.integers(len(self._clips)))]
            said = _resampled(clip.samples, float(rng.uniform(*manner.rate)))
            if not words and at + len(said) > whole_len:
                at, said = 0, said[:whole_len]
            if at + len(said) > whole_len:
                break
            level_db = -25 + float(rng.uniform(*manner.level_db))
            if at > whole_len / 2:
                level_db -= manner.loud_then_quiet_db
            samples[at : at + len(said)] += _at_level(said, level_db)
            words.append(clip.text)
            at += len(said) + round(float(rng.uniform(*manner.gap_s)) * SAMPLE_RATE)
        samples += self._noise(rng, whole_len, -25 - float(rng.uniform(*manner.snr_db)))
        return Recording(" ".join(words), np.clip(samples, -1, 1))

    def _noise(self, rng: np.random.Generator, sample_len: int, level_db: float) -> Samples:
        noise = self._noises[int(rng.integers(len(self._noises)))]
        start = int(rng.integers(len(noise)))
        wrapped = np.take(noise, np.arange(start, start + sample_len), mode="wrap")
        white = rng.standard_normal(sample_len).astype(np.float32) * NOISE_FLOOR
        return _at_level(wrapped + white, level_db)


def digit_errors(reference: str, hypothesis: str) -> Errors:
    """Errors of one text, word by word: here "one two" is no "12"."""
    found = jiwer.process_words(reference, hypothesis)
    return Errors(len(reference.split()), found.substitutions, found.deletions, found.insertions)


def _trimmed(samples: Samples) -> Samples:
    """Without what is quieter than -40 dB of the peak at both ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def _at_level(samples: Samples, level_db: float) -> Samples:
    rms = float(np.sqrt(np.mean(np.square(samples)))) + 1e-9
    levelled: Samples = samples * np.float32(10 ** (level_db / 20) / rms)
    return levelled


def _resampled(samples: Samples, rate: float) -> Samples:
    if rate == 1.0:
        return samples
    at = np.arange(0, len(samples) - 1, rate)
    faster: Samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return faster
