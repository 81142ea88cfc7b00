"""Word error rate against the silence that closes a segment, soft pauses carrying context."""

from dataclasses import replace
from typing import Final

from bench.command import Request, bench_command
from bench.corpus import load_clips
from bench.decoding import decode_whole, final_text
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from streamscribe.events import Final as FinalEvent
from streamscribe.recognizer import load_recognizer, transcribe

SILENCES_MS: Final = (300, 500, 800, 1_200)
FOLDERS: Final = ("dev", "long")


@bench_command("endpoint_curve")
def main(request: Request) -> Outcome:
    """WER and number of segments at four lengths of the hard endpoint's silence."""
    recognizer = load_recognizer()
    folders = {name: load_clips(request.speech / name, request.limit) for name in FOLDERS}
    figures: Figures = {
        f"{name}_offline_wer_percent": wer_percent([
            score(clip.text, decode_whole(recognizer, clip.samples)) for clip in clips
        ])
        for name, clips in folders.items()
    }  # fmt: skip
    rows = []
    for silence_ms in SILENCES_MS:
        options = replace(
            recognizer.options,
            endpoint_silence_ms=silence_ms,
            soft_pause_ms=min(recognizer.options.soft_pause_ms, silence_ms),
        )
        at: Figures = {}
        for name, clips in folders.items():
            errors: list[Errors] = []
            segments = 0
            for clip in with_progress(clips, f"{name} at {silence_ms} ms"):
                events = list(transcribe(recognizer, clip.samples, options))
                errors.append(score(clip.text, final_text(events)))
                segments += sum(isinstance(event, FinalEvent) for event in events)
            at[name] = {"wer_percent": wer_percent(errors), "segments": segments}
            rows.append((f"{silence_ms} ms", name, f"{wer_percent(errors):.2f} %", str(segments)))
        figures[f"{silence_ms}_ms"] = at
    grid = Grid("WER by endpoint", ("silence waited for", "audio", "WER", "segments"), rows)
    return Outcome(figures, (grid,))


if __name__ == "__main__":
    main()
