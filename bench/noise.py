"""Words invented where nobody speaks."""

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from streamscribe.events import Final as FinalEvent
from streamscribe.events import Partial, SpeechStarted
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe
from streamscribe.vad import VADS, make_vad


@bench_command("noise")
def main(request: Request) -> Outcome:
    """Words in finals and in partials per hour of ambience and music, with each detector."""
    loaded = load_recognizer()
    clips = load_clips(request.speech / "noise", request.limit)
    figures: Figures = {"audio_s": sum(clip.seconds for clip in clips)}
    rows = []
    for vad in VADS:
        recognizer = Recognizer(loaded.model, make_vad(vad), loaded.options)
        part = _count(recognizer, clips, vad)
        figures[vad] = part
        rows.append((
            vad, f"{part['final_words_per_hour']:.0f}", f"{part['partial_words_per_hour']:.0f}",
            f"{part['segments_per_hour']:.0f}", f"{part['empty_segments']}",
        ))  # fmt: skip
    columns = ("detector", "words in finals / h", "in partials / h", "segments / h", "empty")
    return Outcome(figures, (Grid("Words from noise", columns, rows),))


def _count(recognizer: Recognizer, clips: list[Clip], vad: str) -> Figures:
    final_words = partial_words = segments = empty = 0
    words_by_clip: Figures = {}
    for clip in with_progress(clips, f"noise, {vad}"):
        most_shown = clip_words = 0
        for event in transcribe(recognizer, clip.samples):
            match event:
                case SpeechStarted():
                    segments += 1
                    most_shown = 0
                case Partial(text=text):
                    most_shown = max(most_shown, len(text.split()))
                case FinalEvent(text=text):
                    clip_words += len(text.split())
                    partial_words += most_shown
                    empty += not text
        words_by_clip[clip.name] = clip_words
        final_words += clip_words
    hours = sum(clip.seconds for clip in clips) / 3_600
    return {
        "final_words_per_hour": final_words / hours,
        "partial_words_per_hour": partial_words / hours,
        "segments_per_hour": segments / hours,
        "empty_segments": empty,
        "final_words_by_clip": words_by_clip,
    }


if __name__ == "__main__":
    main()
