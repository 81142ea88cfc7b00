"""Whole files against the vendor's own native library: same audio, same weights, same run.

Per file, ours and theirs take turns, and the file's ratio is that of its two medians. Two ways:

``whole_file``
    One decode of the whole file by both; their detector's threshold is 0, which makes one line
    of everything (it still runs, a few per cent of their time).
``as_shipped``
    What each does with a file by default, once: both cut it by voice activity and decode the
    parts.

Their native time is compared; turning Python lists into C arrays and back is shown apart. Their
library takes no number of threads: those it starts are counted, and ours gets as many.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import click
import numpy as np

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.decoding import decode_whole, final_text
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import score, wer_percent
from bench.vendor import WHOLE_FILE, VendorRun, VendorTranscriber
from streamscribe.model import Samples
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe

GRAPHS: Final = 2
"""Encoder and decoder: each has a pool of threads, less the calling thread."""

Ours = Callable[[Samples], str]


@dataclass(frozen=True, slots=True)
class Race:
    """One file, several turns each."""

    clip: Clip
    ours_text: str
    ours_s: tuple[float, ...]
    theirs: tuple[VendorRun, ...]

    @property
    def ours_median_s(self) -> float:
        """Our median."""
        return float(np.median(self.ours_s))

    @property
    def theirs_median_s(self) -> float:
        """Their median, native part only."""
        return float(np.median([run.native_s for run in self.theirs]))


@bench_command("offline_speed")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
def main(request: Request, repeats: int) -> Outcome:
    """Speed on whole files against the vendor's native library, with the WER of both."""
    clips = [
        clip
        for name in ("dev", "long")
        for clip in load_clips(request.speech / name, request.limit)
    ]
    before = _threads()
    vendor = VendorTranscriber(WHOLE_FILE)
    their_threads = 1 + (_threads() - before) // GRAPHS
    recognizer = load_recognizer(threads=their_threads)
    figures: Figures = {
        "threads": {"theirs": their_threads, "ours": their_threads},
        "whole_file": _compare(
            clips, repeats, lambda samples: decode_whole(recognizer, samples), vendor
        ),
    }
    vendor.close()
    vendor = VendorTranscriber({})
    figures["as_shipped"] = _compare(
        clips, 1, lambda samples: _as_shipped(recognizer, samples), vendor
    )
    vendor.close()
    return Outcome(figures, (_grid(figures),))


def _as_shipped(recognizer: Recognizer, samples: Samples) -> str:
    """A whole file the way of ``streamscribe transcribe``: voice activity, finals only."""
    return final_text(transcribe(recognizer, samples, replace(recognizer.options, partials=False)))


def _compare(clips: list[Clip], repeats: int, ours: Ours, theirs: VendorTranscriber) -> Figures:
    _race(clips[0], 1, ours, theirs)  # warm-up, discarded
    races = [_race(clip, repeats, ours, theirs) for clip in with_progress(clips, "taking turns")]
    audio_s = sum(race.clip.seconds for race in races)
    ours_s = sum(race.ours_median_s for race in races)
    theirs_s = sum(race.theirs_median_s for race in races)
    marshalling_s = sum(np.median([run.marshalling_s for run in race.theirs]) for race in races)
    return {
        "speed_ratio": theirs_s / ours_s,
        "speed_ratio_median_file": float(
            np.median([race.theirs_median_s / race.ours_median_s for race in races])
        ),
        "files_where_ours_is_faster": sum(
            race.ours_median_s < race.theirs_median_s for race in races
        ),
        "files": len(races),
        "ours_rtf": ours_s / audio_s,
        "theirs_rtf": theirs_s / audio_s,
        "their_marshalling_rtf": float(marshalling_s) / audio_s,
        "their_lines": sum(race.theirs[0].lines for race in races),
        "ours_wer_percent": wer_percent([score(r.clip.text, r.ours_text) for r in races]),
        "theirs_wer_percent": wer_percent([score(r.clip.text, r.theirs[0].text) for r in races]),
        "per_file": {
            race.clip.name: {
                "ours_s": list(race.ours_s),
                "theirs_s": [run.native_s for run in race.theirs],
                "their_marshalling_s": [run.marshalling_s for run in race.theirs],
            }
            for race in races
        },
    }


def _race(clip: Clip, repeats: int, ours: Ours, theirs: VendorTranscriber) -> Race:
    """Take turns, so that a slow minute of the machine hits both."""
    text, ours_s, their_runs = "", [], []
    for _ in range(repeats):
        began = time.perf_counter()
        text = ours(clip.samples)
        ours_s.append(time.perf_counter() - began)
        their_runs.append(theirs.transcribe(clip.samples))
    return Race(clip, text, tuple(ours_s), tuple(their_runs))


def _threads() -> int:
    """Threads that this process has now."""
    return len(os.listdir("/proc/self/task"))


def _grid(figures: Figures) -> Grid:
    rows = []
    for name in ("whole_file", "as_shipped"):
        part = figures[name]
        assert isinstance(part, dict)
        keys = ("speed_ratio", "ours_rtf", "theirs_rtf", "their_marshalling_rtf")
        rows.append((
            name, *(f"{part[key]:.4g}" for key in keys),
            f"{part['ours_wer_percent']:.2f} %", f"{part['theirs_wer_percent']:.2f} %",
        ))  # fmt: skip
    columns = (
        "decoded", "times as fast", "our RTF", "their RTF", "their lists' RTF", "our WER",
        "their WER",
    )  # fmt: skip
    return Grid("Offline speed against the vendor's library", columns, rows)


if __name__ == "__main__":
    main()
