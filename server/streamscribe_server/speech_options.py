"""The options of the command line that say what is spoken and how to write it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamscribe.options import (
    BEAM_SIZES,
    TEMPERATURES,
    CommitBy,
    Latency,
    Search,
    SessionOptions,
    Task,
)

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULTS = SessionOptions()


def speech_options(command: F) -> F:
    """Add the options of ``Speech``."""
    for option in reversed(
        (
            click.option(
                "--language",
                metavar="CODE",
                help="What is spoken, such as en [default: detected by models that can, else the"
                " model's own].",
            ),
            click.option(
                "--task",
                type=click.Choice([task.value for task in Task]),
                help="Write the words, or what they mean in English [default: transcribe].",
            ),
            click.option(
                "--prompt",
                metavar="TEXT",
                help="Text that came before, or words and names to expect, for models that take"
                " such text.",
            ),
            click.option(
                "--latency",
                type=click.Choice([preset.value for preset in Latency]),
                help="How long to wait for what follows before words are committed"
                " [default: medium].",
            ),
            click.option(
                "--commit-by",
                type=click.Choice([rule.value for rule in CommitBy]),
                help="What settles a seq2seq model's words: hypotheses that agree, or where in the"
                " audio they were spoken [default: alignment for Whisper, else agreement].",
            ),
            click.option(
                "--search",
                type=click.Choice([search.value for search in Search]),
                help="How text is found, by seq2seq models that of finals [default: greedy; beam"
                " with --language-model].",
            ),
            click.option(
                "--beam-size",
                type=click.IntRange(*BEAM_SIZES),
                metavar="N",
                help="Texts that compete in a seq2seq model's beam"
                f" [default: {_DEFAULTS.beam_size}].",
            ),
            click.option(
                "--temperature",
                type=click.FloatRange(*TEMPERATURES),
                metavar="T",
                help="How freely a seq2seq model's search 'sample' draws; 0: not at all"
                f" [default: {_DEFAULTS.temperature:g}].",
            ),
            click.option(
                "--hotword",
                "hotwords",
                metavar="TEXT",
                multiple=True,
                help="A word or phrase that a CTC model should lean towards. May be repeated.",
            ),
        )
    ):
        command = option(command)
    return command
