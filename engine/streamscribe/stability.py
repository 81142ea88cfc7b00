"""What may be promised: the rule that turns two hypotheses into committed text.

Two consecutive hypotheses of the same audio's beginning agree up to some token. Whole words of
that part are committed, up to the last one whose *following* word agrees too: only then are its
punctuation and its case settled, and the place it was heard at has been left behind.
"""

from collections.abc import Sequence

from streamscribe.model import TokenTable


def agreed_len(previous: Sequence[int], current: Sequence[int], table: TokenTable) -> int:
    """How many tokens of ``current`` may be committed, given the hypothesis before it."""
    common = 0
    for old, new in zip(previous, current, strict=False):
        if old != new:
            break
        common += 1
    starts = word_starts(current, table)
    ends = [*starts[1:], len(current)] if starts else []
    agreed_words = sum(
        end <= common and (end == len(previous) or starts_word(previous[end], table))
        for end in ends
    )
    # The last word that agrees is not committed: it confirms the one before it.
    return starts[agreed_words - 1] if agreed_words else 0


def word_starts(tokens: Sequence[int], table: TokenTable) -> list[int]:
    """Index of the first token of every word; begins with 0 unless ``tokens`` is empty."""
    return [index for index, token in enumerate(tokens) if index == 0 or starts_word(token, table)]


def starts_word(token: int, table: TokenTable) -> bool:
    """Whether ``token`` begins a new word."""
    return table.token_bytes(token).startswith(b" ")
