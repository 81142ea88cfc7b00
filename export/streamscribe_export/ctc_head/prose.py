"""Sentences to be spoken by synthetic voices, from plain-text files."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np

from streamscribe_export.ctc_head.spelling import spelled

SHORTEST_WORDS: Final = 3
LONGEST_WORDS: Final = 34
RARE: Final = 2
"""A word that all texts together have less often than this is probably a misprint."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"'\u201d\u2019)]*\s+(?=[\"'\u201c\u2018(]*[A-Z])")
_CLAUSE_END: Final = re.compile(r"(?<=[,;:\u2014])\s*")
_TITLE_END: Final = re.compile(
    r"\b(Mr|Mrs|Dr|St|Messrs|Capt|Col|Gen|Hon|No|vs|viz|etc|i\.e|e\.g)\.$"
)
_UNREADABLE: Final = re.compile(r"\d|\b[IVXLC]{2,}\b|\.\S|\b[A-Z]\.|[_*/<>|{}\[\]^~\\@#]")


def read_texts(files: Sequence[Path]) -> dict[str, list[str]]:
    """Speakable sentences of each file, by its name, in the file's order and without repetition.

    Raises ``click.ClickException`` if a file is missing or has none.
    """
    found: dict[str, list[str]] = {}
    for path in files:
        if not path.is_file():
            raise click.ClickException(f"no text at {path}: give plain-text files in English")
        text = path.read_text(encoding="utf-8", errors="replace")
        found[path.stem] = list(dict.fromkeys(sentences(text)))
        if not found[path.stem]:
            raise click.ClickException(f"{path} has no sentence of {SHORTEST_WORDS} words or more")
    known = Counter(w for texts in found.values() for t in texts for w in _words(t))
    return {
        name: [t for t in texts if all(known[w] >= RARE for w in _words(t))]
        for name, texts in found.items()
    }


def sentences(text: str) -> Iterable[str]:
    """The sentences of ``text`` that every voice reads alike: no digits, no abbreviations.

    Long ones are cut where a reader would breathe.
    """
    for paragraph in re.split(r"\n\s*\n", text):
        flat = re.sub(r"\s+", " ", paragraph).strip()
        for sentence in _joined(_SENTENCE_END.split(flat)):
            for part in _breaths(sentence):
                if not _UNREADABLE.search(part) and not _TITLE_END.search(part) and _fits(part):
                    yield re.sub(r"\b[A-Z]{2,}\b", lambda word: word[0].capitalize(), part)


def sample(texts: dict[str, list[str]], count: int, rng: np.random.Generator) -> list[str]:
    """``count`` sentences (or all there are), the same number from each file while it lasts."""
    shuffled = [[text[i] for i in rng.permutation(len(text))] for text in texts.values()]
    longest = max(map(len, shuffled), default=0)
    turns = (text[turn] for turn in range(longest) for text in shuffled if turn < len(text))
    return list(dict.fromkeys(turns))[:count]


def _joined(pieces: Iterable[str]) -> Iterable[str]:
    """Sentences that were split behind a title, as one again."""
    held = ""
    for piece in pieces:
        held = f"{held} {piece}".strip()
        if not _TITLE_END.search(held):
            yield held
            held = ""
    if held:
        yield held


def _breaths(sentence: str) -> Iterable[str]:
    if len(sentence.split()) <= LONGEST_WORDS:
        yield sentence
        return
    held = ""
    for clause in _CLAUSE_END.split(sentence):
        if held and len(f"{held} {clause}".split()) > LONGEST_WORDS * 2 // 3:
            yield held
            held = ""
        held = f"{held} {clause}".strip()
    yield held


def _fits(part: str) -> bool:
    label = spelled(part)
    return label is not None and SHORTEST_WORDS <= len(label.split()) <= LONGEST_WORDS


def _words(sentence: str) -> list[str]:
    return (spelled(sentence) or "").split()
