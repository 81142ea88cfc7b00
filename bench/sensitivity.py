"""How much framing alone moves the word error rate: whole files behind a little silence.

The same model, the same words, and a few milliseconds of digital silence before each file. What
the rate then does is luck of the framing; a difference that is not larger says nothing about two
systems.
"""

from typing import Final

import numpy as np

from bench.command import Request, bench_command
from bench.corpus import load_clips, silence
from bench.decoding import decode_whole
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import score, wer_percent
from streamscribe.recognizer import load_recognizer

SHIFTS_MS: Final = (0, 10, 40, 100, 500)


@bench_command("sensitivity")
def main(request: Request) -> Outcome:
    """Offline WER of dev, with each file shifted by a little silence before it."""
    recognizer = load_recognizer()
    clips = load_clips(request.speech / "dev", request.limit)
    by_shift: dict[int, float] = {}
    for shift_ms in SHIFTS_MS:
        head = silence(shift_ms / 1_000)
        by_shift[shift_ms] = wer_percent([
            score(clip.text, decode_whole(recognizer, np.concatenate((head, clip.samples))))
            for clip in with_progress(clips, f"shifted by {shift_ms} ms")
        ])  # fmt: skip
    rates = list(by_shift.values())
    figures: Figures = {
        "wer_percent_by_shift_ms": {str(shift): rate for shift, rate in by_shift.items()},
        "spread_points": max(rates) - min(rates),
        "mean_wer_percent": float(np.mean(rates)),
    }
    rows = [(f"{shift} ms", f"{rate:.2f} %") for shift, rate in by_shift.items()]
    return Outcome(figures, (Grid("Offline WER by framing", ("silence before", "WER"), rows),))


if __name__ == "__main__":
    main()
