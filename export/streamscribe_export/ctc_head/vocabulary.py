"""The head's tokens: the blank, then characters, or pieces of words learned from the texts."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamscribe_export.ctc_head.spelling import LETTERS


class Spelling(Protocol):
    """A way to write texts as tokens; token 0 is the blank."""

    def ids(self, text: str) -> list[int]:
        """Tokens of a text in the head's letters."""
        ...


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Pieces by token id; id 0 is the blank, with the empty piece."""

    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = ()
    """Pairs that are joined when a word is spelled, in this order; none: characters."""

    def ids(self, text: str) -> list[int]:
        """Tokens of a text in the head's letters."""
        number = {piece: index for index, piece in enumerate(self.pieces)}
        if not self.merges:
            return [number[letter] for letter in text]
        rank = {pair: place for place, pair in enumerate(self.merges)}
        return [number[p] for word in text.split() for p in _merged(list(f" {word}"), rank)]

    def text(self, ids: Iterable[int]) -> str:
        """The text of tokens, blanks left out."""
        return "".join(self.pieces[token] for token in ids).strip()

    def write(self, path: Path) -> None:
        """As the file ``tokens.json`` of a bundle (format `ctc-pieces`)."""
        path.write_text(json.dumps(list(self.pieces)) + "\n", encoding="utf-8")


def characters() -> Vocabulary:
    """Letters, the apostrophe and the space."""
    return Vocabulary(("", " ", *LETTERS))


def learn_pieces(texts: Sequence[str], size: int) -> Vocabulary:
    """Characters and the most useful longer pieces, ``size`` with the blank (byte-pair encoding).

    A piece begins with a space or with a letter inside a word, and never spans words.
    """
    words = Counter(word for text in texts for word in text.split())
    spellings = {word: list(f" {word}") for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < size - len(characters().pieces):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in spellings.items():
            for pair in zip(pieces, pieces[1:], strict=False):
                pairs[pair] += words[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word, pieces in spellings.items():
            if best[0] in pieces:
                spellings[word] = _merged(pieces, {best: 0})
    joined = ("".join(pair) for pair in merges)
    return Vocabulary(tuple(dict.fromkeys((*characters().pieces, *joined))), tuple(merges))


def _merged(pieces: list[str], rank: dict[tuple[str, str], int]) -> list[str]:
    while True:
        pairs = [pair for pair in zip(pieces, pieces[1:], strict=False) if pair in rank]
        if not pairs:
            return pieces
        best = min(pairs, key=rank.__getitem__)
        joined: list[str] = []
        for piece in pieces:
            if joined and (joined[-1], piece) == best:
                joined[-1] += piece
            else:
                joined.append(piece)
        pieces = joined
