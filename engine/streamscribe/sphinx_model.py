"""Sphinx's binary language models, as the package ``pocketsphinx`` carries one.

All numbers are little-endian. The file is::

    MAGIC, order: u8, count of n-grams of each length: u32 each, 1: u32 (16-bit quantisation)
    per length from 2 on, the last without the second: 65,536 log-probs and 65,536 back-offs, f32
    single words, one more than counted: log-prob f32, back-off f32, first pair u32
    per length from 2 on: records of bits, one more than counted, and 8 bytes of padding
    length of the words: u32; the words, each ended by a zero byte

A record is the word, the 16-bit places of its log-prob and its back-off in their tables, and the
first record of the next length; the longest have only word and log-prob. The children of a record
put their word *before* its words. Logarithms are to the base 1.0001.
"""

import itertools
import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamscribe.errors import BrokenModel
from streamscribe.language_model import Ngrams

MAGIC: Final = b"Trie Language Model"

_TO_NATURAL: Final = math.log(1.0001)
_PLACES: Final = 1 << 16
_WORD_RECORD: Final = np.dtype([("log_prob", "<f4"), ("backoff", "<f4"), ("child", "<u4")])
_PADDING: Final = 8
_MOST_WORDS: Final = 1 << 28
_LONGEST: Final = 8

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.uint32]


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise BrokenModel(f"{path} can't be read: {error.strerror}") from error
        self._at = 0

    def take(self, length: int) -> memoryview:
        left = len(self._data) - self._at
        if length > left:
            raise BrokenModel(
                f"{self.path} is cut short: {length} bytes are needed at byte {self._at},"
                f" but only {left} follow"
            )
        self._at += length
        return memoryview(self._data)[self._at - length : self._at]

    def integers(self, count: int) -> list[int]:
        return [int(value) for value in np.frombuffer(self.take(4 * count), "<u4")]

    def floats(self, count: int) -> Floats:
        return np.frombuffer(self.take(4 * count), "<f4")


class _Records:
    """Records of ``width`` bits without gaps between them."""

    def __init__(self, data: memoryview, count: int, width: int) -> None:
        self._words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        self._count = count
        self._width = width

    def field(self, offset: int, bits: int) -> Ints:
        """``bits`` of every record, at most 32 of them."""
        position = np.arange(self._count, dtype=np.int64)
        position *= self._width
        position += offset
        found = self._words[position >> 3]
        position &= 7
        found >>= position.view(np.uint64)
        found &= np.uint64((1 << bits) - 1)
        values: Ints = found.astype(np.uint32)
        return values


def read_sphinx_model(path: Path) -> tuple[list[str], list[Ngrams]]:
    """The words of a model, and its n-grams by length.

    Raises ``BrokenModel`` if the file is cut short or its numbers contradict each other.
    """
    reader = _Reader(path)
    reader.take(len(MAGIC))
    order = reader.take(1)[0]
    if not 2 <= order <= _LONGEST:
        raise BrokenModel(f"{path} has n-grams of {order} words; allowed: 2 to {_LONGEST}")
    counts = reader.integers(order)
    if not 0 < max(counts) < _MOST_WORDS or reader.integers(1) != [1]:
        raise BrokenModel(f"{path} is not quantised to 16 bits, or its counts are wrong: {counts}")
    tables = [reader.floats(_PLACES) for _ in range(2 * (order - 1) - 1)]
    singles = np.frombuffer(reader.take((counts[0] + 1) * _WORD_RECORD.itemsize), _WORD_RECORD)
    ids = np.arange(counts[0], dtype=np.uint32)[:, None]
    levels = [_level(ids, singles["log_prob"][:-1], singles["backoff"][:-1], path)]
    first_child = singles["child"].astype(np.uint32)
    for length in range(2, order + 1):
        longest = length == order
        word_bits = counts[0].bit_length()
        child_bits = 0 if longest else counts[length].bit_length()
        width = word_bits + (16 if longest else 32) + child_bits
        size = ((counts[length - 1] + 1) * width + 7) // 8 + _PADDING
        records = _Records(reader.take(size), counts[length - 1] + 1, width)
        ids = _said(ids, first_child, records.field(0, word_bits), path)
        log_prob_at = word_bits if longest else word_bits + 16
        log_probs = tables[2 * length - 4][records.field(log_prob_at, 16)[: len(ids)]]
        backoffs = np.empty(0, dtype=np.float32)
        if not longest:
            backoffs = tables[2 * length - 3][records.field(word_bits, 16)[: len(ids)]]
            first_child = records.field(word_bits + 32, child_bits)[: len(ids) + 1]
        levels.append(_level(ids, log_probs, backoffs, path))
    return _words(reader, counts[0]), levels


def _said(parents: Ints, first_child: Ints, words: Ints, path: Path) -> Ints:
    """Ids of all n-grams of the next length, in the order they are said."""
    total = int(first_child[-1])
    edges = first_child.astype(np.int64)
    children: npt.NDArray[np.int64] = edges[1:] - edges[:-1]
    if first_child[0] != 0 or np.any(children < 0) or total >= len(words):
        raise BrokenModel(f"{path} points to n-grams that it does not hold")
    last = np.repeat(parents, children, axis=0)
    return np.column_stack([words[:total], last])


def _level(ids: Ints, log_probs: Floats, backoffs: Floats, path: Path) -> Ngrams:
    scale = np.float32(_TO_NATURAL)
    return Ngrams.sort(ids, log_probs * scale, backoffs * scale, path)


def _words(reader: _Reader, count: int) -> list[str]:
    (length,) = reader.integers(1)
    try:
        words = str(reader.take(length), "utf-8").split("\0")
    except UnicodeDecodeError as error:
        raise BrokenModel(f"{reader.path} holds words that are not UTF-8: {error}") from error
    if len(words) != count + 1:
        raise BrokenModel(f"{reader.path} holds {len(words) - 1} words; expected: {count}")
    return list(itertools.islice(words, count))
