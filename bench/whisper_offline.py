"""Whisper on whole clips: speed and accuracy beside other runtimes with the same weights.

Everybody transcribes greedily, in English, without times, on the same cores, and takes turns clip
by clip; each one's time includes its own features. A ratio is theirs / ours of one clip's medians.
Ours hears a clip with some silence after it; the others pad it to 30 s.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.bootstrap import paired_difference
from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from bench.whisper_models import (
    BASE,
    ENGLISH,
    TINY,
    Forms,
    Transcribe,
    faster_whisper,
    in_pieces,
    model_of,
    optimum,
    ours,
    prepare,
    torch_eager,
)
from streamscribe.machine import usable_cores
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

SETS: Final = ("dev", "prompts", "long")
FULL_LEN: Final = 30 * SAMPLE_RATE


@bench_command("whisper_offline")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--clips", type=click.IntRange(1), default=24, show_default=True, help="For speed.")
def main(request: Request, repeats: int, clips: int) -> Outcome:
    """Whisper's speed and accuracy against faster-whisper, optimum and PyTorch."""
    sets = {name: load_clips(request.speech / name, request.limit) for name in SETS}
    threads = usable_cores()
    with tempfile.TemporaryDirectory() as scratch:
        tiny, base = (prepare(name, Path(scratch)) for name in (TINY, BASE))
        figures: Figures = {
            "threads": threads,
            "int8": _int8(tiny, sets, clips, repeats, threads),
            "float32": _float32(tiny, sets["dev"], clips // 2, repeats, threads),
            "accuracy": {form.name: _accuracy(form, sets, threads) for form in (tiny, base)},
        }
    return Outcome(figures, _grids(figures))


def _int8(
    forms: Forms, sets: dict[str, list[Clip]], count: int, repeats: int, threads: int
) -> Figures:
    runs = {
        "ours": ours(forms.recognizer("int8", threads)),
        "faster_whisper": faster_whisper(forms.source, "int8", threads),
    }
    short = _between([*sets["dev"], *sets["prompts"]], 3, 15)
    full = [clip.samples[:FULL_LEN] for clip in sets["long"] if len(clip.samples) >= FULL_LEN]
    full += _joined(sets["dev"])
    return {
        "clips_3_15s": _race(runs, _spread(short, count), repeats),
        "clips_30s": _race(runs, full[:4], repeats),
    }


def _float32(forms: Forms, clips: list[Clip], count: int, repeats: int, threads: int) -> Figures:
    checkpoint, recognizer = forms.checkpoint(), forms.recognizer("none", threads)
    start = model_of(recognizer).prompts.start(ENGLISH)
    runs = {
        "ours": ours(recognizer),
        "optimum": optimum(checkpoint, start, threads),
        "torch": torch_eager(checkpoint, start, threads),
    }
    return {"clips_5_15s": _race(runs, _spread(_between(clips, 5, 15), count), repeats)}


def _between(clips: Sequence[Clip], low_s: float, high_s: float) -> list[Samples]:
    return [clip.samples for clip in clips if low_s <= clip.seconds <= high_s]


def _spread(clips: list[Samples], count: int) -> list[Samples]:
    """As many of them as are asked for, of all lengths."""
    ordered = sorted(clips, key=len)
    places = np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)
    return [ordered[place] for place in places]


def _joined(clips: list[Clip]) -> list[Samples]:
    """Pieces of exactly 30 s."""
    whole = np.concatenate([clip.samples for clip in clips])
    return [whole[at : at + FULL_LEN] for at in range(0, len(whole) - FULL_LEN + 1, FULL_LEN)]


def _race(runs: dict[str, Transcribe], clips: list[Samples], repeats: int) -> dict[str, Any]:
    for run in runs.values():
        run(clips[0])  # warm-up, discarded
    medians: dict[str, list[float]] = {name: [] for name in runs}
    for samples in with_progress(clips, "taking turns"):
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                began = time.perf_counter()
                run(samples)
                taken[name].append(time.perf_counter() - began)
        for name in runs:
            medians[name].append(float(np.median(taken[name])))
    own = np.array(medians["ours"])
    return {
        "clips": len(clips),
        "seconds": [len(samples) / SAMPLE_RATE for samples in clips],
        "median_s": medians,
        "times_faster": {
            name: float(np.median(np.array(theirs) / own))
            for name, theirs in medians.items()
            if name != "ours"
        },
    }


def _accuracy(forms: Forms, sets: dict[str, list[Clip]], threads: int) -> Figures:
    recognizer = forms.recognizer("int8", threads)
    own, theirs = ours(recognizer), faster_whisper(forms.source, "int8", threads)
    errors: dict[str, list[Errors]] = {"ours": [], "faster_whisper": []}
    by_set: dict[str, Any] = {}
    for name, clips in sets.items():
        mine = [
            score(clip.text, in_pieces(own, clip.samples))
            for clip in with_progress(clips, f"{forms.name}, {name}, ours")
        ]
        other = [
            score(clip.text, theirs(clip.samples))
            for clip in with_progress(clips, f"{forms.name}, {name}, theirs")
        ]
        by_set[name] = {
            "ours_wer_percent": wer_percent(mine),
            "theirs_wer_percent": wer_percent(other),
        }
        errors["ours"] += mine
        errors["faster_whisper"] += other
    return {
        "sets": by_set,
        "words": sum(one.words for one in errors["ours"]),
        "ours_wer_percent": wer_percent(errors["ours"]),
        "theirs_wer_percent": wer_percent(errors["faster_whisper"]),
        "above_theirs": asdict(paired_difference(errors["ours"], errors["faster_whisper"])),
    }


def _grids(figures: dict[str, Any]) -> tuple[Grid, ...]:
    speeds = []
    for precision in ("int8", "float32"):
        for clips, race in figures[precision].items():
            for name, times in race["times_faster"].items():
                speeds.append((precision, clips, name, f"{times:.2f}"))
    accuracy = [
        (
            name, f"{part['ours_wer_percent']:.2f} %", f"{part['theirs_wer_percent']:.2f} %",
            f"{part['above_theirs']['low']:+.2f} .. {part['above_theirs']['high']:+.2f}",
        )
        for name, part in figures["accuracy"].items()
    ]  # fmt: skip
    return (
        Grid("Whisper tiny.en, speed", ("precision", "clips", "against", "times as fast"), speeds),
        Grid("Whisper, accuracy", ("model", "ours", "faster-whisper", "95 % interval"), accuracy),
    )


if __name__ == "__main__":
    main()
