"""Text to tokens: the tokenizer of a checkpoint and the engine say the same."""

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_whisper import TEXTS, make_tokenizer, names_of
from streamscribe.bpe import encode
from streamscribe_export.pieces import byte_level_piece

Encode: TypeAlias = Callable[[str], list[int]]

LETTERS = sorted({letter for text in TEXTS for letter in text})
ODD = ["\n", "\t", "\u00a0", "\u2028", "\u0301", "\U0001f600", "\u3000", "_", "'"]
WORDS = [word for text in TEXTS for word in text.split(" ")]
ODD_WORDS = ["'s", "'S", "n't", " ", "  ", "\n", "!!!", "1000", "__", "'ll"]


@pytest.fixture(scope="module")
def engine() -> Encode:
    """By the engine, of the tokens' texts alone."""
    numbers = {_bytes(name): token for name, token in names_of(make_tokenizer()).items()}
    return lambda text: list(encode(text, numbers))


@pytest.fixture(scope="module")
def checkpoint() -> Encode:
    """By the checkpoint's tokenizer, which knows how its tokens were merged."""
    tokenizer = make_tokenizer()
    return lambda text: list(tokenizer.encode(text).ids)


def _bytes(name: str) -> bytes:
    piece = byte_level_piece(name)
    return piece.encode() if isinstance(piece, str) else bytes(piece)


@given(text=st.text(st.sampled_from(LETTERS + ODD), max_size=30))
def test_any_letters_give_the_tokens_of_the_checkpoint(
    engine: Encode, checkpoint: Encode, text: str
) -> None:
    assert engine(text) == checkpoint(text)


@given(words=st.lists(st.sampled_from(WORDS + ODD_WORDS), max_size=8), spaced=st.booleans())
def test_words_give_the_tokens_of_the_checkpoint(
    engine: Encode, checkpoint: Encode, words: list[str], spaced: bool
) -> None:
    text = (" " if spaced else "").join(words)
    assert engine(text) == checkpoint(text)


@pytest.mark.parametrize("text", TEXTS)
def test_sentences_give_the_tokens_of_the_checkpoint(
    engine: Encode, checkpoint: Encode, text: str
) -> None:
    assert engine(text) == checkpoint(text)
    assert len(engine(text)) < 0.7 * len(text.encode())
