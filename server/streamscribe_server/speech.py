"""What a client or a command line says of the speech, and of how to write it."""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, TypedDict

from streamscribe.options import CommitBy, Latency, Search, SessionOptions, Task
from streamscribe_protocol.messages import (
    CommitRule,
    LatencyPreset,
    SearchMethod,
    Start,
    TaskName,
)

_CHOICES: Final[dict[str, type[StrEnum]]] = {
    "task": Task,
    "commit_by": CommitBy,
    "latency": Latency,
    "search": Search,
}


class Speech(TypedDict):
    """Options of the same names; None, or no hotwords at all, says nothing."""

    language: str | None
    task: TaskName | None
    prompt: str | None
    commit_by: CommitRule | None
    latency: LatencyPreset | None
    search: SearchMethod | None
    beam_size: int | None
    temperature: float | None
    hotwords: tuple[str, ...]


def speech_of(start: Start) -> Speech:
    """What a client says."""
    return Speech(
        language=start.language,
        task=start.task,
        prompt=start.prompt,
        commit_by=start.commit_by,
        latency=start.latency,
        search=start.search,
        beam_size=start.beam_size,
        temperature=start.temperature,
        hotwords=start.hotwords,
    )


def told(options: SessionOptions, speech: Speech) -> SessionOptions:
    """``options`` with what ``speech`` says. Raises ``OptionError``."""
    said: dict[str, Any] = {**speech}
    given: dict[str, Any] = {
        name: _CHOICES[name](said[name]) if name in _CHOICES else said[name]
        for name in Speech.__annotations__
        if said[name] not in (None, ())
    }
    return replace(options, **given)
