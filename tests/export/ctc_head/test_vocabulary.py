"""Pieces spell every text and give it back."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from streamscribe_export.ctc_head.vocabulary import characters, learn_pieces

TEXTS = ["the cat sat on the mat", "the dog's dinner", "that thing there"]


@pytest.mark.parametrize("text", [*TEXTS, "zebra crossing", "o'er"])
def test_pieces_and_characters_give_the_text_back(text: str) -> None:
    for vocabulary in (characters(), learn_pieces(TEXTS, 45)):
        assert vocabulary.text(vocabulary.ids(text)) == text


def test_pieces_are_fewer_than_characters_and_stay_inside_words() -> None:
    vocabulary = learn_pieces(TEXTS, 45)
    assert len(vocabulary.pieces) <= 45
    assert len(vocabulary.ids(TEXTS[0])) < len(TEXTS[0])
    assert not any(" " in piece[1:] for piece in vocabulary.pieces)


def test_the_same_texts_give_the_same_pieces() -> None:
    assert learn_pieces(TEXTS, 40) == learn_pieces(TEXTS, 40)


def test_the_written_file_has_one_entry_per_token_and_an_empty_blank(tmp_path: Path) -> None:
    vocabulary = learn_pieces(TEXTS, 40)
    vocabulary.write(tmp_path / "tokens.json")
    written = json.loads((tmp_path / "tokens.json").read_text())
    assert written == list(vocabulary.pieces) and written[0] == ""
