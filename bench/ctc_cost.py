"""What a CTC stream costs: minute by minute, and against hearing the whole segment every hop.

Both ways go through the whole engine with the same hops and right context; the second has all of
the segment so far as left context. What a minute costs is the time of its model calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.corpus import join, load_clips
from bench.ctc_curve import MODEL
from bench.live import run_live
from bench.outcome import Figures, Grid, Outcome
from streamscribe.ctc_model import CtcModel
from streamscribe.families import Chunk
from streamscribe.model import Samples
from streamscribe.options import Latency
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.timeline import SAMPLE_RATE

MINUTES: Final = 10
GAP_S: Final = 0.2
"""Between clips: too short for an endpoint, so that segments grow to their longest."""
WHOLE_SEGMENT_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Minute:
    """What one minute of audio took."""

    compute_s: float
    longest_window_s: float


@bench_command("ctc_cost")
@click.option("--model", default=MODEL, show_default=True, help="Name or folder of a CTC model.")
def main(request: Request, model: str) -> Outcome:
    """Real-time factor of every minute of a long CTC stream, and of its worst case."""
    recognizer = load_recognizer(model)
    ctc = recognizer.model
    assert isinstance(ctc, CtcModel), f"{model} is not a CTC model"
    chunk = ctc.chunks[Latency.MEDIUM]
    samples = _speech(request)
    ctc.warm_up()
    windowed = _minutes(recognizer, chunk, samples)
    whole = _minutes(recognizer, replace(chunk, left_ms=WHOLE_SEGMENT_MS), samples)
    figures: Figures = {
        "model": ctc.name,
        "minutes": len(windowed),
        "windowed": _figures(windowed),
        "whole_segment": _figures(whole),
        "times_whole_segment": _seconds(windowed) / _seconds(whole),
    }
    rows = [
        (str(index + 1), f"{one.compute_s / 60:.3f}", f"{other.compute_s / 60:.3f}")
        for index, (one, other) in enumerate(zip(windowed, whole, strict=True))
    ]
    columns = ("minute", "RTF, window", "RTF, whole segment every hop")
    return Outcome(figures, (Grid(f"Cost of {ctc.name}, preset medium", columns, rows),))


def _speech(request: Request) -> Samples:
    """Ten minutes of speech without long pauses."""
    once = join([clip.samples for clip in load_clips(request.speech / "dev", request.limit)], GAP_S)
    wanted = MINUTES * 60 * SAMPLE_RATE if request.limit is None else len(once)
    return np.tile(once, -(-wanted // len(once)))[:wanted]


def _minutes(recognizer: Recognizer, chunk: Chunk, samples: Samples) -> list[Minute]:
    assert isinstance(recognizer.model, CtcModel)
    recognizer.model.chunks = MappingProxyType({Latency.MEDIUM: chunk})
    count = -(-len(samples) // (60 * SAMPLE_RATE))
    compute_s, longest_s = [0.0] * count, [0.0] * count
    for happened in run_live(recognizer, samples):
        if happened.step is None:
            continue
        minute = min(int(happened.arrived_s // 60), count - 1)
        compute_s[minute] += happened.step.seconds
        longest_s[minute] = max(longest_s[minute], happened.step.window_len / SAMPLE_RATE)
    return [Minute(*both) for both in zip(compute_s, longest_s, strict=True)]


def _seconds(minutes: Sequence[Minute]) -> float:
    return sum(minute.compute_s for minute in minutes)


def _figures(minutes: Sequence[Minute]) -> Figures:
    rtfs = [minute.compute_s / 60 for minute in minutes]
    first, second = np.array_split(np.array(rtfs), 2) if len(rtfs) > 1 else (rtfs, rtfs)
    return {
        "rtf": float(np.mean(rtfs)),
        "rtf_by_minute": rtfs,
        "second_half_to_first": float(np.median(second) / np.median(first)),
        "longest_window_s": max(minute.longest_window_s for minute in minutes),
    }


if __name__ == "__main__":
    main()
