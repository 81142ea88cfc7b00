"""What a seq2seq model can be asked for, and the errors for what it can't."""

from dataclasses import replace
from typing import Final

from streamscribe.abilities import Abilities, checked, shortened
from streamscribe.errors import OptionError
from streamscribe.options import CommitBy, Latency, Search, SessionOptions
from streamscribe.timeline import SAMPLE_RATE

SLACK_LEN: Final = 2 * SAMPLE_RATE
"""What a window may become longer than ``window_ms`` before it is cut, and silence after it."""


def resolve(options: SessionOptions, abilities: Abilities, prompt_tokens: int) -> SessionOptions:
    """``options`` with what was left open; ``OptionError`` for what the model can't follow.

    prompt_tokens: how many tokens the options' prompt is.
    """
    model = abilities.model
    if options.hotwords:
        allowed = f"an empty list: {model} can't be biased"
        raise OptionError(name="hotwords", got=list(options.hotwords), allowed=allowed)
    asked = checked(options, abilities)
    usual = CommitBy.ALIGNMENT if abilities.aligns else CommitBy.AGREEMENT
    commit_by = options.commit_by or usual
    if commit_by is CommitBy.ALIGNMENT and not abilities.aligns:
        allowed = f"agreement: {model} does not say where its words were spoken"
        raise OptionError(name="commit_by", got=commit_by.value, allowed=allowed)
    if prompt_tokens > abilities.prompt_tokens:
        allowed = f"at most {abilities.prompt_tokens} tokens of {model}; it has {prompt_tokens}"
        raise OptionError(name="prompt", got=shortened(options.prompt), allowed=allowed)
    _check_window(options.window_ms, abilities)
    return replace(
        asked,
        search=options.search or Search.GREEDY,
        commit_by=commit_by,
        latency=options.latency or Latency.MEDIUM,
    )


def _check_window(window_ms: int, abilities: Abilities) -> None:
    if abilities.longest_len is None:
        return
    most_ms = (abilities.longest_len - SLACK_LEN) * 1_000 // SAMPLE_RATE
    if window_ms > most_ms:
        allowed = f"at most {most_ms}: what {abilities.model} has positions for, less some slack"
        raise OptionError(name="window_ms", got=window_ms, allowed=allowed)
