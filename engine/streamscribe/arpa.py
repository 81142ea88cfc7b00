r"""ARPA files: the text form of n-gram language models that every toolkit writes.

::

    \data\
    ngram 1=4
    ngram 2=2

    \1-grams:
    -0.6021 <s>    -0.3010        log-prob to the base 10, words, back-off if not 0
    ...
    \end\
"""

import gzip
import math
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from streamscribe.errors import BrokenModel
from streamscribe.language_model import Ngrams

_COUNT: Final = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)")
_TO_NATURAL: Final = math.log(10.0)
_GZIP: Final = b"\x1f\x8b"


@dataclass(slots=True)
class _Lines:
    """The lines of a file that are not empty, and where it is."""

    path: Path
    number: int = 0
    ahead: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ahead = self._read()

    def _read(self) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                packed = file.read(2) == _GZIP
            with (gzip.open if packed else open)(self.path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    self.number += 1
                    if stripped := line.strip():
                        yield stripped
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise BrokenModel(f"{self.path} can't be read: {error}") from error

    def next(self, wanted: str) -> str:
        line = next(self.ahead, None)
        if line is None:
            raise BrokenModel(f"{self.path} ends after line {self.number}; expected: {wanted}")
        return line

    def refusal(self, line: str, wanted: str) -> BrokenModel:
        return BrokenModel(f"{self.path}, line {self.number}: {line[:80]!r}; expected: {wanted}")


def read_arpa(path: Path) -> tuple[list[str], list[Ngrams]]:
    """The words of a model, and its n-grams by length.

    Raises ``BrokenModel``, with the line, if the file is not ARPA or is cut short.
    """
    lines = _Lines(path)
    counts = _counts(lines)
    ids: dict[str, int] = {}
    levels: list[Ngrams] = []
    for length, count in enumerate(counts, 1):
        levels.append(_section(lines, ids, length, count, longest=length == len(counts)))
        wanted = f"\\{length + 1}-grams:" if length < len(counts) else "\\end\\"
        if (line := lines.next(wanted)) != wanted:
            raise lines.refusal(line, f"{wanted} after {count} {length}-grams")
    return list(ids), levels


def _counts(lines: _Lines) -> list[int]:
    """Count of n-grams of each length; the line after them is read too."""
    for line in lines.ahead:
        if line == "\\data\\":
            break
    else:
        raise BrokenModel(f"{lines.path} is not an ARPA file: it has no line \\data\\")
    counts: list[int] = []
    while (line := lines.next("\\1-grams:")) != "\\1-grams:":
        match = _COUNT.fullmatch(line)
        if match is None or int(match[1]) != len(counts) + 1:
            raise lines.refusal(line, f"ngram {len(counts) + 1}=COUNT or \\1-grams:")
        counts.append(int(match[2]))
    if not counts or not counts[0]:
        raise BrokenModel(f"{lines.path} holds no words")
    return counts


def _section(
    lines: _Lines, ids: dict[str, int], length: int, count: int, *, longest: bool
) -> Ngrams:
    words = array("I")
    values = array("f")
    wanted = f"a log-prob, {length} word(s) and maybe a back-off"
    for _ in range(count):
        line = lines.next(wanted)
        fields = line.split()
        if not length + 1 <= len(fields) <= length + 2:
            raise lines.refusal(line, wanted)
        said = fields[1 : length + 1]
        try:
            values.append(float(fields[0]))
            values.append(float(fields[-1]) if len(fields) > length + 1 else 0.0)
            if length == 1:
                ids.setdefault(said[0], len(ids))
            words.extend([ids[word] for word in said])
        except ValueError as error:
            raise lines.refusal(line, wanted) from error
        except KeyError as error:
            raise lines.refusal(line, f"words listed as 1-grams, not {error}") from error
    numbers = np.array(values, dtype=np.float32).reshape(count, 2) * np.float32(_TO_NATURAL)
    if not np.all(np.isfinite(numbers)):
        raise BrokenModel(f"{lines.path}: a {length}-gram's number is not finite")
    backoffs = numbers[:0, 1] if longest else numbers[:, 1]
    said_ids = np.array(words, dtype=np.uint32).reshape(count, length)
    return Ngrams.sort(said_ids, numbers[:, 0], backoffs, lines.path)
