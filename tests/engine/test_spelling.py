"""Text to tokens of any vocabulary, and back to the very same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import PERIOD, WordTable
from streamscribe.spelling import Unspellable, encode
from streamscribe.tokens import ByteTokenTable, PieceTable, decode

BYTES = [bytes([byte]) for byte in range(256)]
MERGED = PieceTable([*BYTES, b"ab", b" a", b" ab", b"abab", "\u00e9".encode(), b"", b"<s>"])
WORDS = PieceTable([b"", b" so", b" s", b"o", b" son", b"g", b"n"])


@given(text=st.text())
def test_a_vocabulary_with_every_byte_spells_any_text(text: str) -> None:
    assert decode(encode(text, MERGED), MERGED) == text


def test_pairs_are_merged_as_the_vocabulary_was_learnt() -> None:
    assert [MERGED.token_bytes(token) for token in encode(" abab", MERGED)] == [b" ab", b"ab"]


def test_without_all_bytes_the_fewest_tokens_are_taken() -> None:
    assert encode(" song", WORDS) == (4, 5)


def test_a_text_of_other_letters_is_refused() -> None:
    with pytest.raises(Unspellable, match="' xyz'"):
        encode(" xyz", WORDS)


def test_a_character_of_its_own_is_preferred_to_the_byte_that_stands_in_for_it() -> None:
    table = ByteTokenTable([b"<s>", b"<0x61>", b"a"])
    assert encode("a", table) == (2,)


def test_no_text_is_no_tokens() -> None:
    assert encode("", WORDS) == encode("", MERGED) == ()


def test_words_with_their_punctuation_are_spelled_again() -> None:
    assert encode(" w12 w3.", WordTable()) == (12, 3, PERIOD)
