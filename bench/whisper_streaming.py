"""Whisper live: what streaming costs in accuracy, how late words are, and what a stream takes.

Audio goes in as live packets, and every step runs at once (``live.py``). A word was spoken when its
final says it ended, and was *shown* when it last appeared in its place, case and punctuation aside,
and *promised* when committed text reached it. Computing counts: a stream that is behind shows late.

Offline is one greedy decode of each clip, in pieces where it is longer than a window may be. The
cost is the processor time of the whole process for a second of audio, so it counts every thread.
"""

import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import click

from bench.bootstrap import paired_difference
from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.decoding import final_text
from bench.live import run_live
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from bench.viewing import bare_word, delays
from bench.whisper_models import TINY, in_pieces, ours, prepare
from streamscribe.events import Event, Partial
from streamscribe.events import Final as FinalEvent
from streamscribe.options import CommitBy, Latency
from streamscribe.recognizer import Recognizer, transcribe
from streamscribe.timeline import at_to_s

SETS: Final = ("dev", "prompts", "long")
NOISE_S: Final = 600.0


@dataclass(slots=True)
class Watched:
    """When each text of one segment appeared."""

    partials: list[tuple[Partial, float]] = field(default_factory=list)
    """With the time of appearance, in seconds of the audio's clock."""


@dataclass(slots=True)
class Delays:
    """Seconds from the end of a word to when it appeared."""

    shown: list[float] = field(default_factory=list)
    promised: list[float] = field(default_factory=list)


@bench_command("whisper_streaming")
@click.option("--only", type=click.Choice(list(CommitBy)), help="Only this way to commit.")
def main(request: Request, only: str | None) -> Outcome:
    """Whisper tiny.en live under both policies: accuracy, delay, cost; and noise."""
    clips = [clip for name in SETS for clip in load_clips(request.speech / name, request.limit)]
    noise = load_clips(request.speech / "noise", request.limit)
    with tempfile.TemporaryDirectory() as scratch:
        recognizer = prepare(TINY, Path(scratch)).recognizer("int8")
        whole = ours(recognizer)
        offline = [
            score(clip.text, in_pieces(whole, clip.samples))
            for clip in with_progress(clips, "offline")
        ]
        figures: Figures = {
            "audio_s": sum(clip.seconds for clip in clips),
            "offline_wer_percent": wer_percent(offline),
            **{
                str(way): {
                    str(latency): _live(recognizer, clips, offline, way, latency)
                    for latency in (Latency.MINIMAL, Latency.MEDIUM)
                }
                for way in ([CommitBy(only)] if only else CommitBy)
            },
            "noise": _noise(recognizer, noise),
        }
    return Outcome(figures, (_grid(figures),))


def _live(
    recognizer: Recognizer,
    clips: list[Clip],
    offline: list[Errors],
    way: CommitBy,
    latency: Latency,
) -> Figures:
    options = replace(recognizer.options, commit_by=way, latency=latency)
    chosen = Recognizer(recognizer.model, recognizer.new_vad, options)
    found, errors = Delays(), []
    cpu_s = 0.0
    for clip in with_progress(clips, f"{way}, {latency}"):
        began = time.process_time()
        seen = list(_seen(chosen, clip))
        cpu_s += time.process_time() - began
        errors.append(score(clip.text, final_text(event for event, _ in seen)))
        _measure(seen, found)
    return {
        "hop_ms": options.hop_ms,
        "wer_percent": wer_percent(errors),
        "above_offline": asdict(paired_difference(errors, offline)),
        "shown": delays(found.shown),
        "promised": delays(found.promised),
        "cores": cpu_s / sum(clip.seconds for clip in clips),
    }


def _seen(recognizer: Recognizer, clip: Clip) -> Iterable[tuple[Event, float]]:
    """Events with the time at which they appear to somebody who watches the stream live."""
    free_s = 0.0  # when what was asked for so far has been computed
    for happened in run_live(recognizer, clip.samples):
        free_s = max(free_s, happened.arrived_s)
        if happened.step is not None:
            free_s += happened.step.seconds
        yield from ((event, free_s) for event in happened.events)


def _measure(seen: Iterable[tuple[Event, float]], found: Delays) -> None:
    segments: dict[int, Watched] = {}
    for event, at_s in seen:
        if isinstance(event, Partial):
            segments.setdefault(event.segment, Watched()).partials.append((event, at_s))
        elif isinstance(event, FinalEvent):
            watched = segments.setdefault(event.segment, Watched())
            for index, word in enumerate(event.words):
                ended_s = at_to_s(word.end_at)
                found.shown.append(_shown_s(watched, index, word.text, at_s) - ended_s)
                found.promised.append(_promised_s(watched, index, at_s) - ended_s)


def _shown_s(watched: Watched, index: int, text: str, final_s: float) -> float:
    """When the word appeared in its place to stay."""
    since_s = final_s
    for partial, at_s in reversed(watched.partials):
        words = partial.text.split()
        if index >= len(words) or bare_word(words[index]) != bare_word(text):
            break
        since_s = at_s
    return since_s


def _promised_s(watched: Watched, index: int, final_s: float) -> float:
    """When committed text reached the word."""
    for partial, at_s in watched.partials:
        if len(partial.text[: partial.committed].split()) > index:
            return at_s
    return final_s


def _noise(recognizer: Recognizer, clips: list[Clip]) -> Figures:
    """Texts that were made of sounds without speech."""
    heard_s, finals = 0.0, dict[str, Any]()
    options = replace(recognizer.options, partials=False)
    for clip in with_progress(clips, "noise"):
        if heard_s >= NOISE_S:
            break
        heard_s += clip.seconds
        texts = [
            event.text
            for event in transcribe(recognizer, clip.samples, options)
            if isinstance(event, FinalEvent) and event.text
        ]
        if texts:
            finals[clip.name] = texts
    return {
        "audio_s": heard_s,
        "finals": sum(len(texts) for texts in finals.values()),
        "texts": finals,
    }


def _grid(figures: dict[str, Any]) -> Grid:
    rows = []
    for way in CommitBy:
        for latency, part in figures.get(str(way), {}).items():
            shown, promised = part["shown"], part["promised"]
            rows.append((
                str(way), latency, f"{part['wer_percent']:.2f} %",
                f"{part['above_offline']['points']:+.2f}",
                f"{shown['p50_s']:.2f} / {shown['p95_s']:.2f}",
                f"{promised['p50_s']:.2f} / {promised['p95_s']:.2f}", f"{part['cores']:.2f}",
            ))  # fmt: skip
    columns = (
        "commit by", "latency", "WER", "above offline", "shown, p50 / p95 s",
        "promised, p50 / p95 s", "cores",
    )  # fmt: skip
    return Grid("Whisper tiny.en live", columns, rows)


if __name__ == "__main__":
    main()
