"""Churn: how often words change after they were shown.

Word ``i`` of a segment changes when the next text of that segment has another word at position
``i``, or none. An insertion in the middle therefore changes every word after it, as it does on
the viewer's screen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.outcome import Figures
from bench.scoring import normal_words
from streamscribe.events import Event, Final, Partial


@dataclass(frozen=True, slots=True)
class Churn:
    """Counts over any number of segments."""

    changed: int
    """Changes of shown words, punctuation and case included."""
    changed_words: int
    """The same without changes of punctuation and case alone."""
    committed_changed: int
    """Texts that did not begin with what was committed before."""
    final_words: int

    def figures(self) -> Figures:
        """The counts, and the rates per final word."""
        return {
            "changed": self.changed,
            "changed_words": self.changed_words,
            "committed_changed": self.committed_changed,
            "final_words": self.final_words,
            "per_final_word": self.changed / max(1, self.final_words),
            "per_final_word_case_aside": self.changed_words / max(1, self.final_words),
        }


def count_churn(events: Iterable[Event]) -> Churn:
    """Churn of one or more streams' events, each stream's in order."""
    shown, shown_plain, promised = "", "", ""
    changed = changed_words = broken = final_words = 0
    for event in events:
        if not isinstance(event, Partial | Final):
            continue
        plain = " ".join(normal_words(event.text))
        changed += changed_positions(shown.split(), event.text.split())
        changed_words += changed_positions(shown_plain.split(), plain.split())
        committed = event.text[: event.committed] if isinstance(event, Partial) else event.text
        broken += not (event.text.startswith(promised) and len(committed) >= len(promised))
        shown, shown_plain, promised = event.text, plain, committed
        if isinstance(event, Final):
            final_words += len(event.text.split())
            shown = shown_plain = promised = ""
    return Churn(changed, changed_words, broken, final_words)


def changed_positions(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words of ``before`` are not the word of ``after`` at the same position."""
    kept = sum(old == new for old, new in zip(before, after, strict=False))
    return len(before) - kept
