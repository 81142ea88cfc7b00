"""Text to tokens, for vocabularies of byte pairs: what a prompt needs.

Words are cut first, and within each the pair of neighbours is merged that makes the token with the
lowest number, until no pair makes one. In vocabularies that grew by merging, that number is the
order in which the merges were learnt.
"""

import re
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import Final

_WORDS: Final = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
)


def encode(text: str, numbers: Mapping[bytes, int]) -> tuple[int, ...]:
    """Tokens that write ``text``; ``numbers`` has every single byte. Nothing for no text."""
    return tuple(
        token for word in _WORDS.findall(text) for token in _merged(word.encode(), numbers)
    )


def _merged(word: bytes, numbers: Mapping[bytes, int]) -> list[int]:
    """Tokens of one word. Pairs wait in a heap: a word may be as long as a prompt."""
    ends = list(range(1, len(word) + 1))  # of the part that starts at a place; 0: none does
    starts = list(range(len(word)))  # of the part that ends behind a place
    waiting = [
        (numbers[word[at : at + 2]], at, at + 2)
        for at in range(len(word) - 1)
        if word[at : at + 2] in numbers
    ]
    heapify(waiting)
    while waiting:
        _, start, end = heappop(waiting)
        middle = ends[start]
        if not middle or middle >= end or ends[middle] != end:
            continue  # one of the two has been merged with another
        ends[start], ends[middle], starts[end - 1] = end, 0, start
        for first, last in _around(start, end, starts, ends):
            if word[first:last] in numbers:
                heappush(waiting, (numbers[word[first:last]], first, last))
    return [numbers[word[start:end]] for start, end in enumerate(ends) if end]


def _around(start: int, end: int, starts: list[int], ends: list[int]) -> list[tuple[int, int]]:
    """What a part makes together with its neighbour on either side."""
    pairs: list[tuple[int, int]] = []
    if start > 0:
        pairs.append((starts[start - 1], end))
    if end < len(ends):
        pairs.append((start, ends[end]))
    return pairs
