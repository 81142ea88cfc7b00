"""Text for recordings that have none: what a larger model hears, where it is sure."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from streamscribe import guards
from streamscribe.converting import ready_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import BundleError
from streamscribe.model import DecodeStep, Samples, StepKind
from streamscribe.tokens import decode
from streamscribe_export.ctc_head.corpus import Clip, load

LABELLER: Final = "moonshine-base-en"

DOUBTFUL_LOG_PROB: Final = -0.2
"""Labels whose tokens are less likely than this on average are dropped."""


def labelled(
    clips: Sequence[Clip], kept_in: Path, *, threads: int, heard: Callable[[str], None]
) -> list[Clip]:
    """``clips`` with text for each; those that the labeller is in doubt about are left out.

    kept_in: a file of labels, one JSON object a line; what is in it is not computed again.
    ``heard`` is told the name of each clip. Raises ``click.ClickException`` if the labeller is not
    here.
    """
    known = _read(kept_in)
    missing = [clip for clip in clips if clip.text is None and clip.name not in known]
    if missing:
        known |= _label(missing, kept_in, _labeller(threads), heard)
    return list(_with_labels(clips, known))


def _labeller(threads: int) -> EncoderDecoderModel:
    try:
        return EncoderDecoderModel(ready_bundle(LABELLER), threads=threads)
    except BundleError as error:
        raise click.ClickException(
            f"clips without text are labelled by {LABELLER}, which can't be used: {error}"
        ) from error


def _with_labels(clips: Iterable[Clip], known: dict[str, tuple[str, float]]) -> Iterable[Clip]:
    for clip in clips:
        if clip.text is not None:
            yield clip
        else:
            text, mean_log_prob = known[clip.name]
            if text and mean_log_prob >= DOUBTFUL_LOG_PROB:
                yield replace(clip, text=text)


def _label(
    clips: Sequence[Clip],
    kept_in: Path,
    labeller: EncoderDecoderModel,
    heard: Callable[[str], None],
) -> dict[str, tuple[str, float]]:
    found: dict[str, tuple[str, float]] = {}
    with kept_in.open("a", encoding="utf-8") as file:
        for clip in clips:
            text, mean_log_prob = _heard(labeller, load(clip))
            found[clip.name] = text, mean_log_prob
            entry = {"audio": clip.name, "text": text, "mean_log_prob": mean_log_prob}
            file.write(json.dumps(entry) + "\n")
            file.flush()
            heard(clip.name)
    return found


def _heard(labeller: EncoderDecoderModel, samples: Samples) -> tuple[str, float]:
    step = DecodeStep(
        samples=samples,
        forced=(),
        draft=(),
        max_new_tokens=guards.token_cap(len(samples), labeller.max_tokens_per_s),
        kind=StepKind.FINAL,
        due_at=len(samples),
    )
    result = labeller.decode(step)
    text = decode(result.tokens, labeller.tokens, ended=True).strip() if result.ended else ""
    return text, result.mean_log_prob


def _read(path: Path) -> dict[str, tuple[str, float]]:
    if not path.is_file():
        return {}
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {entry["audio"]: (entry["text"], entry["mean_log_prob"]) for entry in entries}
