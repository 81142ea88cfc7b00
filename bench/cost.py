"""What one live stream costs: real-time factor with all partials, by stage, and at its worst.

RTF is seconds of computing per second of audio. The stream goes through the engine as a live
client's would, in packets, on one thread; the model uses the threads that it ships with.

Machines differ and are shared, so the same run also decodes the same recordings whole, token by
token: how many times that a live stream costs says more than its seconds do.

The worst case is steady speech, where the window is always nearly full: the pauses are cut out of
the recordings, and each model call that looks at 12 s or more is set against one hop.
"""

import time
from dataclasses import dataclass
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.decoding import decode_whole, seconds_of
from bench.live import StepCost, run_live, to_pcm
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.stopwatch import Stopwatch, attach
from streamscribe.ingest import AudioFormat, Ingest
from streamscribe.model import Samples
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.vad import make_vad
from streamscribe_cli.latency import packets

FULL_WINDOW_LEN: Final = ms_to_len(12_000)
STEADY_S: Final = 60.0
KEPT_PAUSE_FRAMES: Final = 2
"""Unvoiced frames that steady speech keeps of each pause: fluent speakers make them too."""
HIGH_RATE_HZ: Final = 48_000


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds spent on some audio."""

    audio_s: float
    wall_s: float
    cpu_s: float
    encoder_s: float
    decoder_s: float
    steps: tuple[StepCost, ...]

    def figures(self) -> Figures:
        """Per second of audio."""
        model_s = self.encoder_s + self.decoder_s
        return {
            "rtf": self.wall_s / self.audio_s,
            "cpu_s_per_audio_s": self.cpu_s / self.audio_s,
            "encoder_rtf": self.encoder_s / self.audio_s,
            "decoder_rtf": self.decoder_s / self.audio_s,
            "session_rtf": (self.wall_s - model_s) / self.audio_s,
            "steps_per_s": len(self.steps) / self.audio_s,
        }


@bench_command("cost")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
def main(request: Request, repeats: int) -> Outcome:
    """Real-time factor of one live stream at the default hop, all partials included."""
    recognizer = load_recognizer()
    stopwatch = attach(recognizer)
    dev = load_clips(request.speech / "dev", request.limit)
    long = load_clips(request.speech / "long", request.limit)
    steady = steady_speech([clip.samples for clip in (*long, *dev)])
    _spend(recognizer, stopwatch, dev[0].samples)  # warm-up, discarded
    runs: list[dict[str, Spent]] = []
    offline_rtfs: list[float] = []
    for _ in with_progress(range(repeats), "repeats"):
        by_folder = {
            name: add([_spend(recognizer, stopwatch, clip.samples) for clip in clips])
            for name, clips in (("dev", dev), ("long", long))
        }
        by_folder["steady"] = _spend(recognizer, stopwatch, steady)
        offline_rtfs.append(_offline_rtf(recognizer, [*dev, *long]))
        runs.append({"all": add([by_folder["dev"], by_folder["long"]]), **by_folder})
    times_offline = [
        run["all"].wall_s / run["all"].audio_s / offline
        for run, offline in zip(runs, offline_rtfs, strict=True)
    ]
    hop_s = recognizer.options.hop_ms / 1_000
    figures: Figures = {
        **medians([run["all"].figures() for run in runs]),
        **{name: medians([run[name].figures() for run in runs]) for name in runs[0]},
        "offline_rtf": float(np.median(offline_rtfs)),
        "times_offline": float(np.median(times_offline)),
        "full_window": full_window([step for run in runs for step in run["steady"].steps], hop_s),
        "ingest_48_khz_rtf": _ingest_rtf(dev),
        "repeats": [{name: spent.figures() for name, spent in run.items()} for run in runs],
    }
    return Outcome(figures, (_grid(figures),))


def steady_speech(recordings: list[Samples]) -> Samples:
    """Up to ``STEADY_S`` of the recordings without their pauses, (n,)."""
    frames: list[Samples] = []
    for samples in recordings:
        vad, pause = make_vad("webrtc")(), 0
        for start in range(0, len(samples) - vad.frame_len + 1, vad.frame_len):
            frame = samples[start : start + vad.frame_len]
            pause = 0 if vad.speech_probability(frame) > 0.5 else pause + 1
            if pause <= KEPT_PAUSE_FRAMES:
                frames.append(frame)
    return np.concatenate(frames)[: ms_to_len(round(STEADY_S * 1_000))]


def add(parts: list[Spent]) -> Spent:
    """The sum of several streams."""
    return Spent(
        audio_s=sum(part.audio_s for part in parts),
        wall_s=sum(part.wall_s for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        encoder_s=sum(part.encoder_s for part in parts),
        decoder_s=sum(part.decoder_s for part in parts),
        steps=tuple(step for part in parts for step in part.steps),
    )


def medians(repeats: list[Figures]) -> Figures:
    """The median of each number over the repeats."""
    return {
        name: float(np.median([float(str(repeat[name])) for repeat in repeats]))
        for name in repeats[0]
    }


def full_window(steps: list[StepCost], hop_s: float) -> Figures:
    """Cost of the calls whose window is full, each set against one hop of audio."""
    full = [step.seconds for step in steps if step.window_len >= FULL_WINDOW_LEN]
    longest_s = max((step.seconds for step in steps), default=0.0)
    if not full:
        return {"steps": 0, "longest_step_s": longest_s}
    return {
        "steps": len(full),
        "rtf": float(np.mean(full)) / hop_s,
        "rtf_p95": float(np.percentile(full, 95)) / hop_s,
        "longest_step_s": longest_s,
    }


def _spend(recognizer: Recognizer, stopwatch: Stopwatch, samples: Samples) -> Spent:
    encoder_s, decoder_s = stopwatch.encoder_s, stopwatch.decoder.seconds
    cpu_s, began = time.process_time(), time.perf_counter()
    happened = list(run_live(recognizer, samples))
    return Spent(
        audio_s=seconds_of(samples),
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_s,
        encoder_s=stopwatch.encoder_s - encoder_s,
        decoder_s=stopwatch.decoder.seconds - decoder_s,
        steps=tuple(item.step for item in happened if item.step is not None),
    )


def _offline_rtf(recognizer: Recognizer, clips: list[Clip]) -> float:
    """Each recording decoded whole, in one call."""
    began = time.perf_counter()
    for clip in clips:
        decode_whole(recognizer, clip.samples)
    return (time.perf_counter() - began) / sum(clip.seconds for clip in clips)


def _ingest_rtf(clips: list[Clip]) -> float:
    """Decoding and resampling alone, from 48 kHz."""
    factor = HIGH_RATE_HZ // SAMPLE_RATE
    pcm = to_pcm(np.repeat(np.concatenate([clip.samples for clip in clips]), factor))
    format = AudioFormat("pcm_s16le", HIGH_RATE_HZ, 1)
    ingest, pieces = Ingest(format), list(packets(format, [pcm], silence_ms=0))
    began = time.perf_counter()
    for packet in pieces:
        ingest.receive(packet)
    return (time.perf_counter() - began) / sum(clip.seconds for clip in clips)


def _grid(figures: Figures) -> Grid:
    rows = []
    for name in ("dev", "long", "all", "steady"):
        part = figures[name]
        assert isinstance(part, dict)
        keys = ("rtf", "encoder_rtf", "decoder_rtf", "session_rtf", "cpu_s_per_audio_s")
        rows.append((name, *(f"{part[key]:.4f}" for key in keys), f"{part['steps_per_s']:.2f}"))
    columns = ("audio", "RTF", "encoder", "decoder", "the rest", "CPU s / audio s", "steps / s")
    return Grid("Cost of one live stream, medians", columns, rows)


if __name__ == "__main__":
    main()
