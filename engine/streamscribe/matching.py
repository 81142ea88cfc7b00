"""Words that were promised, found again in what was heard anew.

The same audio, framed differently or heard with other context, gives nearly the same words. So the
promised words are aligned with the beginning of those that were heard, at the least number of words
changed, left out or put in; case and punctuation don't count::

    promised   and so  my  fellow  americans
    heard      and     my  fellow  american   ask  not
                                              ^ said = 4: from here on it is new

Where two ends cost the same, the later one is taken: a word that stands where a promised one should
be is that one, misheard.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_ERROR_SHARE = 3
"""A text that ends with the promised words' last one says all of them if at most one in so many
is another word."""


@dataclass(frozen=True, slots=True)
class Match:
    """How the beginning of what was heard says what was promised."""

    said: int
    """How many of the words heard say the promised ones."""
    whole: bool
    """Whether they say all of them; if not, ``said`` is everything that was heard."""


def match(promised: Sequence[str], heard: Sequence[str]) -> Match:
    """Find all of ``promised`` at the beginning of ``heard``."""
    if not promised:
        return Match(0, True)
    costs = _costs(promised, heard)
    ends = costs[-1]
    least = min(ends)
    said = max(end for end, cost in enumerate(ends) if cost == least)
    if said < len(heard):
        return Match(said, True)
    last = said > 0 and bare(promised[-1]) == bare(heard[said - 1])
    alike = last and costs[-2][said - 1] == least and _ERROR_SHARE * least <= len(promised)
    return Match(said, alike)


def said_of(promised: Sequence[str], heard: Sequence[str]) -> int:
    """How many of ``promised`` all of ``heard`` says: the audio has come no further."""
    ends = [row[-1] for row in _costs(promised, heard)]
    least = min(ends)
    return max(end for end, cost in enumerate(ends) if cost == least)


def bare(word: str) -> str:
    """The word as it is compared: its letters and digits alone, if it has any."""
    letters = "".join(letter for letter in word.casefold() if letter.isalnum())
    return letters or word


def _costs(promised: Sequence[str], heard: Sequence[str]) -> list[list[int]]:
    """Words changed between the first i promised and the first j heard, for all i and j."""
    heard = [bare(word) for word in heard]
    rows = [list(range(len(heard) + 1))]
    for word in map(bare, promised):
        above = rows[-1]
        row = [above[0] + 1]
        for place, other in enumerate(heard):
            changed = above[place] + (word != other)
            row.append(min(changed, above[place + 1] + 1, row[place] + 1))
        rows.append(row)
    return rows
