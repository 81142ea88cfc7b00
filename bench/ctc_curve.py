"""Word error rate of a CTC model against the delay of its text, for many chunks.

Offline is one window over each whole file. Streamed goes through the whole engine: detector,
segments and windows. The delay of a word is counted on the audio's own clock, from the word's last
frame to the audio that was there when it was first shown as it stays, and when it was committed;
what computing takes comes on top, and is told as the real-time factor.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from types import MappingProxyType
from typing import Final

import click
import numpy as np

from bench.bootstrap import paired_difference
from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.curve_plot import CurvePoint, plot_curve
from bench.decoding import decode_whole_ctc, final_text
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from streamscribe.ctc_model import CtcModel
from streamscribe.events import Event, Partial
from streamscribe.events import Final as FinalEvent
from streamscribe.families import Chunk
from streamscribe.options import Latency
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe
from streamscribe.timeline import SAMPLE_RATE

MODEL: Final = "moonshine-tiny-en-ctc"
HOPS_AND_RIGHTS_MS: Final = (
    (240, 0), (240, 120), (240, 240), (360, 360), (480, 240), (480, 480), (480, 720), (960, 960),
    (960, 1_440),
)  # fmt: skip
USUAL_LEFT_MS: Final = 8_000
OTHER_LEFTS_MS: Final = (1_000, 2_000, 4_000)
"""Tried with the hop and right context of the preset medium."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long after a word its text was there, in seconds."""

    p50_s: float
    p95_s: float

    @classmethod
    def of(cls, delays_s: Sequence[float]) -> "Delay":
        """The percentiles of some delays, at least one."""
        p50_s, p95_s = np.percentile(delays_s, [50, 95])
        return cls(float(p50_s), float(p95_s))


@dataclass(frozen=True, slots=True)
class Run:
    """One chunk, over all clips."""

    chunk: Chunk
    errors: list[Errors]
    shown: Delay
    committed: Delay
    rtf: float


@bench_command("ctc_curve")
@click.option("--model", default=MODEL, show_default=True, help="Name or folder of a CTC model.")
@click.option("--presets-only", is_flag=True, help="Leave the other chunks out.")
def main(request: Request, model: str, presets_only: bool) -> Outcome:
    """WER against delay of a CTC model, for its presets and for many other chunks."""
    recognizer = load_recognizer(model)
    ctc = recognizer.model
    assert isinstance(ctc, CtcModel), f"{model} is not a CTC model"
    presets = dict(ctc.chunks)
    clips = load_clips(request.speech / "dev", request.limit)
    offline, offline_rtf = _offline(recognizer, clips)
    runs = [_run(recognizer, chunk, clips) for chunk in _chunks(presets, presets_only)]
    figures: Figures = {
        "model": ctc.name,
        "offline": {"wer_percent": wer_percent(offline), "rtf": offline_rtf},
        "presets": {
            name.value: _figures(next(run for run in runs if run.chunk == chunk), offline)
            for name, chunk in presets.items()
        },
        "chunks": [_figures(run, offline) for run in runs],
    }
    if request.file is not None:
        points = [CurvePoint(run.committed.p50_s, wer_percent(run.errors)) for run in runs]
        named = {
            name.value: points[[run.chunk for run in runs].index(chunk)]
            for name, chunk in presets.items()
        }
        plot_curve(request.file.with_suffix(".svg"), ctc.name, points, named, wer_percent(offline))
    return Outcome(figures, (_grid(runs, presets, offline),))


def _chunks(presets: Mapping[Latency, Chunk], presets_only: bool) -> list[Chunk]:
    """The presets' chunks and the others to try, each once."""
    if presets_only:
        return list(presets.values())
    medium = presets[Latency.MEDIUM]
    tried = [Chunk(hop_ms, right_ms, USUAL_LEFT_MS) for hop_ms, right_ms in HOPS_AND_RIGHTS_MS]
    tried += [replace(medium, left_ms=left_ms) for left_ms in OTHER_LEFTS_MS]
    return list(dict.fromkeys([*presets.values(), *tried]))


def _offline(recognizer: Recognizer, clips: Sequence[Clip]) -> tuple[list[Errors], float]:
    began = time.perf_counter()
    texts = [
        decode_whole_ctc(recognizer, clip.samples) for clip in with_progress(clips, "whole files")
    ]
    rtf = (time.perf_counter() - began) / _seconds(clips)
    return [score(clip.text, text) for clip, text in zip(clips, texts, strict=True)], rtf


def _run(recognizer: Recognizer, chunk: Chunk, clips: Sequence[Clip]) -> Run:
    assert isinstance(recognizer.model, CtcModel)
    recognizer.model.chunks = MappingProxyType({Latency.MEDIUM: chunk})
    options = replace(recognizer.options, latency=Latency.MEDIUM)
    errors: list[Errors] = []
    shown_s: list[float] = []
    committed_s: list[float] = []
    name = f"{chunk.left_ms} | {chunk.hop_ms} | {chunk.right_ms}"
    began = time.perf_counter()
    for clip in with_progress(clips, name):
        events = list(transcribe(recognizer, clip.samples, options))
        errors.append(score(clip.text, final_text(events)))
        shown_s += _delays_s(events, committed=False)
        committed_s += _delays_s(events, committed=True)
    rtf = (time.perf_counter() - began) / _seconds(clips)
    return Run(chunk, errors, Delay.of(shown_s), Delay.of(committed_s), rtf)


def _delays_s(events: Sequence[Event], *, committed: bool) -> Iterator[float]:
    """Per word of the finals: from its end to the audio with which it was there to stay."""
    partials: list[Partial] = []
    for event in events:
        if isinstance(event, Partial):
            partials.append(event)
        elif isinstance(event, FinalEvent):
            yield from _delays_of_segment_s(event, partials, committed=committed)
            partials = []


def _delays_of_segment_s(
    final: FinalEvent, partials: Sequence[Partial], *, committed: bool
) -> Iterator[float]:
    there_at = [final.end_at] * len(final.words)
    held = len(final.words)  # words that all later partials showed
    for partial in reversed(partials):
        text = partial.text[: partial.committed] if committed else partial.text
        pairs = zip(text.split(), final.words[:held], strict=False)
        held = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].text, pairs))
        there_at[:held] = [partial.at] * held
    for word, at in zip(final.words, there_at, strict=True):
        yield max(0, at - word.end_at) / SAMPLE_RATE


def _seconds(clips: Sequence[Clip]) -> float:
    return sum(len(clip.samples) for clip in clips) / SAMPLE_RATE


def _figures(run: Run, offline: Sequence[Errors]) -> Figures:
    return {
        **asdict(run.chunk),
        "wer_percent": wer_percent(run.errors),
        "above_offline": asdict(paired_difference(run.errors, offline)),
        "shown": asdict(run.shown),
        "committed": asdict(run.committed),
        "rtf": run.rtf,
    }


def _grid(runs: Sequence[Run], presets: Mapping[Latency, Chunk], offline: Sequence[Errors]) -> Grid:
    names = {chunk: name.value for name, chunk in presets.items()}
    rows = [
        (
            names.get(run.chunk, ""),
            f"{run.chunk.left_ms} | {run.chunk.hop_ms} | {run.chunk.right_ms}",
            f"{wer_percent(run.errors):.2f} %",
            f"{paired_difference(run.errors, offline).points:+.2f}",
            f"{run.shown.p50_s:.2f} / {run.shown.p95_s:.2f} s",
            f"{run.committed.p50_s:.2f} / {run.committed.p95_s:.2f} s",
            f"{run.rtf:.3f}",
        )
        for run in runs
    ]
    columns = (
        "preset", "left | hop | right, ms", "WER", "above offline", "shown, p50 / p95",
        "committed, p50 / p95", "RTF",
    )  # fmt: skip
    title = f"WER against delay; whole files {wer_percent(offline):.2f} %"
    return Grid(title, columns, rows)


if __name__ == "__main__":
    main()
