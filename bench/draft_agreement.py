"""How often verifying a draft gives another text than decoding token by token.

A draft's later tokens can shift the logits of earlier ones by the rounding of sums, no more. The
draft is what live streaming would have: the hypothesis for the same
audio less its last half second.
"""

from dataclasses import dataclass
from typing import Final

from bench.command import Request, bench_command
from bench.corpus import Clip, load_clips
from bench.decoding import model_of, text_of, whole_step
from bench.outcome import Figures, Grid, Outcome
from bench.progress import with_progress
from bench.scoring import Errors, normal_words, score, wer_percent
from streamscribe.model import Samples
from streamscribe.recognizer import Recognizer, load_recognizer
from streamscribe.timeline import ms_to_len

DRAFT_LAG_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """One utterance decoded both ways."""

    tokens_differ: bool
    words_differ: bool
    stepwise: Errors
    drafted: Errors


@bench_command("draft_agreement")
def main(request: Request) -> Outcome:
    """Utterances of dev whose tokens or words depend on whether a draft was verified."""
    recognizer = load_recognizer()
    clips = load_clips(request.speech / "dev", request.limit)
    pairs = [_both_ways(recognizer, clip) for clip in with_progress(clips, "dev")]
    tokens = sum(pair.tokens_differ for pair in pairs)
    words = sum(pair.words_differ for pair in pairs)
    stepwise = wer_percent([pair.stepwise for pair in pairs])
    drafted = wer_percent([pair.drafted for pair in pairs])
    figures: Figures = {
        "utterances": len(pairs),
        "draft_lag_ms": DRAFT_LAG_MS,
        "tokens_differ": tokens,
        "tokens_differ_percent": 100 * tokens / len(pairs),
        "words_differ": words,
        "words_differ_percent": 100 * words / len(pairs),
        "stepwise_wer_percent": stepwise,
        "drafted_wer_percent": drafted,
    }
    rows = [
        ("utterances", str(len(pairs))),
        ("with other tokens", f"{tokens} ({100 * tokens / len(pairs):.0f} %)"),
        ("with other words", f"{words} ({100 * words / len(pairs):.0f} %)"),
        ("WER, token by token", f"{stepwise:.2f} %"),
        ("WER, draft verified", f"{drafted:.2f} %"),
    ]
    return Outcome(figures, (Grid("Draft verification", ("dev", ""), rows),))


def _both_ways(recognizer: Recognizer, clip: Clip) -> Pair:
    model = model_of(recognizer)

    def tokens_of(samples: Samples, draft: tuple[int, ...] = ()) -> tuple[int, ...]:
        return model.decode(whole_step(recognizer, samples, draft)).tokens

    earlier = clip.samples[: -ms_to_len(DRAFT_LAG_MS)]
    stepwise = model.decode(whole_step(recognizer, clip.samples))
    step = whole_step(recognizer, clip.samples, draft=tokens_of(earlier))
    drafted = model.decode(step)
    stepwise_text, drafted_text = text_of(recognizer, stepwise), text_of(recognizer, drafted)
    return Pair(
        tokens_differ=stepwise.tokens != drafted.tokens,
        words_differ=normal_words(stepwise_text) != normal_words(drafted_text),
        stepwise=score(clip.text, stepwise_text),
        drafted=score(clip.text, drafted_text),
    )


if __name__ == "__main__":
    main()
