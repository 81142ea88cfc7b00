"""Word errors: both sides normalised the same way, aligned by jiwer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer


@dataclass(frozen=True, slots=True)
class Errors:
    """What an alignment found in one utterance."""

    words: int
    """Of the reference."""
    substitutions: int
    deletions: int
    insertions: int

    @property
    def total(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions


def normal_words(text: str) -> list[str]:
    """The words that are compared: no case, no punctuation, numbers and spellings unified."""
    words: list[str] = _normalizer()(text).split()
    return words


def score(reference: str, hypothesis: str) -> Errors:
    """Errors of one text."""
    return score_parts([reference], hypothesis)[0]


def score_parts(references: Sequence[str], hypothesis: str) -> list[Errors]:
    """Errors of each utterance of a session whose whole text is ``hypothesis``.

    The whole is aligned with all references in a row, then split where they meet. An inserted
    word belongs to the utterance of the reference word before it.
    """
    parts = [normal_words(reference) for reference in references]
    utterance_of = [index for index, part in enumerate(parts) for _ in part]
    substituted, deleted, inserted = ([0] * len(parts) for _ in range(3))
    said = normal_words(hypothesis)
    if not utterance_of:
        inserted[0] = len(said)
    else:
        flat = " ".join(word for part in parts for word in part)
        for chunk in jiwer.process_words(flat, " ".join(said)).alignments[0]:
            if chunk.type == "insert":
                before = max(0, chunk.ref_start_idx - 1)
                inserted[utterance_of[before]] += chunk.hyp_end_idx - chunk.hyp_start_idx
            elif chunk.type != "equal":
                counts = substituted if chunk.type == "substitute" else deleted
                for word in range(chunk.ref_start_idx, chunk.ref_end_idx):
                    counts[utterance_of[word]] += 1
    return [
        Errors(len(part), *counts)
        for part, *counts in zip(parts, substituted, deleted, inserted, strict=True)
    ]


def wer_percent(utterances: Sequence[Errors]) -> float:
    """Word error rate of all utterances together, in percent. There must be reference words."""
    words = sum(errors.words for errors in utterances)
    return 100 * sum(errors.total for errors in utterances) / words


@cache
def _normalizer() -> EnglishTextNormalizer:
    return EnglishTextNormalizer()
