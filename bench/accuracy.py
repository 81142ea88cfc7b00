"""Streaming accuracy: what the streamed text loses against the same model given whole files.

Offline is one greedy, step-wise decode of each whole file, whatever its length. The files of
``long`` outlast the 30 s or so that the model was trained on, where whole files lose words; so a
second baseline decodes them in pieces of at most 30 s, cut in their quietest places.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from bench.bootstrap import paired_difference
from bench.churn import Churn, count_churn
from bench.command import Request, bench_command
from bench.corpus import Clip, join, load_clips
from bench.decoding import decode_in_pieces, decode_whole, final_text
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, score_parts, wer_percent
from streamscribe.events import Event
from streamscribe.events import Final as FinalEvent
from streamscribe.model import Samples
from streamscribe.options import Commit
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe

GAP_S: Final = 0.6
"""Silence between the clips that are joined to one session."""
PIECE_MS: Final = 30_000

Baselines = dict[str, list[Errors]]
"""Errors per clip of whole files, by the way in which they were decoded."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """One way of streaming one set of clips."""

    errors: Sequence[Errors]
    """One per clip."""
    churn: Churn
    finals: int

    def figures(self, baselines: Baselines) -> Figures:
        """The same as numbers, beside the errors of other decodes of the same clips."""
        return {
            "wer_percent": wer_percent(self.errors),
            **{
                f"above_{name}": asdict(paired_difference(self.errors, errors))
                for name, errors in baselines.items()
            },
            "churn": self.churn.figures(),
            "finals": self.finals,
        }


@bench_command("accuracy")
def main(request: Request) -> Outcome:
    """WER of the streamed text beside the same model's on whole files, and churn."""
    recognizer = load_recognizer()
    dev = load_clips(request.speech / "dev", request.limit)
    long = load_clips(request.speech / "long", request.limit)
    whole_dev = {"offline": _whole(recognizer, dev, "dev")}
    whole_long = {
        "offline": _whole(recognizer, long, "long"),
        "offline_in_pieces": _in_pieces(recognizer, long, "long"),
    }
    figures: Figures = {
        "dev": _file_by_file(recognizer, dev, whole_dev, "dev"),
        "joined": {"gap_s": GAP_S, **_as_one_session(recognizer, dev, whole_dev)},
        "long": {"piece_ms": PIECE_MS, **_file_by_file(recognizer, long, whole_long, "long")},
    }
    return Outcome(figures, (_grid(figures),))


def _whole(recognizer: Recognizer, clips: list[Clip], name: str) -> list[Errors]:
    return [
        score(clip.text, decode_whole(recognizer, clip.samples))
        for clip in with_progress(clips, f"{name}, whole files")
    ]


def _in_pieces(recognizer: Recognizer, clips: list[Clip], name: str) -> list[Errors]:
    return [
        score(clip.text, decode_in_pieces(recognizer, clip.samples, PIECE_MS))
        for clip in with_progress(clips, f"{name}, in pieces")
    ]


def _file_by_file(
    recognizer: Recognizer, clips: list[Clip], baselines: Baselines, name: str
) -> Figures:
    streamed = {}
    for commit in Commit:
        runs = [
            _stream(recognizer, clip.samples, commit)
            for clip in with_progress(clips, f"{name}, commit {commit}")
        ]
        errors = [score(clip.text, final_text(run)) for clip, run in zip(clips, runs, strict=True)]
        streamed[commit] = _streamed([event for run in runs for event in run], errors)
    return _figures(clips, baselines, streamed)


def _as_one_session(recognizer: Recognizer, clips: list[Clip], baselines: Baselines) -> Figures:
    samples = join([clip.samples for clip in clips], GAP_S)
    streamed = {}
    for commit in with_progress(list(Commit), "joined"):
        events = _stream(recognizer, samples, commit)
        errors = score_parts([clip.text for clip in clips], final_text(events))
        streamed[commit] = _streamed(events, errors)
    return _figures(clips, baselines, streamed)


def _stream(recognizer: Recognizer, samples: Samples, commit: Commit) -> list[Event]:
    return list(transcribe(recognizer, samples, replace(recognizer.options, commit=commit)))


def _streamed(events: list[Event], errors: list[Errors]) -> Streamed:
    finals = sum(isinstance(event, FinalEvent) for event in events)
    return Streamed(errors, count_churn(events), finals)


def _figures(clips: list[Clip], baselines: Baselines, streamed: dict[Commit, Streamed]) -> Figures:
    errors = baselines | {str(commit): list(run.errors) for commit, run in streamed.items()}
    words = [part.words for part in baselines["offline"]]
    return {
        "audio_s": sum(clip.seconds for clip in clips),
        "words": sum(words),
        **{name: {"wer_percent": wer_percent(parts)} for name, parts in baselines.items()},
        **{str(commit): run.figures(baselines) for commit, run in streamed.items()},
        "errors_per_clip": {
            clip.name: {
                "words": words[index],
                **{name: parts[index].total for name, parts in errors.items()},
            }
            for index, clip in enumerate(clips)
        },
    }


def _grid(figures: Figures) -> Grid:
    rows = []
    for folder, part in figures.items():
        assert isinstance(part, dict)
        for name in ("offline", "offline_in_pieces"):
            if name in part:
                rows.append((folder, name, f"{part[name]['wer_percent']:.2f} %", "", "", "", ""))
        for commit in Commit:
            run = part[commit.value]
            above, churn = run["above_offline"], run["churn"]
            rows.append((
                folder, f"commit {commit}", f"{run['wer_percent']:.2f} %",
                f"{above['points']:+.2f}", f"{above['low']:+.2f} .. {above['high']:+.2f}",
                f"{churn['per_final_word']:.3f} ({churn['per_final_word_case_aside']:.3f})",
                f"{churn['committed_changed']}",
            ))  # fmt: skip
    columns = (
        "audio", "decoded", "WER", "above offline", "95 % interval", "churn (case aside)",
        "committed changed",
    )  # fmt: skip
    return Grid("Streaming accuracy", columns, rows)


if __name__ == "__main__":
    main()
