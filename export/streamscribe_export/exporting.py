"""The export itself, stage by stage: a checkpoint in, a bundle that was proven equal out."""

import dataclasses
import json
import platform
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamscribe.bundle import MANIFEST_NAME, NAME_PATTERN, SCHEMA_VERSION
from streamscribe.errors import OptionError
from streamscribe.machine import describe_machine, usable_cores
from streamscribe_export.card import read_card
from streamscribe_export.checkpoint import (
    Checkpoint,
    Tokenizer,
    TorchModel,
    load_extractor,
    load_model,
    load_tokenizer,
    read_checkpoint,
)
from streamscribe_export.families import Geometry, geometry
from streamscribe_export.front_end import SAMPLE_RATE, FrontEndFacts, read_front_end
from streamscribe_export.graph import save, trace, weights_beside
from streamscribe_export.hub import locate, name_from
from streamscribe_export.parity import Parity, check_frames, compare, judge, test_signals
from streamscribe_export.pieces import Vocabulary, check_pieces, read_vocabulary
from streamscribe_export.quantize import quantize_int8, weight_range, write_fp16
from streamscribe_export.runtimes import check_features, graph_run, torch_run
from streamscribe_export.signals import Signal, read_audio, speech_sample, windows_of
from streamscribe_export.speed import WINDOWS_S, Speed, measure, peak_memory_bytes
from streamscribe_export.staging import check_output, describe_file, staged

ENCODER: Final = "encoder.onnx"
PLAIN: Final = "plain/float32.onnx"
"""The graph as it was traced; gone when the bundle is whole."""
TOKENS: Final = "tokens.json"

Stage = Callable[[str], AbstractContextManager[None]]
"""Announces a stage for as long as it lasts."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    checkpoint: str
    """A folder or a hub id."""
    output: Path
    quantize: str = "none"
    """``none``, ``int8`` or ``fp16``."""
    verify: Path | None = None
    """A recording to compare on, besides the built-in windows."""
    force: bool = False
    name: str | None = None
    languages: tuple[str, ...] = ()
    """Where the model card does not say."""
    windows_s: tuple[float, ...] = WINDOWS_S
    """Lengths of window to measure speed with."""
    threads: int | None = None
    """Of both runtimes; ``None``: the usable cores."""

    @property
    def cores(self) -> int:
        """Threads of both runtimes."""
        return self.threads or usable_cores()


@dataclass(frozen=True, slots=True)
class Report:
    """What an export found; ``measured`` of the bundle says the same."""

    name: str
    quantize: str
    precision: str
    """What the quantisation did, in words."""
    checkpoint_bytes: int
    encoder_bytes: int
    parity: Parity
    speeds: tuple[Speed, ...]
    threads: int
    peak_memory_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The object ``measured``."""
        return {
            "quantize": self.quantize,
            "precision": self.precision,
            "checkpoint_bytes": self.checkpoint_bytes,
            "encoder_bytes": self.encoder_bytes,
            "parity": self.parity.as_json(),
            "speed": [speed.as_json() for speed in self.speeds],
            "threads": self.threads,
            "peak_memory_bytes": self.peak_memory_bytes,
            "machine": dataclasses.asdict(describe_machine()),
        }


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Everything about a checkpoint that the stages share."""

    checkpoint: Checkpoint
    model: TorchModel
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    front_end: FrontEndFacts
    geometry: Geometry


def export_checkpoint(request: Request, stage: Stage) -> Report:
    """Write the bundle. Raises ``ExportError``; then nothing of it is left."""
    name = request.name or name_from(str(request.output))
    if not NAME_PATTERN.fullmatch(name):
        raise OptionError(name="name", got=name, allowed="up to 100 of a-z, 0-9, '.', '_' and '-'")
    check_output(request.output, force=request.force)
    recordings = _recordings(request.verify)
    with stage("finding the checkpoint"):
        checkpoint = read_checkpoint(*locate(request.checkpoint))
    with staged(
        request.output, force=request.force, weight_bytes=checkpoint.weight_bytes
    ) as folder:
        with stage("loading weights and tokenizer"):
            loaded = _load(checkpoint)
        with stage("writing the graph"):
            # A folder of its own: weights of large models are written as many files beside it.
            plain = folder / PLAIN
            plain.parent.mkdir()
            _trace(loaded, plain)
        with stage("converting" if request.quantize == "none" else f"to {request.quantize}"):
            precision = _convert(plain, folder / ENCODER, request.quantize)
        with stage("comparing with PyTorch"):
            parity = _compare(loaded, folder, request, recordings)
        with stage("measuring speed"):
            speeds = _measure(loaded, folder, request)
        shutil.rmtree(plain.parent)
        _write_tokens(loaded.vocabulary, folder / TOKENS)
        report = Report(
            name, request.quantize, precision,
            checkpoint.weight_bytes, _encoder_bytes(folder), parity, speeds,
            request.cores, peak_memory_bytes(),
        )  # fmt: skip
        _write_manifest(loaded, report, request, folder)
    return report


def _recordings(verify: Path | None) -> list[Signal]:
    """Real speech to compare on; read first, so that a wrong file costs no time."""
    sample = speech_sample()
    own = [] if verify is None else windows_of(verify.name, read_audio(verify))
    return own + ([] if sample is None else windows_of("speech sample", sample))


def _load(checkpoint: Checkpoint) -> _Loaded:
    front_end = read_front_end(checkpoint.extractor, checkpoint.family)
    tokenizer = load_tokenizer(checkpoint)
    model = load_model(checkpoint)
    config = model.config
    vocabulary = read_vocabulary(tokenizer, config.vocab_size, config.pad_token_id)
    check_pieces(vocabulary, tokenizer)
    shape = geometry(checkpoint.family, config, front_end.mel)
    return _Loaded(checkpoint, model, tokenizer, vocabulary, front_end, shape)


def _trace(loaded: _Loaded, file: Path) -> None:
    mel = loaded.front_end.mel
    width = 0 if mel is None else mel.mels * mel.stack
    trace(loaded.model, loaded.checkpoint.family, loaded.geometry, width, file)


def _convert(plain: Path, file: Path, quantize: str) -> str:
    """Write the bundle's graph; returns what was done."""
    if quantize == "fp16":
        write_fp16(file, plain)
        return "float16 inside, float32 outside"
    import onnx

    graph = onnx.load(plain)
    if quantize == "none":
        save(graph, file)
        return "float32"
    chosen = weight_range(machine=platform.machine())
    count = quantize_int8(graph, chosen)
    save(graph, file)
    return f"{count} matrix products in int8, weights of {chosen.bits} bits: {chosen.reason}"


def _compare(loaded: _Loaded, folder: Path, request: Request, recordings: list[Signal]) -> Parity:
    torch = torch_run(loaded.model, loaded.front_end, request.cores)
    family = loaded.checkpoint.family
    graph = graph_run(folder / ENCODER, family, loaded.front_end, request.cores)
    check_frames(graph, loaded.geometry)
    check_features(load_extractor(loaded.checkpoint), loaded.front_end)
    signals = [*test_signals(loaded.geometry), *recordings]
    parity = compare(torch, graph, signals, loaded.vocabulary, loaded.tokenizer)
    judge(parity, request.quantize)
    return parity


def _measure(loaded: _Loaded, folder: Path, request: Request) -> tuple[Speed, ...]:
    threads = request.cores
    runs = {"torch": torch_run(loaded.model, loaded.front_end, threads)}
    family = loaded.checkpoint.family
    if request.quantize != "none":
        runs["float32"] = graph_run(folder / PLAIN, family, loaded.front_end, threads)
    runs["bundle"] = graph_run(folder / ENCODER, family, loaded.front_end, threads)
    return tuple(measure(runs, window_s) for window_s in request.windows_s)


def _encoder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in _encoder_files(folder).values())


def _encoder_files(folder: Path) -> dict[str, Path]:
    """The encoder's files by role."""
    encoder = folder / ENCODER
    weights = weights_beside(encoder)
    return {"encoder": encoder} | ({"weights": weights} if weights.exists() else {})


def _write_tokens(vocabulary: Vocabulary, file: Path) -> None:
    text = json.dumps(list(vocabulary.pieces), ensure_ascii=False, indent=0)
    file.write_text(text + "\n", encoding="utf-8")


def _write_manifest(loaded: _Loaded, report: Report, request: Request, folder: Path) -> None:
    checkpoint, card = loaded.checkpoint, read_card(loaded.checkpoint.folder)
    manifest = {
        "schema": SCHEMA_VERSION,
        "name": report.name,
        "title": f"{request.checkpoint} ({checkpoint.family.architecture}, {report.quantize})",
        "family": "ctc",
        "architecture": checkpoint.family.architecture,
        "task": "transcribe",
        "languages": list(request.languages or card.languages),
        "licence": card.licence,
        "source": checkpoint.source,
        "sample_rate": SAMPLE_RATE,
        "front_end": loaded.front_end.as_json(loaded.geometry),
        "tokens": {
            "format": "ctc-pieces",
            "vocabulary_size": len(loaded.vocabulary.pieces),
            "blank": loaded.vocabulary.blank,
        },
        "ctc": {"batchable": True},
        "files": {
            **{role: describe_file(path) for role, path in _encoder_files(folder).items()},
            "tokenizer": describe_file(folder / TOKENS),
        },
        "measured": report.as_json(),
    }
    text = json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
