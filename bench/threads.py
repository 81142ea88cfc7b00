"""What thread settings do to the steps of live streams: throughput, and the time of one step.

The steps are those that eight live sessions asked for, in the order in which they fell due. Every
set-up computes the same steps, as fast as it can; set-ups take turns, round after round, in one
process, and each is set against the one that ships in the same round: the ratios hold on a shared
machine where the numbers don't. Beside the workers a thread wakes up every 10 ms, as the server's
event loop does: how late it comes says what the set-up takes from it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.corpus import load_clips
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.thread_setups import SETUPS, Played, Setup, load, play
from streamscribe.errors import StreamscribeError
from streamscribe.machine import usable_cores
from streamscribe.model import DecodeResult, Samples, Step, StepResult
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.store import DEFAULT_MODEL
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe_cli.check import sample

SHIPPED: Final = "1 worker, 2 threads"
"""What a server with two cores does."""
SESSIONS: Final = 8
BLOCK_LEN: Final = ms_to_len(100)


@bench_command("threads", needs_speech=False)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--steps", "count", type=click.IntRange(8), default=96, show_default=True)
@click.option("--seconds", type=click.IntRange(2), default=11, show_default=True)
@click.option(
    "--model", "models", multiple=True, default=(DEFAULT_MODEL, "whisper-tiny.en"),
    show_default=True, help="Models; one that is not here is left out.",
)  # fmt: skip
@click.option("--models-dir", type=click.Path(file_okay=False))
def main(
    request: Request,
    rounds: int,
    count: int,
    seconds: int,
    models: tuple[str, ...],
    models_dir: str | None,
) -> Outcome:
    """Steps per second and p95 of a step, by number of threads, spinning, workers, cores."""
    folder = None if models_dir is None else Path(models_dir)
    audio = streams(request.speech, ms_to_len(seconds * 1_000))
    figures: Figures = {"sessions": SESSIONS, "usable_cores": usable_cores(), "shipped": SHIPPED}
    grids = []
    for model in models:
        try:
            recognizer = load_recognizer(model, models_dir=folder)
        except StreamscribeError as error:
            click.echo(f"{model} is left out: {error}")
            continue
        steps = thinned(recorded(recognizer, audio), count)
        figures[model] = compared(model, folder, steps, rounds)
        grids.append(_grid(model, figures[model]))
    return Outcome(figures, tuple(grids))


def streams(speech: Path, length: int) -> list[Samples]:
    """The sample and seven other people; the sample from other places, where there is no folder."""
    own = sample()[0]
    if not speech.is_dir():
        return [np.roll(own, at * len(own) // SESSIONS)[:length] for at in range(SESSIONS)]
    clips = [clip.samples for clip in load_clips(speech / "dev")]
    others = [np.concatenate(clips[at::SESSIONS])[:length] for at in range(1, SESSIONS)]
    return [own[:length], *others]


def recorded(recognizer: Recognizer, audio: Sequence[Samples]) -> list[Step]:
    """What live sessions over the audio ask for, in the order in which it falls due."""
    steps: list[Step] = []
    for samples in audio:
        session = recognizer.open()
        blocks = [samples[at : at + BLOCK_LEN] for at in range(0, len(samples), BLOCK_LEN)]
        for block in [*blocks, None]:
            if block is None:
                session.receive_eof()
            else:
                session.receive_audio(block)
            while (step := session.step_wanted()) is not None:
                steps.append(step)
                session.step_done(recognizer.run([step])[0])
            session.take_events()
    return sorted(steps, key=lambda step: step.due_at)


def thinned(steps: list[Step], count: int) -> list[Step]:
    """``count`` of the steps, evenly from all of them."""
    chosen = np.unique(np.linspace(0, len(steps) - 1, count).astype(int))
    return [steps[at] for at in chosen]


def compared(
    model: str, models_dir: Path | None, steps: list[Step], rounds: int
) -> dict[str, object]:
    """Every set-up on the same steps, in turn."""
    loaded = {setup: load(setup, model, models_dir) for setup in SETUPS}
    played: dict[str, list[Played]] = {setup.name: [] for setup in SETUPS}
    for turn in with_progress(range(rounds), f"rounds of {model}"):
        for setup in rotated(SETUPS, turn):
            played[setup.name].append(play(setup, loaded[setup], steps))
    shipped = played[SHIPPED]
    return {
        "steps": len(steps),
        "window_mean_s": float(np.mean([len(step.samples) for step in steps]) / SAMPLE_RATE),
        "setups": {
            setup.name: {**asdict(setup), **judged(played[setup.name], shipped)}
            for setup in SETUPS
        },
    }  # fmt: skip


def rotated(setups: Sequence[Setup], turn: int) -> list[Setup]:
    """Another one begins in each round, so that none always follows the same."""
    start = turn * 3 % len(setups)
    return [*setups[start:], *setups[:start]]


def judged(mine: list[Played], shipped: list[Played]) -> Figures:
    """Medians over the rounds, and medians of the ratios to what ships in the same round."""
    figures: Figures = {}
    for name, of in (
        ("steps_per_s", lambda one: len(one.results) / one.wall_s),
        ("step_p50_ms", lambda one: percentile_ms(list(one.latencies_s.values()), 50)),
        ("step_p95_ms", lambda one: percentile_ms(list(one.latencies_s.values()), 95)),
        ("cpu_s_per_step", lambda one: one.cpu_s / len(one.results)),
        ("pulse_late_p95_ms", lambda one: percentile_ms(one.late_s, 95)),
    ):
        values = [of(one) for one in mine]
        ratios = [of(one) / of(base) for one, base in zip(mine, shipped, strict=True)]
        figures[name] = float(np.median(values))
        figures[f"{name}_times_shipped"] = float(np.median(ratios))
        figures[f"{name}_times_shipped_range"] = [min(ratios), max(ratios)]
    firsts = [one.results for one in itertools.chain(mine, shipped)]
    figures["steps_with_another_text"] = sum(
        said(firsts[0][at]) != said(firsts[-1][at]) for at in firsts[0]
    )
    return figures


def percentile_ms(values_s: list[float], percent: float) -> float:
    """Of times in seconds, in milliseconds."""
    return float(np.percentile(values_s, percent) * 1_000) if values_s else 0.0


def said(result: StepResult) -> tuple[int, ...]:
    """The tokens of a result; of a CTC model, the most likely of each frame."""
    if isinstance(result, DecodeResult):
        return result.tokens
    return tuple(int(token) for token in result.log_probs.argmax(axis=1))


def _grid(model: str, figures: object) -> Grid:
    assert isinstance(figures, dict)
    rows = [
        (
            name,
            f"{one['steps_per_s']:.1f}",
            f"{one['steps_per_s_times_shipped']:.2f}",
            f"{one['step_p95_ms']:.0f}",
            f"{one['step_p95_ms_times_shipped']:.2f}",
            f"{one['cpu_s_per_step_times_shipped']:.2f}",
            f"{one['pulse_late_p95_ms']:.1f}",
            f"{one['steps_with_another_text']}",
        )
        for name, one in figures["setups"].items()
    ]
    columns = ("set-up", "steps/s", "x", "step p95 ms", "x", "CPU x", "pulse late ms", "other text")
    return Grid(f"{model}: {figures['steps']} steps; x: times '{SHIPPED}'", columns, rows)


if __name__ == "__main__":
    main()
