"""Whisper checkpoints, of transformers and of CTranslate2, as the stages of an export see them.

The original hears 30 seconds, whatever there is; the bundle is given a second of silence after the
audio, and 10 seconds at least. So that both hear the same, they are compared on audio that is
filled up to 30 seconds; speed is measured as each is used.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.features import MelFrontEnd, log_mel
from streamscribe.model import DecodeStep, Features, Samples, Wish
from streamscribe_export.checkpoint import (
    Checkpoint,
    Extractor,
    Tokenizer,
    TorchModel,
    load_extractor,
    load_model,
    load_tokenizer,
    quiet,
)
from streamscribe_export.errors import UnsupportedCheckpoint, VocabularyMismatch
from streamscribe_export.families import Geometry
from streamscribe_export.front_end import SAMPLE_RATE, whisper_mel
from streamscribe_export.pieces import Piece, Vocabulary, check_pieces
from streamscribe_export.seq2seq_parity import (
    TextParity,
    compare_texts,
    most_tokens,
    nothing_compared,
    windows,
)
from streamscribe_export.seq2seq_runtimes import (
    Beginning,
    BundleWriter,
    Writer,
    plain_step,
    torch_writer,
)
from streamscribe_export.signals import Signal, babble
from streamscribe_export.speed import LEAST_REPETITIONS
from streamscribe_export.stages import Work
from streamscribe_export.whisper import ctranslate2
from streamscribe_export.whisper.converting import bundle_fields, read_told, write_graphs
from streamscribe_export.whisper.facts import STRIDE_LEN, Told, WhisperFacts, read_facts
from streamscribe_export.whisper.weights import Weights

PYTORCH: Final = "PyTorch, on 30 s each"
FLOAT32: Final = "the float32 graphs, on 30 s each"
_PREFIX: Final = "model."


@dataclass(frozen=True, slots=True)
class WhisperExport:
    """Everything about a checkpoint that the stages share."""

    weights: Weights
    facts: WhisperFacts
    mel: MelFrontEnd
    extractor: Extractor | None
    """The original's, to compare with; None where there is none."""
    make_model: Callable[[], TorchModel] | None
    """The same in PyTorch; None where that is not installed."""
    notes: Sequence[str] = ()
    repetitions: int = LEAST_REPETITIONS

    @property
    def pieces(self) -> Sequence[Piece]:
        """What each token adds to the text."""
        return self.facts.pieces

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of ``bundle.json`` that only these have."""
        return bundle_fields(self.weights, self.facts, self.mel)

    def write_plain(self, work: Work) -> None:
        """Draw the graphs."""
        write_graphs(self.weights, self.facts, work.plain, "none")

    def convert(self, work: Work) -> str:
        """Write the bundle's graphs; returns what was done."""
        if work.quantize != "none":
            return write_graphs(self.weights, self.facts, work.folder, work.quantize)
        for path in list(work.plain.iterdir()):
            path.rename(work.folder / path.name)
        return "float32"

    def compare(self, work: Work, recordings: Sequence[Signal]) -> TextParity:
        """Texts of PyTorch, or else of the float32 graphs, and of the engine."""
        _check_extractor(self.extractor, self.mel, self._longest_len)
        bundle = BundleWriter(work.folder, work.threads)
        if self.make_model is None and work.quantize == "none":
            return nothing_compared(bundle, self._step(babble(SAMPLE_RATE), padded=True))
        writer = BundleWriter(work.plain, work.threads) if self.make_model is None else None
        steps = windows(
            Geometry(STRIDE_LEN, STRIDE_LEN), recordings,
            lambda signal: self._step(signal.samples, padded=True),
        )  # fmt: skip
        return compare_texts(
            PYTORCH if writer is None else FLOAT32, writer or self._torch(bundle, work.threads),
            bundle, steps, self._vocabulary, work.quantize,
        )  # fmt: skip

    def runs(self, work: Work) -> dict[str, Callable[[Samples], object]]:
        """What is measured: encoding, and the greedy text."""
        writers: dict[str, Callable[[DecodeStep], object]] = {}
        bundle = BundleWriter(work.folder, work.threads)
        if self.make_model is not None:
            writers["torch"] = self._torch(bundle, work.threads)
        if work.quantize != "none":
            writers["float32"] = BundleWriter(work.plain, work.threads).decode
        writers["bundle"] = bundle.decode
        return {name: self._run(writer) for name, writer in writers.items()}

    def _run(self, writer: Callable[[DecodeStep], object]) -> Callable[[Samples], object]:
        return lambda samples: writer(self._step(samples[0], padded=False))

    def _step(self, samples: Samples, *, padded: bool) -> DecodeStep:
        known = self.facts.prompt["languages"]
        language = "en" if "en" in known else next(iter(known), None)
        beginning = len(self.facts.prompt["start"]) + 3
        samples = samples[: self._longest_len]
        room, max_per_s = self.weights.positions - beginning, self.facts.tokens["max_per_s"]
        step = plain_step(samples, most_tokens(len(samples), max_per_s, room))
        features = self._padded(samples) if padded else None
        return replace(step, features=features, wish=Wish(language))

    def _torch(self, bundle: BundleWriter, threads: int) -> Writer:
        assert self.make_model is not None
        model = self.make_model()
        settings = model.generation_config
        never, settings.suppress_tokens = tuple(self.facts.tokens["suppressed"]), None
        settings.begin_suppress_tokens = self.facts.tokens["suppressed_first"]
        start = bundle.model.prompts.start(self._step(babble(SAMPLE_RATE), padded=False).wish)
        return torch_writer(model, Beginning(start, start, never), self._hear, threads)

    def _hear(self, step: DecodeStep) -> npt.NDArray[np.float32]:
        features = self._padded(step.samples) if step.features is None else step.features
        return np.ascontiguousarray(features.T[np.newaxis])

    def _padded(self, samples: Samples) -> Features:
        return _log_mel_of(samples, self.mel, self._longest_len)

    @property
    def _longest_len(self) -> int:
        return self.weights.frames * STRIDE_LEN

    @property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.facts.pieces, None, frozenset())


def load_whisper(checkpoint: Checkpoint) -> WhisperExport:
    """Load weights and facts; ``CheckpointError`` where they can't be used."""
    mel = whisper_mel(checkpoint.extractor)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint)
    weights = weights_of(model)
    if mel.mels != weights.mels:
        raise UnsupportedCheckpoint(
            f"the feature extractor gives {mel.mels} bands, and the encoder takes {weights.mels}"
        )
    generation = model.generation_config
    names = {int(token): str(name) for name, token in tokenizer.get_vocab().items()}
    facts = read_facts(
        Told(
            names=names,
            suppressed=_stated(generation, model.config, "suppress_tokens"),
            suppressed_first=_stated(generation, model.config, "begin_suppress_tokens"),
            alignment_heads=getattr(generation, "alignment_heads", None) or (),
        ),
        weights,
    )
    _check_texts(facts, names, tokenizer)
    return WhisperExport(weights, facts, mel, load_extractor(checkpoint), lambda: model)


def load_ctranslate2(folder: Path) -> WhisperExport:
    """Load a folder of CTranslate2; needs PyTorch only to be compared with it."""
    config = ctranslate2.read_config(folder)
    weights = ctranslate2.read_weights(folder / ctranslate2.BINARY)
    facts = read_facts(read_told(config, folder / "tokenizer.json"), weights)
    mel = whisper_mel({"feature_size": weights.mels})
    installed = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    notes = () if installed else ("PyTorch is not installed, so it was not compared with that",)
    make = (lambda: model_of(weights, facts)) if installed else None
    return WhisperExport(weights, facts, mel, None, make, notes)


def weights_of(model: TorchModel) -> Weights:
    """A model of transformers as arrays. Raises ``UnsupportedCheckpoint`` for unusual ones."""
    config = model.config
    usual = {
        "activation_function": "gelu",
        "scale_embedding": False,
        "encoder_attention_heads": config.decoder_attention_heads,
    }
    for name, allowed in usual.items():
        if getattr(config, name) != allowed:
            raise UnsupportedCheckpoint(
                f"{name} is {getattr(config, name)!r}; allowed: {allowed!r}"
            )
    state = model.state_dict()
    tensors = {
        name.removeprefix(_PREFIX): tensor.numpy()
        for name, tensor in state.items()
        if name.startswith(_PREFIX)
    }
    if not np.array_equal(state["proj_out.weight"].numpy(), tensors["decoder.embed_tokens.weight"]):
        raise UnsupportedCheckpoint(
            "proj_out.weight is another than decoder.embed_tokens.weight; allowed: the same"
        )
    return Weights(tensors, heads=config.decoder_attention_heads)


def model_of(weights: Weights, facts: WhisperFacts) -> TorchModel:
    """The model of transformers that has these weights."""
    with quiet():
        import torch
        import transformers

        start, end = facts.prompt["start"][0], facts.tokens["eos"]
        config = transformers.WhisperConfig(
            vocab_size=weights.vocabulary_size, num_mel_bins=weights.mels, d_model=weights.width,
            encoder_layers=weights.layers("encoder"), encoder_attention_heads=weights.heads,
            decoder_layers=weights.layers("decoder"), decoder_attention_heads=weights.heads,
            encoder_ffn_dim=len(weights["encoder.layers.0.fc1.weight"]),
            decoder_ffn_dim=len(weights["decoder.layers.0.fc1.weight"]),
            max_source_positions=weights.frames, max_target_positions=weights.positions,
            decoder_start_token_id=start, bos_token_id=end, eos_token_id=end, pad_token_id=end,
        )  # fmt: skip
        model = transformers.WhisperForConditionalGeneration(config).eval()
        state = {
            f"{_PREFIX}{name}": torch.from_numpy(np.array(tensor))
            for name, tensor in weights.tensors.items()
        }
        model.load_state_dict(state, strict=False)
    return model


def _stated(generation: Any, config: Any, name: str) -> tuple[int, ...]:  # noqa: ANN401
    """Tokens that may not be chosen; older checkpoints state them in their configuration."""
    found = getattr(generation, name, None) or getattr(config, name, None) or ()
    return tuple(int(token) for token in found if 0 <= token < config.vocab_size)


def _check_texts(facts: WhisperFacts, names: Mapping[int, str], tokenizer: Tokenizer) -> None:
    end = facts.tokens["eos"]
    specials = frozenset(range(end, len(facts.pieces)))
    unnamed = [token for token in range(end) if token not in names]
    if unnamed:
        raise VocabularyMismatch(
            f"{len(unnamed)} tokens of text have no name, the first {unnamed[0]}; allowed: a"
            " tokenizer that belongs to the model"
        )
    check_pieces(Vocabulary(facts.pieces, None, specials), tokenizer)


def _log_mel_of(samples: Samples, mel: MelFrontEnd, length: int) -> Features:
    filled = np.zeros(length, dtype=np.float32)
    filled[: len(samples)] = samples
    return log_mel(filled, mel)


def _check_extractor(extractor: Extractor | None, mel: MelFrontEnd, length: int) -> None:
    """Refuse a front-end that gives other features than the checkpoint's own extractor."""
    if extractor is None:
        return
    samples = babble(20_001)
    with quiet():
        given = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="np")
    theirs = np.asarray(given["input_features"])[0].T
    ours = _log_mel_of(samples, mel, max(length, len(samples)))
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=1e-3, atol=1e-3):
        raise UnsupportedCheckpoint(
            f"{type(extractor).__name__} of this checkpoint gives features {theirs.shape}, ours"
            f" are {ours.shape}, and they are not the same"
        )
