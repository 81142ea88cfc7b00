"""The export itself, stage by stage: a checkpoint in, a bundle that was proven equal out.

What the stages do depends on the kind of checkpoint (``stages.py``): with a CTC head
(``ctc_export.py``), with a decoder that is traced (``seq2seq_export.py``), or Whisper, which is
drawn (``whisper/exporting.py``).
"""

import dataclasses
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streamscribe.bundle import NAME_PATTERN
from streamscribe.errors import OptionError
from streamscribe.machine import describe_machine, usable_cores
from streamscribe.options import Task
from streamscribe_export.card import read_card
from streamscribe_export.checkpoint import Checkpoint, read_checkpoint
from streamscribe_export.detection import WHISPER
from streamscribe_export.front_end import SAMPLE_RATE
from streamscribe_export.hub import locate, name_from
from streamscribe_export.manifest import bundle_files, write_manifest, write_tokens
from streamscribe_export.signals import Signal, read_audio, speech_sample, windows_of
from streamscribe_export.speed import WINDOWS_S, Speed, measure, peak_memory_bytes
from streamscribe_export.stages import Found, Loaded, Work
from streamscribe_export.staging import check_output, staged
from streamscribe_export.whisper import ctranslate2

PLAIN: Final = "plain"
"""The folder of the float32 graphs; weights of large models may be written as many files there."""

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
    task: Task = Task.TRANSCRIBE
    """What the model is for."""
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
    parity: Found
    speeds: tuple[Speed, ...]
    threads: int
    peak_memory_bytes: int
    decoder_bytes: int = 0
    notes: tuple[str, ...] = ()
    """What the user should know before using the bundle."""

    def as_json(self) -> dict[str, Any]:
        """The object ``measured``."""
        return {
            "quantize": self.quantize,
            "precision": self.precision,
            "checkpoint_bytes": self.checkpoint_bytes,
            "encoder_bytes": self.encoder_bytes,
            **({"decoder_bytes": self.decoder_bytes} if self.decoder_bytes else {}),
            "parity": self.parity.as_json(),
            "speed": [speed.as_json() for speed in self.speeds],
            "threads": self.threads,
            "peak_memory_bytes": self.peak_memory_bytes,
            "machine": dataclasses.asdict(describe_machine()),
        }


@dataclass(frozen=True, slots=True)
class _Origin:
    """What was found where the checkpoint should be."""

    folder: Path
    source: str
    """What a bundle states as its source."""
    architecture: str
    weight_bytes: int
    load: Callable[[], Loaded]


def export_checkpoint(request: Request, stage: Stage) -> Report:
    """Write the bundle. Raises ``ExportError``; then nothing of it is left."""
    name = request.name or name_from(str(request.output))
    if not NAME_PATTERN.fullmatch(name):
        raise OptionError(name="name", got=name, allowed="up to 100 of a-z, 0-9, '.', '_' and '-'")
    check_output(request.output, force=request.force)
    recordings = _recordings(request.verify)
    with stage("finding the checkpoint"):
        origin = _find(request)
    with staged(request.output, force=request.force, weight_bytes=origin.weight_bytes) as folder:
        work = Work(folder, folder / PLAIN, request.quantize, request.cores)
        with stage("loading weights and tokenizer"):
            loaded = origin.load()
        with stage("writing the graphs"):
            work.plain.mkdir()
            loaded.write_plain(work)
        with stage("converting" if request.quantize == "none" else f"to {request.quantize}"):
            precision = loaded.convert(work)
            fields = _fields(name, origin, loaded, request)
            for place in (work.folder, work.plain):
                write_tokens(loaded.pieces, place)
                write_manifest(fields, place)
        with stage("comparing with the checkpoint"):
            parity = loaded.compare(work, recordings)
        with stage("measuring speed"):
            speeds = _measure(loaded, work, request, recordings)
        shutil.rmtree(work.plain)
        report = Report(
            name, request.quantize, precision, origin.weight_bytes, _bytes(folder, "encoder"),
            parity, speeds, request.cores, peak_memory_bytes(), _bytes(folder, "decoder"),
            tuple(loaded.notes),
        )  # fmt: skip
        write_manifest(fields, folder, report.as_json())
    return report


def _recordings(verify: Path | None) -> list[Signal]:
    """Real speech to compare on; read first, so that a wrong file costs no time."""
    sample = speech_sample()
    own = [] if verify is None else windows_of(verify.name, read_audio(verify))
    return own + ([] if sample is None else windows_of("speech sample", sample))


def _find(request: Request) -> _Origin:
    folder, source = locate(request.checkpoint)
    if ctranslate2.is_ctranslate2(folder):
        _check_task(request.task, WHISPER.architecture)
        return _ctranslate2(folder, source)
    checkpoint = read_checkpoint(folder, source)
    if checkpoint.family.has_ctc_head or checkpoint.family is WHISPER:
        _check_task(request.task, checkpoint.family.architecture)
    languages = request.languages or read_card(folder).languages
    return _Origin(
        folder, source, checkpoint.family.architecture, checkpoint.weight_bytes,
        lambda: _load(checkpoint, languages),
    )  # fmt: skip


def _ctranslate2(folder: Path, source: str) -> _Origin:
    from streamscribe_export.whisper.exporting import load_ctranslate2

    size = (folder / ctranslate2.BINARY).stat().st_size
    return _Origin(folder, source, WHISPER.architecture, size, lambda: load_ctranslate2(folder))


def _check_task(task: Task, architecture: str) -> None:
    if task is Task.TRANSCRIBE:
        return
    allowed = "transcribe: frames say what was spoken, and nothing else"
    if architecture == WHISPER.architecture:
        allowed = "transcribe: a session asks a Whisper model for several languages to translate"
    raise OptionError(name="task", got=task.value, allowed=allowed)


def _load(checkpoint: Checkpoint, languages: tuple[str, ...]) -> Loaded:
    # Imported here: only one of the kinds is needed.
    if checkpoint.family.has_ctc_head:
        from streamscribe_export.ctc_export import load_ctc

        return load_ctc(checkpoint)
    if checkpoint.family is WHISPER:
        from streamscribe_export.whisper.exporting import load_whisper

        return load_whisper(checkpoint)
    from streamscribe_export.seq2seq_export import load_seq2seq

    return load_seq2seq(checkpoint, languages)


def _measure(
    loaded: Loaded, work: Work, request: Request, recordings: list[Signal]
) -> tuple[Speed, ...]:
    runs = loaded.runs(work)
    sound = recordings[0].samples if recordings else None
    times = loaded.repetitions
    return tuple(measure(runs, window_s, times, sound=sound) for window_s in request.windows_s)


def _bytes(folder: Path, graph: str) -> int:
    """Bytes of one of the graphs, weights beside it included."""
    roles = {"encoder": ("encoder", "weights"), "decoder": ("decoder", "decoder_weights")}
    files = bundle_files(folder)
    return sum(files[role].stat().st_size for role in roles[graph] if role in files)


def _fields(name: str, origin: _Origin, loaded: Loaded, request: Request) -> dict[str, Any]:
    """Everything in the manifest but files and measurements."""
    card, own = read_card(origin.folder), dict(loaded.fields)
    known = own.pop("languages", card.languages)
    return {
        "name": name,
        "title": f"{request.checkpoint} ({origin.architecture}, {request.quantize})",
        "task": request.task.value,
        "languages": list(request.languages or known),
        "licence": card.licence,
        "source": origin.source,
        "sample_rate": SAMPLE_RATE,
        **own,
    }
