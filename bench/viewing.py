"""What a viewer saw of each segment and when, and the delays that follow from it. Pure.

All times are seconds on the audio's clock: what is spoken at t reaches the system at t.
"""

import string
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamscribe import events as engine
from streamscribe.timeline import at_to_s
from streamscribe_cli.latency import delays as delays
from streamscribe_protocol import messages as wire

_PUNCTUATION = string.punctuation + "“”‘’…—–"


@dataclass(frozen=True, slots=True)
class Shown:
    """A text, and when it appeared."""

    text: str
    at_s: float


@dataclass(slots=True)
class View:
    """One segment as a viewer saw it; complete once ``final`` is there."""

    segment: int
    partials: list[Shown] = field(default_factory=list)
    rule: str = ""
    endpoint_s: float = 0.0
    """Position in the audio at which the rule fired."""
    final: Shown | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the engine or of the wire, and when it appeared."""

    event: object
    at_s: float


def views(seen: Iterable[Seen]) -> list[View]:
    """The segments of one stream, in order; events of other kinds are ignored."""
    segments: dict[int, View] = {}
    for item in seen:
        event, at_s = item.event, item.at_s
        match event:
            case engine.Partial() | wire.Partial():
                view = segments.setdefault(event.segment, View(event.segment))
                view.partials.append(Shown(event.text, at_s))
            case engine.Final() | wire.Final():
                view = segments.setdefault(event.segment, View(event.segment))
                view.final = Shown(event.text, at_s)
            case engine.Endpoint():
                view = segments.setdefault(event.segment, View(event.segment))
                view.rule, view.endpoint_s = str(event.rule), at_to_s(event.at)
            case wire.Endpoint():
                view = segments.setdefault(event.segment, View(event.segment))
                view.rule, view.endpoint_s = event.rule, event.at_ms / 1_000
    return [segments[segment] for segment in sorted(segments)]


def first_right_s(view: View) -> float | None:
    """When the first partial appeared whose first word is the final's.

    Case and punctuation aside. None if no partial began so, or the final is empty.
    """
    wanted = first_word(view.final.text) if view.final else ""
    if not wanted:
        return None
    return next((shown.at_s for shown in view.partials if first_word(shown.text) == wanted), None)


def first_word(text: str) -> str:
    """The first word without case and punctuation; empty if there is none."""
    return next(filter(None, map(bare_word, text.split())), "")


def bare_word(word: str) -> str:
    """A word without case and punctuation."""
    return word.strip(_PUNCTUATION).casefold()
