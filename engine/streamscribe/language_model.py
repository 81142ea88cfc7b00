"""Word n-gram language models with back-off, from ARPA files or Sphinx's binary form.

Libraries were weighed first. ``kenlm`` has no wheels, ``flashlight-text`` none for Python 3.13 and
no release since March 2024, ``pyctcdecode`` none since 2023; ``pocketsphinx`` crashes when it
writes its model as ARPA. What is needed of them is a look-up, which is short.

An n-gram is found by a 64-bit hash of its words, in one sorted array per length. The hashes of a
model are checked to differ when it is loaded. That an unseen n-gram hits one by chance is left to
luck: 1 in 10**12 of look-ups in a model of ten million.

A good English model to start with comes with the package ``pocketsphinx`` (BSD licence), as
``model/en-us/en-us.lm.bin``: 72,547 words, 2.1 million pairs, 1.7 million triples.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.errors import BrokenModel

Context: TypeAlias = tuple[int, ...]
"""Ids of the words before, the newest last; at most ``order - 1`` of them."""

SENTENCE_START: Final = "<s>"
SENTENCE_END: Final = "</s>"
UNKNOWN: Final = ("<unk>", "<UNK>")

_MULTIPLIER: Final = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, made odd
_MASK: Final = (1 << 64) - 1
_CACHED: Final = 1 << 16
_NOT_IN_WORDS: Final = ' .,;:!?-\u2026"\u201c\u201d()[]'
"""What words are stripped of: models of words are made from text without punctuation."""


@dataclass(frozen=True, slots=True)
class Ngrams:
    """All n-grams of one length, ordered by hash; logarithms are natural."""

    hashes: memoryview
    """Unsigned, 64 bits each; plain ``bisect`` is faster on it than numpy's for one at a time."""
    log_probs: npt.NDArray[np.float32]
    backoffs: npt.NDArray[np.float32]
    """Empty for the longest n-grams, which are no context of others."""

    @classmethod
    def sort(
        cls,
        words: npt.NDArray[np.uint32],
        log_probs: npt.NDArray[np.float32],
        backoffs: npt.NDArray[np.float32],
        source: Path,
    ) -> "Ngrams":
        """From ``words``, (n, length): the ids of each n-gram in the order they are said."""
        hashes = np.zeros(len(words), dtype=np.uint64)
        for column in range(words.shape[1]):
            hashes *= np.uint64(_MULTIPLIER)
            hashes += words[:, column].astype(np.uint64) + np.uint64(1)
        order = np.argsort(hashes)
        hashes = hashes[order]
        if np.any(hashes[1:] == hashes[:-1]):
            raise BrokenModel(f"{source} lists a {words.shape[1]}-gram twice")
        return cls(hashes.data, log_probs[order], backoffs[order] if len(backoffs) else backoffs)

    def find(self, words: Sequence[int]) -> int | None:
        """Index of the n-gram, None if there is none."""
        value = 0
        for word in words:
            value = (value * _MULTIPLIER + word + 1) & _MASK
        index = bisect_left(self.hashes, value)
        return index if index < len(self.hashes) and self.hashes[index] == value else None


@dataclass(frozen=True, slots=True)
class WordScore:
    """What a model says of one word after others."""

    log_prob: float
    context: Context
    """For the word after it."""
    known: bool
    """False for a word that the model has never seen."""


@dataclass(frozen=True, slots=True)
class LanguageWeights:
    """What a word adds to a text, in nats: ``scale`` * its log-probability + ``word``.

    The defaults took a weak recognizer from 49 % to 28 % word errors on a few minutes of
    LibriSpeech, and from 67 % to 51 % on learners of English; 0.7 and 3 were as good.

    A word that the model has never seen adds ``unknown`` + ``unknown_character`` for each of its
    characters instead. Without the latter, words run together into one unknown one.
    """

    scale: float = 0.5
    word: float = 2.0
    """Makes up for every word costing something: otherwise few long words win."""
    unknown: float = -4.0
    unknown_character: float = -1.0


class LanguageModel:
    """How likely a word is after those before it; shared by any number of decoders.

    Words are looked up as they are, then without the punctuation around them, then in lower and
    in upper case, so that a model need not write as the recognizer does.
    """

    def __init__(self, words: Sequence[str], levels: Sequence[Ngrams]) -> None:
        """``words[id]`` is a word's text; ``levels[n]`` holds the n-grams of n + 1 words."""
        self._ids = {word: index for index, word in enumerate(words)}
        self._levels = tuple(levels)
        self._unknown = next((self._ids[word] for word in UNKNOWN if word in self._ids), None)
        self._floor = float(levels[0].log_probs[levels[0].log_probs > -90.0].min())
        self._sorted = sorted({word.lower() for word in words})
        self._cache: dict[tuple[Context, str], WordScore] = {}

    @property
    def order(self) -> int:
        """Length of the longest n-grams, in words."""
        return len(self._levels)

    @property
    def size(self) -> tuple[int, ...]:
        """Count of n-grams of each length, single words first."""
        return tuple(len(level.hashes) for level in self._levels)

    @property
    def start(self) -> Context:
        """The context of a first word."""
        start = self._ids.get(SENTENCE_START)
        return (start,) if start is not None and self.order > 1 else ()

    def knows(self, word: str) -> bool:
        """Whether the model has seen ``word``, in any case."""
        return self._find(word) is not None

    def begins(self, text: str) -> bool:
        """Whether a word that the model knows begins with ``text``, in any case."""
        bare = text.strip(_NOT_IN_WORDS).lower()
        at = bisect_left(self._sorted, bare)
        return at < len(self._sorted) and self._sorted[at].startswith(bare)

    def score(self, context: Context, word: str) -> WordScore:
        """How likely ``word`` is after ``context``, which is ``start`` or came with a score.

        A word that was never seen is as likely as the model's ``<unk>``, or if it has none as the
        rarest word.
        """
        key = (context, word)
        score = self._cache.get(key)
        if score is None:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            score = self._cache[key] = self._score(context, word)
        return score

    def _score(self, context: Context, word: str) -> WordScore:
        found = self._find(word)
        index = self._unknown if found is None else found
        if index is None:
            return WordScore(self._floor, (), known=False)
        known = index != self._unknown
        ids = (*context, index)
        backoff = 0.0
        for first in range(len(ids)):
            ngram = ids[first:]
            at = self._levels[len(ngram) - 1].find(ngram)
            if at is not None:
                log_prob = float(self._levels[len(ngram) - 1].log_probs[at])
                return WordScore(
                    backoff + log_prob, ids[max(0, len(ids) - self.order + 1) :], known
                )
            backoff += self._backoff(ngram[:-1])
        raise AssertionError("single words are all listed")

    def _backoff(self, context: Context) -> float:
        level = self._levels[len(context) - 1]
        at = level.find(context)
        return float(level.backoffs[at]) if at is not None else 0.0

    def _find(self, word: str) -> int | None:
        bare = word.strip(_NOT_IN_WORDS)
        for form in (word, bare, bare.lower(), bare.upper()):
            if (index := self._ids.get(form)) is not None:
                return index
        return None


def load_language_model(path: Path) -> LanguageModel:
    """Read an ARPA file, plain or compressed with gzip, or Sphinx's binary form.

    Raises ``BrokenModel`` if the file can't be read, is neither, or is cut short.
    """
    # Imported here: the readers need the classes above.
    from streamscribe.arpa import read_arpa
    from streamscribe.sphinx_model import MAGIC, read_sphinx_model

    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise BrokenModel(f"{path} can't be read: {error.strerror}") from error
    words, levels = read_sphinx_model(path) if magic == MAGIC else read_arpa(path)
    return LanguageModel(words, levels)
