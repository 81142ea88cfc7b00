"""Whisper in all the forms that are compared, made of the same weights.

The weights come from the packages that ``streamscribe models pull`` takes them from.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

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
from streamscribe_export.whisper.converting import convert_ctranslate2
from streamscribe_export.whisper.facts import ENGLISH_ONLY_SIZE

TINY: Final = "whisper-tiny.en"
BASE: Final = "whisper-base"
PIECE_MS: Final = 28_000
"""Longer audio is cut in its quietest places for us; their library cuts it at 30 s."""
ENGLISH: Final = Wish(language="en")

Transcribe = Callable[[Samples], str]


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
    stated = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    names = {number: name for name, number in stated["model"]["vocab"].items()}
    names |= {added["id"]: added["content"] for added in stated["added_tokens"]}
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


def torch_eager(checkpoint: Path, threads: int) -> Transcribe:
    """transformers on PyTorch, as its documentation uses it."""
    import torch
    from transformers import WhisperForConditionalGeneration

    torch.set_num_threads(threads)
    model = WhisperForConditionalGeneration.from_pretrained(checkpoint, dtype=torch.float32)
    return _generating(model.eval(), checkpoint)


def optimum(checkpoint: Path, threads: int) -> Transcribe:
    """Optimum's export on ONNX Runtime."""
    from onnxruntime import SessionOptions
    from optimum.onnxruntime import ORTModelForSpeechSeq2Seq

    options = SessionOptions()
    options.intra_op_num_threads = threads
    model = ORTModelForSpeechSeq2Seq.from_pretrained(
        checkpoint, export=True, session_options=options
    )
    return _generating(model, checkpoint)


def _generating(model: Any, checkpoint: Path) -> Transcribe:  # noqa: ANN401
    import torch
    from tokenizers import Tokenizer
    from transformers import GenerationConfig, WhisperFeatureExtractor

    # An export does not take it over.
    model.generation_config = GenerationConfig.from_pretrained(checkpoint)
    extractor = WhisperFeatureExtractor.from_pretrained(checkpoint)
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    start = _start(checkpoint)

    def transcribe(samples: Samples) -> str:
        features = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(
                features["input_features"], decoder_input_ids=torch.tensor([start]),
                do_sample=False, num_beams=1, max_new_tokens=200,
            )  # fmt: skip
        return str(tokenizer.decode(tokens[0].tolist())).strip()

    return transcribe


def _start(checkpoint: Path) -> list[int]:
    """Start, no times; or start, English, transcribe, no times."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    start = config["decoder_start_token_id"]
    if config["vocab_size"] == ENGLISH_ONLY_SIZE:
        return [start, start + 105]
    return [start, start + 1, start + 101, start + 105]


def _save_checkpoint(source: Path, folder: Path) -> None:
    """Write the weights as transformers reads them."""
    import torch
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    weights = ctranslate2.read_weights(source / ctranslate2.BINARY)
    facts = ctranslate2.read_config(source)
    end = 50_256 if weights.vocabulary_size == ENGLISH_ONLY_SIZE else 50_257
    config = WhisperConfig(
        vocab_size=weights.vocabulary_size, d_model=weights.width, num_mel_bins=weights.mels,
        encoder_layers=weights.layers("encoder"), decoder_layers=weights.layers("decoder"),
        encoder_attention_heads=weights.heads, decoder_attention_heads=weights.heads,
        encoder_ffn_dim=4 * weights.width, decoder_ffn_dim=4 * weights.width,
        eos_token_id=end, pad_token_id=end, bos_token_id=end, decoder_start_token_id=end + 1,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    state = {
        f"model.{name}": torch.from_numpy(np.array(tensor))
        for name, tensor in weights.tensors.items()
    }
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model.load_state_dict(state)
    generation = GenerationConfig.from_model_config(config)
    generation.suppress_tokens = facts["suppress_ids"]
    generation.begin_suppress_tokens = facts["suppress_ids_begin"]
    model.generation_config = generation
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(source / "tokenizer.json"))
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=weights.mels).save_pretrained(folder)
