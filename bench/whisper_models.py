"""Whisper in all the forms that are compared, made of the same weights.

The weights come from the packages that ``streamscribe models pull`` takes them from.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.decoding import quietest
from streamscribe import guards
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.model import DecodeStep, Samples, StepKind, Wish
from streamscribe.recipes import Recipe
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.store import find_recipe
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.tokens import decode
from streamscribe_cli.pulling import fetch_source
from streamscribe_export.whisper import ctranslate2
from streamscribe_export.whisper.converting import convert_ctranslate2, read_told
from streamscribe_export.whisper.exporting import model_of as model_of_weights
from streamscribe_export.whisper.facts import read_facts

TINY: Final = "whisper-tiny.en"
BASE: Final = "whisper-base"
PIECE_MS: Final = 28_000
"""Longer audio is cut in its quietest places for us; their library cuts it at 30 s."""
ENGLISH: Final = Wish(language="en")

Transcribe = Callable[[Samples], str]
Prefix = tuple[int, ...]
"""Tokens that a text begins with."""


@dataclass(frozen=True, slots=True)
class Forms:
    """One model's folder of sources, as CTranslate2 reads them, and what is made of them."""

    name: str
    source: Path
    folder: Path

    def recognizer(self, quantize: str, threads: int | None = None) -> Recognizer:
        """Ours, ``int8`` or ``none``."""
        made = self.folder / f"{self.name}-{quantize}"
        if not made.is_dir():
            convert_ctranslate2(self.source, made, _recipe(self.name).about, quantize)
        return load_recognizer(str(made), threads=threads)

    def checkpoint(self) -> Path:
        """The checkpoint for transformers."""
        folder = self.folder / f"{self.name}-checkpoint"
        if not folder.is_dir():
            _save_checkpoint(self.source, folder)
        return folder


def prepare(name: str, folder: Path) -> Forms:
    """Fetch the sources of a model into ``folder``."""
    source = folder / f"{name}-source"
    source.mkdir()
    fetch_source(_recipe(name), (), source, None)
    _write_vocabulary(source)
    return Forms(name, source, folder)


def _write_vocabulary(source: Path) -> None:
    """What CTranslate2 needs beside the tokenizer: all tokens in order."""
    names = read_told(ctranslate2.read_config(source), source / "tokenizer.json").names
    size = ctranslate2.read_weights(source / ctranslate2.BINARY).vocabulary_size
    tokens = [names.get(number, f"<|unused {number}|>") for number in range(size)]
    (source / "vocabulary.json").write_text(json.dumps(tokens), encoding="utf-8")


def _recipe(name: str) -> Recipe:
    recipe = find_recipe(name)
    assert recipe is not None, f"{name} has no recipe"
    return recipe


def model_of(recognizer: Recognizer) -> EncoderDecoderModel:
    """The recognizer's model, which these benchmarks know."""
    model = recognizer.model
    assert isinstance(model, EncoderDecoderModel)
    return model


def ours(recognizer: Recognizer) -> Transcribe:
    """Greedy, whole audio, without times; pieces of at most ``PIECE_MS``."""
    model = model_of(recognizer)

    def transcribe(samples: Samples) -> str:
        cap = guards.token_cap(len(samples), model.max_tokens_per_s)
        step = DecodeStep(samples, (), (), cap, StepKind.FINAL, 0, wish=ENGLISH)
        return decode(model.decode(step).tokens, model.tokens).strip()

    return transcribe


def in_pieces(transcribe: Transcribe, samples: Samples) -> str:
    """The text of audio of any length."""
    texts = []
    while len(samples) > ms_to_len(PIECE_MS):
        cut = quietest(samples, ms_to_len(PIECE_MS) // 2, ms_to_len(PIECE_MS))
        texts.append(transcribe(samples[:cut]))
        samples = samples[cut:]
    return " ".join([*texts, transcribe(samples)])


def faster_whisper(source: Path, compute: str, threads: int) -> Transcribe:
    """The library of that name, greedy, without times."""
    from faster_whisper import WhisperModel

    model = WhisperModel(str(source), device="cpu", compute_type=compute, cpu_threads=threads)

    def transcribe(samples: Samples) -> str:
        segments, _ = model.transcribe(
            samples, language="en", beam_size=1, without_timestamps=True,
            condition_on_previous_text=False, temperature=0.0,
        )  # fmt: skip
        return " ".join(segment.text.strip() for segment in segments)

    return transcribe


def torch_eager(checkpoint: Path, start: Prefix, threads: int) -> Transcribe:
    """transformers on PyTorch, as its documentation uses it."""
    import torch
    from transformers import WhisperForConditionalGeneration

    torch.set_num_threads(threads)
    model = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    return _generating(model.eval(), checkpoint, start)


def optimum(checkpoint: Path, start: Prefix, threads: int) -> Transcribe:
    """Optimum's export on ONNX Runtime."""
    from onnxruntime import SessionOptions
    from optimum.onnxruntime import ORTModelForSpeechSeq2Seq

    options = SessionOptions()
    options.intra_op_num_threads = threads
    model = ORTModelForSpeechSeq2Seq.from_pretrained(
        checkpoint, export=True, session_options=options
    )
    return _generating(model, checkpoint, start)


def _generating(model: Any, checkpoint: Path, start: Prefix) -> Transcribe:  # noqa: ANN401
    import torch
    from tokenizers import Tokenizer
    from transformers import GenerationConfig, WhisperFeatureExtractor

    # An export does not take it over.
    model.generation_config = GenerationConfig.from_pretrained(checkpoint)
    extractor = WhisperFeatureExtractor.from_pretrained(checkpoint)
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))

    def transcribe(samples: Samples) -> str:
        features = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(
                features["input_features"], decoder_input_ids=torch.tensor([start]),
                do_sample=False, num_beams=1, max_new_tokens=200,
            )  # fmt: skip
        return str(tokenizer.decode(tokens[0].tolist())).strip()

    return transcribe


def _save_checkpoint(source: Path, folder: Path) -> None:
    """Write the weights as transformers reads them."""
    from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor

    weights = ctranslate2.read_weights(source / ctranslate2.BINARY)
    told = read_told(ctranslate2.read_config(source), source / "tokenizer.json")
    model = model_of_weights(weights, read_facts(told, weights))
    model.generation_config.suppress_tokens = list(told.suppressed)
    model.generation_config.begin_suppress_tokens = list(told.suppressed_first)
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"))
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=weights.mels).save_pretrained(folder)
