"""Text to tokens, for vocabularies of byte pairs: what a prompt needs.

Words are cut first, and within each the pair of neighbours is merged that makes the token with the
lowest number, until no pair makes one. In vocabularies that grew by merging, that number is the
order in which the merges were learnt.
"""

import re
from collections.abc import Mapping
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
    parts = [word[at : at + 1] for at in range(len(word))]
    while len(parts) > 1:
        pairs = [first + second for first, second in zip(parts, parts[1:], strict=False)]
        known = [(numbers[pair], at) for at, pair in enumerate(pairs) if pair in numbers]
        if not known:
            break
        _, at = min(known)
        parts[at : at + 2] = [pairs[at]]
    return [numbers[part] for part in parts]
