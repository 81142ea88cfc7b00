"""Sentences for synthetic voices are whole, speakable and known."""

from pathlib import Path

import click
import numpy as np
import pytest

pytest.importorskip("torch")

from streamscribe_export.ctc_head.prose import (
    LONGEST_WORDS,
    read_texts,
    sample,
    sentences,
)


def test_a_title_does_not_end_a_sentence() -> None:
    text = "There stood Mr. Starbuck alone. He said nothing at all."
    assert list(sentences(text)) == ["There stood Mr. Starbuck alone.", "He said nothing at all."]


def test_what_voices_read_differently_is_left_out() -> None:
    text = "Chapter XIV begins here now. He came in 1851 from there. We sailed on and on."
    assert list(sentences(text)) == ["We sailed on and on."]


def test_long_sentences_are_cut_where_one_breathes() -> None:
    clause = "and then they went over the hills and far away from home,"
    parts = list(sentences(f"Once upon a time {' '.join([clause] * 6)} the end."))
    assert len(parts) > 1
    assert all(len(part.split()) <= LONGEST_WORDS for part in parts)


def test_words_that_occur_once_are_not_spoken(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("The sea was calm.\n\nThe sea was xqzt.\n\nCalm the sea was.", encoding="utf-8")
    assert read_texts([path]) == {"book": ["The sea was calm.", "Calm the sea was."]}


def test_each_text_is_read_from_as_often() -> None:
    texts = {"a": [f"a {n}" for n in range(50)], "b": [f"b {n}" for n in range(50)]}
    chosen = sample(texts, 20, np.random.default_rng(0))
    assert sum(text.startswith("a") for text in chosen) == 10
    assert chosen == sample(texts, 20, np.random.default_rng(0))


def test_a_missing_text_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="no text at"):
        read_texts([tmp_path / "none.txt"])
