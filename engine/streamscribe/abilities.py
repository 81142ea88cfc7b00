"""What one model can do, and the errors for what it can't, as far as the families agree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamscribe.errors import OptionError, UnsupportedLanguage
from streamscribe.options import Search, SessionOptions, Task


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


def checked(options: SessionOptions, abilities: Abilities) -> SessionOptions:
    """``options`` with a task, and the language as the model spells it.

    Raises ``OptionError`` for a language, task, search or prompt that is not the model's.
    """
    model = abilities.model
    language = _language(options.language, abilities)
    usual = Task.TRANSCRIBE if Task.TRANSCRIBE in abilities.tasks else abilities.tasks[0]
    task = options.task or usual
    _one_of("task", task, abilities.tasks, model)
    if options.search is not None:
        _one_of("search", options.search, abilities.searches, model)
    if options.prompt.strip() and not abilities.prompt_tokens:
        allowed = f"no text: {model} takes no prompt"
        raise OptionError(name="prompt", got=shortened(options.prompt), allowed=allowed)
    return replace(options, language=language, task=task)


def shortened(text: str) -> str:
    """The beginning of ``text``, for a message."""
    return text if len(text) <= 40 else f"{text[:40]}..."


def _language(asked: str | None, abilities: Abilities) -> str | None:
    if asked is None:
        return None
    own = {language.lower(): language for language in abilities.languages}
    if asked.lower() not in own:
        raise UnsupportedLanguage(got=asked, allowed=abilities.languages, model=abilities.model)
    return own[asked.lower()]


def _one_of(name: str, got: str, allowed: Sequence[str], model: str) -> None:
    if got not in allowed:
        raise OptionError(
            name=name, got=str(got), allowed=f"{', '.join(allowed)}: what {model} can do"
        )
