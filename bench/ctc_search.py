"""What a language model and hotwords do to a CTC model's text, and what they cost.

Everything is streamed through the whole engine with the usual preset. The hotwords are the long
words that the recordings' references have once, as a user who knows the agenda would give them,
hidden among as many times more that nobody says.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import click
import numpy as np

from bench.bootstrap import paired_difference
from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.decoding import final_text
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, score, wer_percent
from streamscribe.options import Search, SessionOptions
from streamscribe.recognizer import Recognizer, load_recognizer, transcribe
from streamscribe.timeline import SAMPLE_RATE

MODEL: Final = "moonshine-tiny-en-ctc"
LANGUAGE_MODEL: Final = "pocketsphinx"
SHORTEST_HOTWORD: Final = 7
"""Letters."""
DECOYS: Final = 4
"""Hotwords that nobody says, for each that is said."""
MOST_HOTWORDS: Final = 1_000
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One way of searching, over all clips."""

    errors: list[Errors]
    texts: list[str]
    rtf: float


@bench_command("ctc_search")
@click.option("--model", default=MODEL, show_default=True, help="Name or folder of a CTC model.")
@click.option(
    "--language-model", default=LANGUAGE_MODEL, show_default=True, help="As `serve` takes it."
)
def main(request: Request, model: str, language_model: str) -> Outcome:
    """WER of a CTC model: greedy, with a beam, with a language model, and with hotwords."""
    clips = load_clips(request.speech / "dev", request.limit)
    said = _long_words_said_once(clips)
    plain = load_recognizer(model)
    judged = load_recognizer(model, language_model=language_model)
    hotwords = _hidden(said, _other_long_words(request.speech))
    greedy, beam = (replace(plain.options, search=search) for search in Search)
    ways: dict[str, tuple[Recognizer, SessionOptions]] = {
        "greedy": (plain, greedy),
        "greedy_hotwords": (plain, replace(greedy, hotwords=hotwords)),
        "beam": (plain, beam),
        "beam_hotwords": (plain, replace(beam, hotwords=hotwords)),
        "language_model": (judged, beam),
        "language_model_hotwords": (judged, replace(beam, hotwords=hotwords)),
    }
    runs = {name: _run(name, clips, *way) for name, way in ways.items()}
    found = {name: _share_found(said, clips, run.texts) for name, run in runs.items()}
    baseline = runs["greedy"].errors
    figures: Figures = {
        "model": plain.model.name,
        "language_model": language_model,
        "hotwords": {"given": len(hotwords), "said": len(said)},
        "ways": {
            name: {
                "wer_percent": wer_percent(run.errors),
                "above_greedy": asdict(paired_difference(run.errors, baseline)),
                "hotwords_found_percent": found[name],
                "rtf": run.rtf,
            }
            for name, run in runs.items()
        },
    }
    return Outcome(figures, (_grid(runs, found, baseline),))


def _run(name: str, clips: Sequence[Clip], recognizer: Recognizer, options: SessionOptions) -> Run:
    began = time.perf_counter()
    texts = [
        final_text(transcribe(recognizer, clip.samples, options))
        for clip in with_progress(clips, name)
    ]
    seconds = sum(len(clip.samples) for clip in clips) / SAMPLE_RATE
    rtf = (time.perf_counter() - began) / seconds
    return Run(
        [score(clip.text, text) for clip, text in zip(clips, texts, strict=True)], texts, rtf
    )


def _long_words_said_once(clips: Iterable[Clip]) -> list[str]:
    counts = Counter(word for clip in clips for word in clip.text.lower().split())
    return [word for word, n in counts.items() if n == 1 and len(word) >= SHORTEST_HOTWORD]


def _other_long_words(speech: Path) -> list[str]:
    """Long words of recordings of other people, which are read as text alone."""
    manifest = (speech / "train" / "manifest.jsonl").read_text(encoding="utf-8")
    texts = [str(json.loads(line)["text"] or "") for line in manifest.splitlines()]
    words = {word for text in texts for word in _words(text)}
    return sorted(word for word in words if len(word) >= SHORTEST_HOTWORD)


def _words(text: str) -> list[str]:
    return "".join(c if c.isalpha() or c == "'" else " " for c in text.lower()).split()


def _hidden(said: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """The words that are said among others, in random order."""
    rng = np.random.default_rng(SEED)
    unsaid = [word for word in others if word not in set(said)]
    decoys = [unsaid[i] for i in rng.permutation(len(unsaid))][: DECOYS * len(said)]
    both = [*said, *decoys][:MOST_HOTWORDS]
    return tuple(both[i] for i in rng.permutation(len(both)))


def _share_found(said: Sequence[str], clips: Sequence[Clip], texts: Sequence[str]) -> float:
    """Percent of the words that are in the text of the recording that says them."""
    found = sum(
        word in _words(text)
        for clip, text in zip(clips, texts, strict=True)
        for word in set(said) & set(clip.text.lower().split())
    )
    return 100 * found / len(said)


def _grid(runs: Mapping[str, Run], found: Mapping[str, float], baseline: Sequence[Errors]) -> Grid:
    rows = []
    for name, run in runs.items():
        above = paired_difference(run.errors, baseline)
        rows.append((
            name, f"{wer_percent(run.errors):.2f} %",
            f"{above.points:+.2f} ({above.low:+.2f} .. {above.high:+.2f})",
            f"{found[name]:.0f} %", f"{run.rtf:.3f}",
        ))  # fmt: skip
    columns = ("search", "WER", "above greedy", "hotwords found", "RTF")
    return Grid("Search of a CTC model", columns, rows)


if __name__ == "__main__":
    main()
