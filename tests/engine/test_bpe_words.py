"""How text is cut into words before their bytes are merged, as GPT-2 cuts it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.bpe import encode

BYTES: Mapping[bytes, int] = {bytes([byte]): byte for byte in range(256)}


def every_part_of(text: str) -> dict[bytes, int]:
    """A vocabulary in which everything that could be merged can be, so that words stay whole."""
    data = text.encode()
    numbers = dict(BYTES)
    for length in range(2, len(data) + 1):
        for at in range(len(data) - length + 1):
            numbers.setdefault(data[at : at + length], len(numbers))
    return numbers


def words(text: str) -> list[str]:
    numbers = every_part_of(text)
    pieces = {number: piece for piece, number in numbers.items()}
    return [pieces[token].decode() for token in encode(text, numbers)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so it is", ["so", " it", " is"]),
        (" so", [" so"]),
        ("so  it", ["so", " ", " it"]),
        ("so\nit", ["so", "\n", "it"]),
        ("so \n it", ["so", " \n", " it"]),
        ("so  ", ["so", "  "]),
        ("it's", ["it", "'s"]),
        ("we'll they've", ["we", "'ll", " they", "'ve"]),
        ("IT'S", ["IT", "'", "S"]),
        ("'tis", ["'t", "is"]),
        ("well, yes.", ["well", ",", " yes", "."]),
        ("no... (ha)", ["no", "...", " (", "ha", ")"]),
        ("at 10am", ["at", " 10", "am"]),
        ("3.14", ["3", ".", "14"]),
        ("a_b", ["a", "_", "b"]),
        ("caf\u00e9 \u00fcber", ["caf\u00e9", " \u00fcber"]),
        ("\u4f60\u597d\u3002", ["\u4f60\u597d", "\u3002"]),
        ("ok \U0001f600", ["ok", " \U0001f600"]),
        ("\u00a0x", ["\u00a0", "x"]),
    ],
)
def test_words_are_cut_where_gpt2_cuts_them(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(text=st.text(max_size=40))
def test_tokens_write_the_text_whatever_it_is(text: str) -> None:
    pieces = {number: piece for piece, number in BYTES.items()}
    assert b"".join(pieces[token] for token in encode(text, BYTES)) == text.encode()


@given(text=st.text("ab '1,_\n", max_size=12))
def test_words_together_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text
