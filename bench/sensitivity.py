"""How much framing alone moves the word error rate: whole files behind a little silence.

The same model, the same words, and a few milliseconds of digital silence before each file. What
the rate then does is luck of the framing; a difference that is not larger says nothing about two
systems. Beside it stands what taking the likelier text of two framings gives.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips, silence
from bench.decoding import model_of, text_of, whole_step
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from streamscribe.recognizer import Recognizer, load_recognizer

SHIFTS_MS: Final = (0, 10, 40, 100, 500)


@dataclass(frozen=True, slots=True)
class Hearing:
    """One clip decoded in one framing."""

    errors: Errors
    mean_log_prob: float


@bench_command("sensitivity")
def main(request: Request) -> Outcome:
    """Offline WER of dev, with each file shifted by a little silence before it."""
    recognizer = load_recognizer()
    clips = load_clips(request.speech / "dev", request.limit)
    heard = {
        shift_ms: [
            _hear(recognizer, clip, shift_ms)
            for clip in with_progress(clips, f"shifted by {shift_ms} ms")
        ]
        for shift_ms in SHIFTS_MS
    }
    by_shift = {shift: _wer_percent(hearings) for shift, hearings in heard.items()}
    by_pair = [
        _wer_percent(
            [max(two, key=lambda one: one.mean_log_prob) for two in zip(*pair, strict=True)]
        )
        for pair in combinations(heard.values(), 2)
    ]
    rates = list(by_shift.values())
    figures: Figures = {
        "wer_percent_by_shift_ms": {str(shift): rate for shift, rate in by_shift.items()},
        "spread_points": max(rates) - min(rates),
        "mean_wer_percent": float(np.mean(rates)),
        "likelier_of_two_mean_wer_percent": float(np.mean(by_pair)),
    }
    rows = [
        *((f"{shift} ms", f"{rate:.2f} %") for shift, rate in by_shift.items()),
        ("mean", f"{np.mean(rates):.2f} %"),
        ("the likelier of two, mean over all pairs", f"{np.mean(by_pair):.2f} %"),
    ]
    return Outcome(figures, (Grid("Offline WER by framing", ("silence before", "WER"), rows),))


def _hear(recognizer: Recognizer, clip: Clip, shift_ms: int) -> Hearing:
    samples = np.concatenate((silence(shift_ms / 1_000), clip.samples))
    result = model_of(recognizer).decode(whole_step(recognizer, samples))
    return Hearing(score(clip.text, text_of(recognizer, result)), result.mean_log_prob)


def _wer_percent(hearings: list[Hearing]) -> float:
    return wer_percent([hearing.errors for hearing in hearings])


if __name__ == "__main__":
    main()
