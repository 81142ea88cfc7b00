"""Synthetic voices: programs and packages that are installed, never downloaded from here."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import click
import numpy as np
import soundfile
import soxr

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE
from streamscribe_export.ctc_head.neural_voices import JoeVoice, KokoroVoice

FLITE_VOICES: Final = ("slt", "rms", "awb")


class Voice(Protocol):
    """Speaks one sentence, each time a little differently."""

    @property
    def name(self) -> str:
        """As in the manifest's `speaker`."""
        ...

    def say(self, text: str, rng: np.random.Generator) -> Samples:
        """(n,) at 16 kHz."""
        ...


@dataclass(frozen=True, slots=True)
class FliteVoice:
    """A voice of the program ``flite``."""

    name: str

    def say(self, text: str, rng: np.random.Generator) -> Samples:
        """See ``Voice``. Raises ``CalledProcessError`` if the program fails."""
        stretch = rng.uniform(0.8, 1.15)
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(
                ["flite", "-voice", self.name, "--setf", f"duration_stretch={stretch:.3f}"]
                + ["-t", f"{text} ", "-o", file.name],
                check=True,
                capture_output=True,
                timeout=60,
            )
            samples, rate = soundfile.read(file.name, dtype="float32")
        return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), dtype=np.float32)


class HibariVoice:
    """The voice in the package ``hibari-tts``, with another throat and pitch for each sentence."""

    name = "hibari"

    def __init__(self) -> None:
        self._dsp: Any = import_module("hibari.dsp")
        self._voice: Any = import_module("hibari").Hibari()

    def say(self, text: str, rng: np.random.Generator) -> Samples:
        """See ``Voice``."""
        speed = rng.uniform(0.85, 1.3)
        # From a child's to a large man's: formants and pitch go together, but not strictly.
        throat = rng.uniform(0.8, 1.12)
        pitch = float(np.clip(throat**3 * rng.uniform(0.75, 1.2), 0.4, 1.4))
        pieces = [
            self._phrase(phonemes, speed, (throat, pitch), rng)
            for phonemes in self._voice.phonemize(text)
        ]
        whole = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
        return np.asarray(soxr.resample(whole, self._dsp.SR, SAMPLE_RATE), dtype=np.float32)

    def _phrase(
        self, phonemes: str, speed: float, voice: tuple[float, float], rng: np.random.Generator
    ) -> Samples:
        throat, pitch = voice
        ids = np.asarray([self._voice.ids(phonemes)], dtype=np.int64)
        parts = self._voice.sess.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
        *spectra, f0 = (part[0] for part in parts)
        warped = [_warped(spectrum, throat) for spectrum in spectra]
        return np.asarray(self._dsp.synth(*warped, f0 * pitch, rng), dtype=np.float32)


def make_voices(kokoro: Path | None = None) -> list[tuple[float, Voice]]:
    """The voices that a head is made with, and how much of the text each speaks.

    The better a voice, the longer it takes: Kokoro speaks for two seconds while a core works for
    one, Hibari for two minutes.

    kokoro: folder of Kokoro's speakers; ``None``: leave that voice out. Raises
    ``click.ClickException`` that says how to get what is not installed.
    """
    if shutil.which("flite") is None:
        raise click.ClickException("the program flite is not installed; try: apt-get install flite")
    try:
        shares: list[tuple[float, Voice]] = [(0.77, HibariVoice()), (0.012, JoeVoice())]
        if kokoro is not None:
            shares.append((0.018, KokoroVoice(kokoro)))
    except ImportError as error:
        raise click.ClickException(
            f"a voice is not installed ({error}); see docs/models/moonshine-tiny-en-ctc.md for all"
        ) from error
    shares += [(0.067, FliteVoice(name)) for name in FLITE_VOICES]
    total = sum(share for share, _ in shares)
    return [(share / total, voice) for share, voice in shares]


def voice_file(folder: Path, number: int) -> Path:
    """Where utterance ``number`` of a synthetic corpus is kept."""
    return folder / f"{number:06d}.flac"


def _warped(spectrum: Samples, throat: float) -> Samples:
    """Bins moved up (``throat`` > 1) or down, (bins, frames)."""
    bins = np.arange(len(spectrum)) / throat
    low = np.minimum(bins.astype(int), len(spectrum) - 1)
    high = np.minimum(low + 1, len(spectrum) - 1)
    part = np.clip(bins - low, 0, 1)[:, np.newaxis]
    return np.asarray(spectrum[low] * (1 - part) + spectrum[high] * part, dtype=np.float32)
