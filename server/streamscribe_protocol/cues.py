"""Finals to caption cues: who stands on the screen from when to when, on which lines.

1. *Where to break.* Within a final, words are grouped into cues by dynamic programming: of all
   groupings whose cues fit on the screen and last at most ``MAX_CUE_MS``, the one whose breaks
   read best (``_break_cost``). A cue never holds words of two finals.
2. *When to show.* A cue starts with its first word and ends with its last; a short one is
   shown for ``MIN_CUE_MS``, but never into the next one.

Every word stands in exactly one cue, in order, whatever the times of the words are. Cues are
ordered, last at least 1 ms and never overlap.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from streamscribe_protocol.server_messages import Final

LINE_CHARACTERS = 42
"""Longest line; a single longer word has a line of its own."""
MIN_CUE_MS = 1_000
"""Shortest time that a cue is shown, where the next one leaves it that much."""
MAX_CUE_MS = 7_000
"""Longest time that a cue is shown."""
CLEAR_PAUSE_MS = 400
"""A pause of this length is as good a place for a break as a comma."""
LONG_PAUSE_MS = 1_500
"""A pause of this length always ends a cue, so that nothing is shown long before it is said."""

_SENTENCE_END, _CLAUSE_END = tuple(".?!…。？！"), tuple(",;:،、，；：—–")
_CLOSING_MARKS = "\"'”’»)]"

# Costs of the grouping; only their order matters. A break inside a phrase costs more than two
# cues, so that a cue is rather left short.
_NEW_CUE = 4.0
_CLAUSE_BREAK = 3.0
_PHRASE_BREAK = 9.0
_BREAK_AFTER_SHORT_WORD = 12.0  # mostly an article or preposition, which belongs to what follows
_SHORT_WORD_CHARACTERS = 3
_TOO_SHORT_TO_READ = 10.0
_LINE_BREAK_SHARE = 1 / 6  # of a break's cost within a cue; a line of imbalance costs 1


@dataclass(frozen=True, slots=True)
class Cue:
    """One caption: one or two lines, shown from ``start_ms`` until ``end_ms``."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Timed:
    """A word, or the words of one cue, with the times of the speech."""

    text: str
    start_ms: int
    end_ms: int


def cues_of(finals: Iterable[Final]) -> list[Cue]:
    """The cues of all finals; ``finals`` are in the order in which they were received."""
    groups = [group for final in finals for group in _grouped(_words_of(final))]
    spans = [_Timed("", group[0].start_ms, group[-1].end_ms) for group in groups]
    layouts = [_lines_of(group) for group in groups]
    return [
        Cue(start_ms, end_ms, layout[1])
        for (start_ms, end_ms), layout in zip(_shown(spans), layouts, strict=True)
        if layout is not None
    ]


def _words_of(final: Final) -> list[_Timed]:
    """The final's words without white space, or its text spread over its time if it has none."""
    timed = [
        _Timed(" ".join(word.text.split()), word.start_ms, word.end_ms) for word in final.words
    ]
    words = [word for word in timed if word.text]
    texts = [] if words else final.text.split()
    characters = sum(map(len, texts))
    so_far = 0
    for text in texts:
        start_ms, so_far = _at_share(final, so_far / characters), so_far + len(text)
        words.append(_Timed(text, start_ms, _at_share(final, so_far / characters)))
    return words


def _at_share(final: Final, share: float) -> int:
    return final.start_ms + round(share * (final.end_ms - final.start_ms))


def _grouped(words: list[_Timed]) -> list[list[_Timed]]:
    """The cheapest grouping of one final's words into cues."""
    cheapest: list[tuple[float, int]] = [(0.0, 0)]  # per word count: cost, start of its last cue
    for end in range(1, len(words) + 1):
        choices: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            layout = _lines_of(words[start:end])
            if layout is None or _has_long_pause(words[start:end][:2]):
                break
            too_long = words[end - 1].end_ms - words[start].start_ms > MAX_CUE_MS
            if not too_long or start == end - 1:
                cost = cheapest[start][0] + layout[0] + _cue_cost(words, start, end)
                choices.append((cost, start))
        cheapest.append(min(choices))
    groups: list[list[_Timed]] = []
    end = len(words)
    while end > 0:
        start = cheapest[end][1]
        groups.append(words[start:end])
        end = start
    return groups[::-1]


def _has_long_pause(words: list[_Timed]) -> bool:
    return any(after.start_ms - before.end_ms >= LONG_PAUSE_MS for before, after in pairwise(words))


def _cue_cost(words: list[_Timed], start: int, end: int) -> float:
    if end == len(words):
        return _NEW_CUE
    too_short = words[end].start_ms - words[start].start_ms < MIN_CUE_MS
    cost = _NEW_CUE + _break_cost(words[end - 1], words[end])
    return cost + (_TOO_SHORT_TO_READ if too_short else 0.0)


def _break_cost(before: _Timed, after: _Timed) -> float:
    """How badly a break between two words reads."""
    bare = before.text.rstrip(_CLOSING_MARKS)
    if bare.endswith(_SENTENCE_END):
        return 0.0
    if bare.endswith(_CLAUSE_END) or after.start_ms - before.end_ms >= CLEAR_PAUSE_MS:
        return _CLAUSE_BREAK
    if len(bare) <= _SHORT_WORD_CHARACTERS:
        return _BREAK_AFTER_SHORT_WORD
    return _PHRASE_BREAK


def _lines_of(words: list[_Timed]) -> tuple[float, tuple[str, ...]] | None:
    """Cost and lines of the best layout on one or two lines; None if the words don't fit."""
    whole = " ".join(word.text for word in words)
    if len(whole) <= LINE_CHARACTERS or len(words) == 1:
        return 0.0, (whole,)
    layouts: list[tuple[float, tuple[str, ...]]] = []
    upper_characters = -1
    for split in range(1, len(words)):
        upper_characters += 1 + len(words[split - 1].text)
        upper, lower = whole[:upper_characters], whole[upper_characters + 1 :]
        fits = len(upper) <= LINE_CHARACTERS or split == 1
        if fits and (len(lower) <= LINE_CHARACTERS or split == len(words) - 1):
            imbalance = abs(len(upper) - len(lower)) / LINE_CHARACTERS
            read = _LINE_BREAK_SHARE * _break_cost(words[split - 1], words[split])
            layouts.append((imbalance + read, (upper, lower)))
    return min(layouts, default=None)


def _shown(spans: list[_Timed]) -> list[tuple[int, int]]:
    """When each cue is shown, from when its words were spoken."""
    starts: list[int] = []
    for span in spans:
        starts.append(max(span.start_ms, starts[-1] + 1 if starts else 0))
    ends = [
        start + min(max(span.end_ms - start, MIN_CUE_MS), MAX_CUE_MS)
        for start, span in zip(starts, spans, strict=True)
    ]
    limits = [after for _, after in pairwise(starts)] + ends[-1:]
    return [
        (start, min(end, limit)) for start, end, limit in zip(starts, ends, limits, strict=True)
    ]
