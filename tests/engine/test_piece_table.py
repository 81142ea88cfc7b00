"""Vocabulary files of CTC models."""

import json
from pathlib import Path

import pytest

from streamscribe.errors import BrokenModel
from streamscribe.tokens import PieceTable


def written(folder: Path, content: object) -> Path:
    path = folder / "tokens.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_piece_is_text_or_the_bytes_of_a_part_of_a_character(tmp_path: Path) -> None:
    table = PieceTable.read(written(tmp_path, ["", " the", "\u00e9", [195]]), expected_tokens=4)
    pieces = [table.token_bytes(token) for token in range(len(table))]
    assert pieces == [b"", b" the", b"\xc3\xa9", b"\xc3"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (["a"], "holds 1; allowed: a list of 2 pieces"),
        ({"a": 1}, "holds dict; allowed: a list of 2 pieces"),
        (["a", 7], "piece 1 is 7; allowed: text, or a list of bytes"),
        (["a", [256]], "piece 1 is .256.; allowed: 0 to 255"),
        (["a", ["b"]], "piece 1 is "),
    ],
)
def test_what_is_no_such_list_is_refused(content: object, named: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BrokenModel, match=named):
        PieceTable.read(path, expected_tokens=2)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match="absent.json can't be read"):
        PieceTable.read(tmp_path / "absent.json", expected_tokens=1)


def test_a_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(b"\xff\x00")
    with pytest.raises(BrokenModel, match="tokens.json can't be read"):
        PieceTable.read(path, expected_tokens=1)
