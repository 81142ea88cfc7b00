"""How much silence Whisper needs after the audio, where none is padded to 30 s.

Clips of real speech are decoded whole, with different amounts of silence after them, and again with
the guard against text that goes back in the audio. A text counts as *said again* where it has half
as many words more than were spoken, and three.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from bench.whisper_models import BASE, ENGLISH, TINY, model_of, prepare
from streamscribe import guards
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.model import DecodeStep, StepKind
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.tokens import decode

SILENCES: Final = (
    (0, 0.5), (0, 1), (3, 1), (5, 1), (8, 1), (10, 0.5), (10, 1), (10, 2), (15, 1), (30, 1),
)  # fmt: skip
"""Seconds: the least that is given with all silence, and the least silence."""


@bench_command("whisper_silence")
@click.option("--clips", type=click.IntRange(1), default=100, show_default=True)
@click.option("--model", type=click.Choice([TINY, BASE]), default=TINY, show_default=True)
def main(request: Request, clips: int, model: str) -> Outcome:
    """Whisper's errors and repetitions by the silence that it is given."""
    chosen = [
        clip
        for name in ("dev", "prompts")
        for clip in load_clips(request.speech / name, request.limit)
        if clip.seconds < 28
    ]
    chosen = chosen[:: max(1, len(chosen) // clips)][:clips]
    with tempfile.TemporaryDirectory() as scratch:
        loaded = model_of(prepare(model, Path(scratch)).recognizer("int8"))
        ways = [
            _way(loaded, chosen, shortest_s, tail_s)
            for shortest_s, tail_s in with_progress(SILENCES, "silences")
        ]
    figures: Figures = {"model": model, "clips": len(chosen), "ways": ways}
    return Outcome(figures, (_grid(ways),))


def _way(
    model: EncoderDecoderModel, clips: list[Clip], shortest_s: float, tail_s: float
) -> dict[str, Any]:
    usual, back_len = model.front_end, guards.REWIND_LEN
    model.front_end = replace(
        usual, shortest_len=round(shortest_s * SAMPLE_RATE), tail_len=round(tail_s * SAMPLE_RATE)
    )
    try:
        guarded = _decode(model, clips)
        guards.REWIND_LEN = 10**9  # type: ignore[misc]  # goes off never
        unguarded = _decode(model, clips)
    finally:
        model.front_end, guards.REWIND_LEN = usual, back_len  # type: ignore[misc]
    return {
        "shortest_s": shortest_s, "tail_s": tail_s, "guarded": guarded, "unguarded": unguarded,
    }  # fmt: skip


def _decode(model: EncoderDecoderModel, clips: list[Clip]) -> dict[str, float]:
    began = time.perf_counter()
    errors: list[Errors] = []
    again = 0
    for clip in clips:
        cap = guards.token_cap(len(clip.samples), model.max_tokens_per_s)
        step = DecodeStep(clip.samples, (), (), cap, StepKind.FINAL, 0, wish=ENGLISH)
        text = decode(model.decode(step).tokens, model.tokens)
        errors.append(score(clip.text, text))
        again += len(text.split()) > 1.5 * len(clip.text.split()) + 3
    return {
        "wer_percent": wer_percent(errors),
        "said_again": again,
        "seconds": time.perf_counter() - began,
    }


def _grid(ways: list[dict[str, Any]]) -> Grid:
    rows = [
        (
            f"{way['shortest_s']:g} s", f"{way['tail_s']:g} s",
            *(
                f"{way[kind]['wer_percent']:.2f} % ({way[kind]['said_again']:.0f})"
                for kind in ("unguarded", "guarded")
            ),
            f"{way['guarded']['seconds']:.1f}",
        )
        for way in ways
    ]  # fmt: skip
    columns = ("given at least", "silence at least", "WER (said again)", "with guard", "s")
    return Grid("Whisper and silence", columns, rows)


if __name__ == "__main__":
    main()
