"""Encoder-decoder checkpoints whose graphs are traced, as the stages of an export see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.model import DecodeStep, Samples
from streamscribe_export.checkpoint import (
    Checkpoint,
    TorchModel,
    load_extractor,
    load_model,
    load_tokenizer,
)
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.families import Geometry, geometry
from streamscribe_export.front_end import FrontEndFacts, read_front_end
from streamscribe_export.parity import check_frames
from streamscribe_export.pieces import Piece, Vocabulary, check_pieces, read_decoder_vocabulary
from streamscribe_export.quantize import Traced, convert
from streamscribe_export.runtimes import check_features, features_of
from streamscribe_export.seq2seq_families import Decoding, Seq2SeqFamily, read_decoding
from streamscribe_export.seq2seq_parity import TextParity, compare_texts, most_tokens, windows
from streamscribe_export.seq2seq_runtimes import (
    Beginning,
    BundleWriter,
    Writer,
    plain_step,
    torch_writer,
)
from streamscribe_export.seq2seq_tracing import CacheShape, write_seq2seq_graphs
from streamscribe_export.signals import Signal
from streamscribe_export.speed import LEAST_REPETITIONS
from streamscribe_export.stages import DECODER, ENCODER, Work

PYTORCH: Final = "PyTorch"
MAX_PER_S_ENGLISH: Final = 6.5
MAX_PER_S: Final = 12.0
MAX_PER_S_LETTERS: Final = 25.0
"""More tokens than this per second are not speech. The first is Moonshine's own for English. Other
word pieces may be shorter, down to one for a syllable, of which fast speech has eight a second and
some more for punctuation; of letters it has 20."""


@dataclass(slots=True)
class Seq2SeqExport:
    """Everything about a checkpoint that the stages share."""

    checkpoint: Checkpoint
    family: Seq2SeqFamily
    model: TorchModel
    vocabulary: Vocabulary
    front_end: FrontEndFacts
    geometry: Geometry
    decoding: Decoding
    max_per_s: float
    repetitions: int = LEAST_REPETITIONS
    _shape: CacheShape | None = field(default=None, init=False)

    @property
    def pieces(self) -> Sequence[Piece]:
        """What each token adds to the text."""
        return self.vocabulary.pieces

    @property
    def notes(self) -> list[str]:
        """What the checkpoint asks for that the bundle does not do."""
        asked = [*self.decoding.unheeded]
        if self.decoding.no_repeat_ngram:
            asked.append("no_repeat_ngram_size")
        if not asked:
            return []
        return [
            f"the checkpoint's generation_config sets {', '.join(asked)}; a bundle writes the"
            " greedy text, and beams where a session asks for them"
        ]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of ``bundle.json`` that only these have; known once the graphs are."""
        decoding, shape = self.decoding, self._shape
        assert shape is not None, "the graphs are written first"
        prompt: dict[str, Any] = {
            "start": list(decoding.start), "languages": {}, "tasks": {}, "end": [],
        }  # fmt: skip
        if decoding.start[0] == decoding.pad:
            # Positions are counted without padding, so what follows it must not come with it.
            prompt["alone"] = True
        return {
            "family": "seq2seq",
            "architecture": self.family.architecture,
            "front_end": self.front_end.as_json(self.geometry),
            "tokens": {
                "format": "pieces",
                "vocabulary_size": decoding.vocabulary_size,
                "eos": decoding.end[0],
                "max_per_s": self.max_per_s,
                "suppressed": sorted(decoding.suppressed),
                "suppressed_first": sorted(decoding.suppressed_first),
            },
            "prompt": prompt,
            "decoder": {
                "layers": shape.layers,
                "heads": shape.heads,
                "head_dim": shape.head_dim,
                "positions": decoding.max_tokens or 0,
                "alignment_heads": 0,
            },
        }

    def write_plain(self, work: Work) -> None:
        """Trace the model."""
        files = work.plain / ENCODER, work.plain / DECODER
        self._shape = write_seq2seq_graphs(self.model, self.family, *files)

    def convert(self, work: Work) -> str:
        """Write the bundle's graphs; returns what was done."""
        graphs = [
            Traced(work.plain / name, work.folder / name, head=name == DECODER)
            for name in (ENCODER, DECODER)
        ]
        return convert(graphs, work.quantize)

    def compare(self, work: Work, recordings: Sequence[Signal]) -> TextParity:
        """Texts of PyTorch and of the engine."""
        bundle = BundleWriter(work.folder, work.threads)
        check_frames(bundle.frames, self.geometry)
        check_features(load_extractor(self.checkpoint), self.front_end)
        steps = windows(self.geometry, recordings, lambda signal: self._step(signal.samples))
        writer = self._torch(work.threads)
        return compare_texts(PYTORCH, writer, bundle, steps, self.vocabulary, work.quantize)

    def runs(self, work: Work) -> dict[str, Callable[[Samples], object]]:
        """What is measured: encoding, and the greedy text."""
        torch = self._torch(work.threads)
        writers: dict[str, Callable[[DecodeStep], object]] = {"torch": torch}
        if work.quantize != "none":
            writers["float32"] = BundleWriter(work.plain, work.threads).decode
        writers["bundle"] = BundleWriter(work.folder, work.threads).decode
        return {name: self._run(writer) for name, writer in writers.items()}

    def _run(self, writer: Callable[[DecodeStep], object]) -> Callable[[Samples], object]:
        return lambda samples: writer(self._step(samples[0]))

    def _step(self, samples: Samples) -> DecodeStep:
        decoding = self.decoding
        room = None if decoding.max_tokens is None else decoding.max_tokens - len(decoding.start)
        return plain_step(samples, most_tokens(len(samples), self.max_per_s, room))

    def _torch(self, threads: int) -> Writer:
        start = self.decoding.start
        return torch_writer(self.model, Beginning(start, start[:1]), self._hear, threads)

    def _hear(self, step: DecodeStep) -> npt.NDArray[np.float32]:
        return features_of(step.samples[np.newaxis], self.front_end)


def load_seq2seq(checkpoint: Checkpoint, languages: Sequence[str]) -> Seq2SeqExport:
    """Load weights, tokenizer and facts; ``CheckpointError`` where they can't be used."""
    family = checkpoint.family
    assert isinstance(family, Seq2SeqFamily)
    front_end = read_front_end(checkpoint.extractor, family)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint)
    decoding = read_decoding(family, model.config, model.generation_config)
    _check_end(decoding)
    vocabulary = read_decoder_vocabulary(tokenizer, decoding.vocabulary_size)
    check_pieces(vocabulary, tokenizer)
    return Seq2SeqExport(
        checkpoint, family, model, vocabulary, front_end,
        geometry(family, model.config, front_end.mel), decoding,
        max_tokens_per_s(family, vocabulary, languages),
    )  # fmt: skip


def max_tokens_per_s(
    family: Seq2SeqFamily, vocabulary: Vocabulary, languages: Sequence[str]
) -> float:
    """More tokens than this per second are not speech."""
    if family.architecture == "moonshine-cached" and list(languages) == ["en"]:
        return MAX_PER_S_ENGLISH
    letters = all(isinstance(piece, list) or len(piece.strip()) <= 1 for piece in vocabulary.pieces)
    return MAX_PER_S_LETTERS if letters else MAX_PER_S


def _check_end(decoding: Decoding) -> None:
    if len(decoding.end) != 1:
        raise UnsupportedCheckpoint(
            f"eos_token_id is {list(decoding.end)}; allowed: one token that ends a text"
        )
