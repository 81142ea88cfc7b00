"""What a seq2seq model can be asked for, and the errors for what it can't."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamscribe.errors import OptionError
from streamscribe.options import CommitBy, Latency, Search, SessionOptions, Task
from streamscribe.timeline import SAMPLE_RATE

SLACK_LEN: Final = 2 * SAMPLE_RATE
"""What a window may become longer than ``window_ms`` before it is cut, and silence after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What one model can do."""

    model: str
    languages: Sequence[str]
    tasks: Sequence[Task] = (Task.TRANSCRIBE,)
    searches: Sequence[Search] = (Search.GREEDY,)
    aligns: bool = False
    """Whether it says where tokens were spoken."""
    prompt_tokens: int = 0
    """Most tokens of earlier text that it takes."""
    longest_len: int | None = None
    """Most samples of one window."""


def resolve(options: SessionOptions, abilities: Abilities, prompt_tokens: int) -> SessionOptions:
    """``options`` with what was left open; ``OptionError`` for what the model can't follow.

    prompt_tokens: how many tokens the options' prompt is.
    """
    model = abilities.model
    if options.hotwords:
        allowed = f"an empty list: {model} can't be biased"
        raise OptionError(name="hotwords", got=list(options.hotwords), allowed=allowed)
    language = None if options.language is None else options.language.lower()
    if language is not None and language not in abilities.languages:
        allowed = f"{', '.join(abilities.languages)}: the languages of {model}"
        raise OptionError(name="language", got=options.language, allowed=allowed)
    _one_of("task", options.task, abilities.tasks, model)
    search = options.search or Search.GREEDY
    _one_of("search", search, abilities.searches, model)
    commit_by = options.commit_by or CommitBy.AGREEMENT
    if commit_by is CommitBy.ALIGNMENT and not abilities.aligns:
        allowed = f"agreement: {model} does not say where its words were spoken"
        raise OptionError(name="commit_by", got=commit_by.value, allowed=allowed)
    _check_prompt(options.prompt, abilities, prompt_tokens)
    _check_window(options.window_ms, abilities)
    return replace(
        options,
        language=language,
        search=search,
        commit_by=commit_by,
        latency=options.latency or Latency.MEDIUM,
    )


def _one_of(name: str, got: str, allowed: Sequence[str], model: str) -> None:
    if got not in allowed:
        raise OptionError(
            name=name, got=str(got), allowed=f"{', '.join(allowed)}: what {model} can do"
        )


def _check_prompt(prompt: str, abilities: Abilities, tokens: int) -> None:
    if prompt.strip() and not abilities.prompt_tokens:
        allowed = f"no text: {abilities.model} takes no prompt"
        raise OptionError(name="prompt", got=_shortened(prompt), allowed=allowed)
    if tokens > abilities.prompt_tokens:
        allowed = f"at most {abilities.prompt_tokens} tokens of {abilities.model}; it has {tokens}"
        raise OptionError(name="prompt", got=_shortened(prompt), allowed=allowed)


def _check_window(window_ms: int, abilities: Abilities) -> None:
    if abilities.longest_len is None:
        return
    most_ms = (abilities.longest_len - SLACK_LEN) * 1_000 // SAMPLE_RATE
    if window_ms > most_ms:
        allowed = f"at most {most_ms}: what {abilities.model} has positions for, less some slack"
        raise OptionError(name="window_ms", got=window_ms, allowed=allowed)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
