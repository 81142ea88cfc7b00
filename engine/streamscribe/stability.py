"""How long tokens have stood, and where words begin."""

from collections.abc import Sequence

from streamscribe.model import TokenTable


def ages_of(
    previous: Sequence[int], previous_ages: Sequence[int], current: Sequence[int]
) -> list[int]:
    """For how many consecutive looks each token of ``current`` has stood as it is."""
    ages: list[int] = []
    for index, token in enumerate(current):
        if index >= len(previous) or previous[index] != token:
            break
        ages.append(previous_ages[index] + 1)
    return ages + [1] * (len(current) - len(ages))


def word_starts(tokens: Sequence[int], table: TokenTable) -> list[int]:
    """Index of the first token of every word; begins with 0 unless ``tokens`` is empty."""
    return [index for index, token in enumerate(tokens) if index == 0 or starts_word(token, table)]


def starts_word(token: int, table: TokenTable) -> bool:
    """Whether ``token`` begins a new word."""
    return table.token_bytes(token).startswith(b" ")
