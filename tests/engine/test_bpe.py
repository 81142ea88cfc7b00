"""Text to tokens."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.bpe import encode

BYTES = {bytes([byte]): byte for byte in range(256)}
PAIRS = [b"ab", b"bb", b"abbb", b"bba", b" a", b" ab", b"aa", b"aaaa", b"cab", b"ca", b"caab"]
NUMBERS: Mapping[bytes, int] = BYTES | {pair: 256 + at for at, pair in enumerate(PAIRS)}


def merged_one_by_one(word: bytes) -> list[int]:
    parts = [bytes([byte]) for byte in word]
    while True:
        pairs = [first + second for first, second in zip(parts, parts[1:], strict=False)]
        known = [(NUMBERS[pair], at) for at, pair in enumerate(pairs) if pair in NUMBERS]
        if not known:
            return [NUMBERS[part] for part in parts]
        at = min(known)[1]
        parts[at : at + 2] = [pairs[at]]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("abbb abb", [b"abbb", b" ab", b"b"]),
        ("ab ab", [b"ab", b" ab"]),
        ("\u00e9", [b"\xc3", b"\xa9"]),
    ],
)
def test_the_pair_with_the_lowest_number_is_merged_first(text: str, pieces: list[bytes]) -> None:
    assert [NUMBERS[piece] for piece in pieces] == list(encode(text, NUMBERS))


@given(word=st.text("abc", max_size=40))
def test_a_word_is_merged_pair_by_pair(word: str) -> None:
    assert list(encode(word, NUMBERS)) == merged_one_by_one(word.encode())


def test_a_word_as_long_as_a_prompt_holds_nobody_up() -> None:
    before_s = time.process_time()
    encode("abbbaacab" * 2_000, NUMBERS)
    assert time.process_time() - before_s < 2
