"""Words lost or doubled: a text compared with that of an undisturbed run.

A break in a stream, badly mended, loses or doubles whole runs of words. Where the audio is heard in
other windows than before, single words come out otherwise; those are counted, and not held against
anybody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import jiwer

RUN: Final = 3
"""So many words in a row that are missing, or too many, are a run."""

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Losses:
    """How a text differs from the reference."""

    lost_runs: tuple[Words, ...]
    """Where three or more words fewer were written: the words of the reference there."""
    repeated_runs: tuple[Words, ...]
    """Where three or more words too many were written, said before or not: the words there."""
    other: int
    """Words changed, missing or too many elsewhere."""
    places: tuple[tuple[Words, Words], ...] = field(default=(), compare=False)
    """Of each run: the words of the reference there, and those written."""

    @property
    def none(self) -> bool:
        """Whether no run was lost or repeated."""
        return not self.lost_runs and not self.repeated_runs


def compare(reference_words: Sequence[str], got_words: Sequence[str]) -> Losses:
    """Align both, which were normalised alike (``scoring.normal_words``), word by word."""
    lost: list[Words] = []
    repeated: list[Words] = []
    other = 0
    places: list[tuple[Words, Words]] = []
    for wanted, got in _differences(tuple(reference_words), tuple(got_words)):
        if len(wanted) - len(got) >= RUN:
            lost.append(wanted)
        elif len(got) - len(wanted) >= RUN:
            repeated.append(got)
        else:
            other += max(len(wanted), len(got))
            continue
        places.append((wanted, got))
    return Losses(tuple(lost), tuple(repeated), other, tuple(places))


def _differences(reference: Words, got: Words) -> Iterator[tuple[Words, Words]]:
    """What stands in the one and in the other between two places where they agree."""
    if not reference or not got:
        yield reference, got
        return
    missing: Words = ()
    extra: Words = ()
    for chunk in jiwer.process_words(" ".join(reference), " ".join(got)).alignments[0]:
        if chunk.type == "equal":
            yield missing, extra
            missing = extra = ()
        else:
            missing += reference[chunk.ref_start_idx : chunk.ref_end_idx]
            extra += got[chunk.hyp_start_idx : chunk.hyp_end_idx]
    yield missing, extra
