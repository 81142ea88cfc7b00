"""A checkpoint of a known family end to end: trained on digits, exported, streamed, counted.

A small wav2vec2 learns spoken digits from scratch and is saved as users have theirs; its bundle
comes from ``streamscribe export``. New recordings are then decoded whole by the original library,
whole by the bundle, and streamed with every preset of latency: of the voices (and clips) that were
learned from, where there are few errors that are not the stream's, and of a voice held out, which
five others hardly prepare for.

Its first convolution takes mean and variance over everything that it hears at once (group norm),
which is what windows disturb most.
"""

import importlib.util
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Final

import click
import numpy as np

from bench.bootstrap import paired_difference
from bench.command import Request, bench_command
from bench.decoding import decode_whole_ctc, final_text
from bench.digits_audio import Digits, Manner, Recording, digit_errors
from bench.digits_training import LENGTHS_S, recipe, texts_of, train
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, wer_percent
from streamscribe.options import Latency
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe
from streamscribe.timeline import SAMPLE_RATE

RECORDINGS: Final = 80
STEPS: Final = 4_000
LISTENING: Final = Manner((0.05, 0.6), (-6, 6), (15, 40))
SEED: Final = 1
THREADS: Final = 1
NEEDED: Final = ("torch", "transformers", "onnx")

CACHE: Final = "bench.digits.cache"

Voices = Mapping[str, list[Recording]]
"""The recordings to decode, by whose they are."""

Ways = dict[str, list[Errors]]
"""Errors of every recording, by the way in which it was decoded."""


@bench_command("digits")
@click.option("--steps", type=click.IntRange(20), default=STEPS, show_default=True)
@click.option(
    "--cache",
    type=click.Path(file_okay=False),
    expose_value=False,  # where it lies is no fact about the result
    callback=lambda context, _, folder: context.meta.update({CACHE: folder}),
    help="Folder that keeps the checkpoints; those of the same recipe are not trained again"
    " [default: a temporary one].",
)
def main(request: Request, steps: int) -> Outcome:
    """WER of a small trained checkpoint: original, exported, and streamed at every latency."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        click.echo(
            f"digits: skipped, {' and '.join(missing)} not installed: pip install '.[export]'"
        )
        click.get_current_context().exit()
    voices = {
        "known": _recordings(request, held_out=False),
        "held_out": _recordings(request, held_out=True),
    }
    cache = click.get_current_context().meta[CACHE]
    with nullcontext(cache) if cache else tempfile.TemporaryDirectory() as folder:
        measured = _measure(request, steps, Path(folder), voices)
    figures: Figures = {
        "voices": {
            name: {
                "recordings": len(recordings),
                "audio_s": sum(len(one.samples) for one in recordings) / SAMPLE_RATE,
                "words": sum(len(one.text.split()) for one in recordings),
            }
            for name, recordings in voices.items()
        },
        "manner": asdict(LISTENING),
        "threads": THREADS,
        **measured,
    }
    return Outcome(figures, (_grid(measured),))


def _recordings(request: Request, *, held_out: bool) -> list[Recording]:
    """From the shortest to the longest."""
    digits, rng = Digits.load(request.speech, held_out=held_out), np.random.default_rng(SEED)
    lengths_s = np.linspace(*LENGTHS_S, request.limit or RECORDINGS)
    return [digits.join(rng, float(seconds), LISTENING) for seconds in lengths_s]


def _measure(request: Request, steps: int, folder: Path, voices: Voices) -> Figures:
    checkpoint, bundle = folder / "checkpoint", folder / "bundle"
    training = _trained(request, steps, checkpoint)
    exported = _export(checkpoint, bundle)
    recognizer = load_recognizer(str(bundle), threads=THREADS)
    return {
        "training": training,
        "export": exported,
        **{
            name: _decode(recognizer, checkpoint, recordings, name)
            for name, recordings in voices.items()
        },
    }


def _decode(
    recognizer: Recognizer, checkpoint: Path, recordings: Sequence[Recording], shown: str
) -> Figures:
    samples = [recording.samples for recording in recordings]
    ways: Ways = {
        "original": _errors(recordings, texts_of(checkpoint, samples)),
        "whole": _errors(recordings, [decode_whole_ctc(recognizer, one) for one in samples]),
    }
    for latency in Latency:
        each = with_progress(samples, f"{shown}, {latency}")
        texts = [_stream(recognizer, one, latency) for one in each]
        ways[latency.value] = _errors(recordings, texts)
    return {name: _figures(errors, ways["original"]) for name, errors in ways.items()}


def _trained(request: Request, steps: int, folder: Path) -> Figures:
    """Facts about the training, which is done unless ``folder`` has its outcome already."""
    note = folder / "training.json"
    wanted = recipe(steps)
    if note.exists():
        facts: Figures = json.loads(note.read_text(encoding="utf-8"))
        if facts["recipe"] == wanted:
            return facts
    folder.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    done = train(Digits.load(request.speech, held_out=False), steps, folder)
    facts = {**asdict(done), "recipe": wanted}
    note.write_text(json.dumps(facts), encoding="utf-8")
    return facts


def _export(checkpoint: Path, bundle: Path) -> Figures:
    from streamscribe_export.exporting import Request as ExportRequest
    from streamscribe_export.exporting import export_checkpoint

    request = ExportRequest(str(checkpoint), bundle, force=True, languages=("en",))
    report = export_checkpoint(request, lambda _: nullcontext())
    return {"parity": report.parity.as_json(), "encoder_bytes": report.encoder_bytes}


def _stream(recognizer: Recognizer, samples: np.ndarray, latency: Latency) -> str:
    options = replace(recognizer.options, latency=latency)
    return final_text(transcribe(recognizer, samples, options))


def _errors(recordings: Sequence[Recording], texts: Sequence[str]) -> list[Errors]:
    return [digit_errors(one.text, text) for one, text in zip(recordings, texts, strict=True)]


def _figures(errors: Sequence[Errors], baseline: Sequence[Errors]) -> Figures:
    return {
        "wer_percent": wer_percent(errors),
        "above_original": asdict(paired_difference(errors, baseline)),
        "substitutions": sum(one.substitutions for one in errors),
        "deletions": sum(one.deletions for one in errors),
        "insertions": sum(one.insertions for one in errors),
    }


def _grid(measured: Figures) -> Grid:
    rows: list[tuple[str, ...]] = []
    ways = ("original", "whole", *Latency)
    for voice, way in product(("known", "held_out"), ways):
        decoded = measured[voice]
        assert isinstance(decoded, dict)
        figures = decoded[way]
        above = figures["above_original"]
        rows.append((
            voice, str(way), f"{figures['wer_percent']:.2f} %", f"{above['points']:+.2f}",
            f"{above['low']:+.2f} .. {above['high']:+.2f}",
        ))  # fmt: skip
    columns = ("voices", "decoded", "WER", "above original", "95 % interval")
    return Grid("Spoken digits", columns, rows)


if __name__ == "__main__":
    main()
