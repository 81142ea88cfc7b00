"""Checkpoints with a CTC head, as the stages of an export see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamscribe_export.checkpoint import (
    Checkpoint,
    Tokenizer,
    TorchModel,
    load_extractor,
    load_model,
    load_tokenizer,
)
from streamscribe_export.families import Geometry, geometry
from streamscribe_export.front_end import FrontEndFacts, read_front_end
from streamscribe_export.graph import trace
from streamscribe_export.parity import Parity, Run, check_frames, compare, judge, test_signals
from streamscribe_export.pieces import Piece, Vocabulary, check_pieces, read_vocabulary
from streamscribe_export.quantize import Traced, convert
from streamscribe_export.runtimes import check_features, graph_run, torch_run
from streamscribe_export.signals import Signal
from streamscribe_export.speed import REPETITIONS
from streamscribe_export.stages import ENCODER, Work

TRACED: Final = "float32.onnx"


@dataclass(frozen=True, slots=True)
class CtcExport:
    """Everything about a checkpoint that the stages share."""

    checkpoint: Checkpoint
    model: TorchModel
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    front_end: FrontEndFacts
    geometry: Geometry
    notes: Sequence[str] = ()
    repetitions: int = REPETITIONS

    @property
    def pieces(self) -> Sequence[Piece]:
        """What each token adds to the text."""
        return self.vocabulary.pieces

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of ``bundle.json`` that only these have."""
        return {
            "family": "ctc",
            "architecture": self.checkpoint.family.architecture,
            "front_end": self.front_end.as_json(self.geometry),
            "tokens": {
                "format": "ctc-pieces",
                "vocabulary_size": len(self.vocabulary.pieces),
                "blank": self.vocabulary.blank,
            },
            "ctc": {"batchable": True},
        }

    def write_plain(self, work: Work) -> None:
        """Trace the model."""
        mel = self.front_end.mel
        width = 0 if mel is None else mel.mels * mel.stack
        trace(self.model, self.checkpoint.family, self.geometry, width, work.plain / TRACED)

    def convert(self, work: Work) -> str:
        """Write the bundle's graph; returns what was done."""
        graph = Traced(work.plain / TRACED, work.folder / ENCODER, head=True)
        return convert([graph], work.quantize)

    def compare(self, work: Work, recordings: Sequence[Signal]) -> Parity:
        """Logits, tokens and texts of PyTorch and of the graph."""
        torch = torch_run(self.model, self.front_end, work.threads)
        graph = self._graph(work.folder / ENCODER, work)
        check_frames(graph, self.geometry)
        check_features(load_extractor(self.checkpoint), self.front_end)
        signals = [*test_signals(self.geometry), *recordings]
        parity = compare(torch, graph, signals, self.vocabulary, self.tokenizer)
        judge(parity, work.quantize)
        return parity

    def runs(self, work: Work) -> dict[str, Run]:
        """What is measured."""
        runs = {"torch": torch_run(self.model, self.front_end, work.threads)}
        if work.quantize != "none":
            runs["float32"] = self._graph(work.plain / TRACED, work)
        runs["bundle"] = self._graph(work.folder / ENCODER, work)
        return runs

    def _graph(self, file: Path, work: Work) -> Run:
        return graph_run(file, self.checkpoint.family, self.front_end, work.threads)


def load_ctc(checkpoint: Checkpoint) -> CtcExport:
    """Load weights, tokenizer and facts; ``CheckpointError`` where they can't be used."""
    front_end = read_front_end(checkpoint.extractor, checkpoint.family)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint)
    config = model.config
    vocabulary = read_vocabulary(tokenizer, config.vocab_size, config.pad_token_id)
    check_pieces(vocabulary, tokenizer)
    shape = geometry(checkpoint.family, config, front_end.mel)
    return CtcExport(checkpoint, model, tokenizer, vocabulary, front_end, shape)
