"""Text to tokens, for any vocabulary: what was promised before must be forced again.

The tokens' bytes, joined, are exactly the text. Of the many ways to spell it, a model knows best
the one that it was taught, so pairs are merged as in ``bpe.py`` where the vocabulary has every byte
of the text; elsewhere the fewest tokens are taken.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from streamscribe import bpe
from streamscribe.model import TokenTable

_KEPT_TABLES: Final = 8


class Unspellable(ValueError):
    """The vocabulary has no tokens for this text."""


def encode(text: str, table: TokenTable) -> tuple[int, ...]:
    """Tokens whose bytes make ``text``. Raises ``Unspellable`` if there are none."""
    data = text.encode()
    numbers = _numbers(table)
    if all(data[at : at + 1] in numbers for at in range(len(data))):
        return bpe.encode(text, numbers)
    return _fewest(data, numbers)


@lru_cache(_KEPT_TABLES)
def _numbers(table: TokenTable) -> Mapping[bytes, int]:
    """The token of each spelling; of two the later one, because bytes that stand in for characters
    come first in the vocabularies that have them."""
    pieces = ((table.token_bytes(token), token) for token in range(len(table)))
    return {piece: token for piece, token in pieces if piece}


def _fewest(data: bytes, numbers: Mapping[bytes, int]) -> tuple[int, ...]:
    longest = max(map(len, numbers), default=0)
    best: list[tuple[int, int] | None] = [(0, 0)]  # tokens up to here, and where the last begins
    for end in range(1, len(data) + 1):
        ways = [
            (before[0] + 1, start)
            for start in range(max(0, end - longest), end)
            if (before := best[start]) is not None and data[start:end] in numbers
        ]
        best.append(min(ways, default=None))
    tokens: list[int] = []
    end = len(data)
    while end:
        way = best[end]
        if way is None:
            raise Unspellable(f"no tokens spell {data.decode(errors='replace')!r}")
        tokens.append(numbers[data[way[1] : end]])
        end = way[1]
    return tuple(reversed(tokens))
