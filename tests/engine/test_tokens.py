"""Vocabulary files, and text that grows byte by byte."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.errors import BrokenModel
from streamscribe.tokens import ByteTokenTable, TextDecoder, decode

PIECES = st.lists(st.binary(min_size=1, max_size=4))


def table_of(*pieces: str) -> ByteTokenTable:
    return ByteTokenTable(piece.encode() for piece in pieces)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_file_is_lengths_and_pieces(tmp_path: Path) -> None:
    table = ByteTokenTable.read(write(tmp_path / "tokenizer.bin", b"\x02ab\x00\x01c"))
    assert [table.token_bytes(token) for token in range(len(table))] == [b"ab", b"", b"c"]


def test_a_piece_of_128_bytes_and_more_has_a_length_of_two_bytes(tmp_path: Path) -> None:
    file = b"\xac\x02" + 300 * b"x" + b"\x01y"  # 0xac + 0x02 * 128 - 128 = 300
    table = ByteTokenTable.read(write(tmp_path / "tokenizer.bin", file))
    assert (table.token_bytes(0), table.token_bytes(1)) == (300 * b"x", b"y")


@pytest.mark.parametrize("file", [b"\x02ab\x03cd", b"\x02ab\x80", b"\x02ab\x80\x02c"])
def test_a_file_cut_short_is_refused_with_the_place(tmp_path: Path, file: bytes) -> None:
    path = write(tmp_path / "tokenizer.bin", file)
    with pytest.raises(BrokenModel, match=r"tokenizer\.bin .*token 1 at byte 3 needs"):
        ByteTokenTable.read(path)


def test_a_file_with_another_number_of_tokens_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tokenizer.bin", b"\x01a\x01b")
    with pytest.raises(BrokenModel, match=r"tokenizer\.bin holds 2 tokens; expected: 3"):
        ByteTokenTable.read(path, expected_tokens=3)


def test_a_file_that_is_not_there_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match=r"absent\.bin can't be read"):
        ByteTokenTable.read(tmp_path / "absent.bin")


def test_the_mark_of_a_word_becomes_a_space() -> None:
    assert table_of("▁ask", "▁▁").token_bytes(0) == b" ask"
    assert table_of("▁ask", "▁▁").token_bytes(1) == b"  "


@pytest.mark.parametrize("special", ["<s>", "</s>", "<unk>", "<<ST_17>>"])
def test_special_tokens_say_nothing(special: str) -> None:
    assert table_of(special).token_bytes(0) == b""


@pytest.mark.parametrize("text", ["<", "<>", "</", "<=", "<!--", "<3>"])
def test_angle_brackets_in_text_are_text(text: str) -> None:
    assert table_of(text).token_bytes(0) == text.encode()


def test_a_byte_written_in_hexadecimal_is_that_byte() -> None:
    assert table_of("<0x41>", "<0xe2>").token_bytes(1) == b"\xe2"


def test_a_token_outside_the_table_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        table_of("a").token_bytes(-1)


def test_tokens_become_text() -> None:
    assert decode([1, 2, 0], table_of("</s>", "▁ask", "ed")) == " asked"


def test_a_character_spelled_in_bytes_comes_out_whole() -> None:
    table = table_of("<0xE2>", "<0x82>", "<0xAC>")
    assert decode([0, 1, 2], table) == "€"


def test_an_incomplete_character_is_left_out_while_more_may_follow() -> None:
    table = table_of("▁5", "<0xE2>", "<0x82>")
    assert decode([0, 1, 2], table, ended=False) == " 5"


def test_an_incomplete_character_at_the_end_is_replaced() -> None:
    assert decode([0, 1], table_of("▁5", "<0xE2>")) == " 5\ufffd"


def test_a_decoder_holds_half_a_character_back() -> None:
    decoder = TextDecoder()
    texts = [decoder.receive(bytes([byte])) for byte in "a€".encode()]
    assert texts == ["a", "", "", "€"]


def test_bytes_that_cannot_become_a_character_are_replaced_as_soon_as_that_is_known() -> None:
    decoder = TextDecoder()
    assert [decoder.receive(b"\xe2"), decoder.receive(b"a")] == ["", "\ufffda"]


@given(pieces=PIECES)
def test_text_in_pieces_is_the_text_of_the_whole(pieces: list[bytes]) -> None:
    decoder = TextDecoder()
    text = "".join(decoder.receive(piece) for piece in pieces) + decoder.finish()
    assert text == b"".join(pieces).decode("utf-8", errors="replace")


@given(text=st.text(), places=st.lists(st.integers(0, 100)))
def test_whatever_was_emitted_of_valid_text_is_a_prefix_of_it(text: str, places: list[int]) -> None:
    data = text.encode()
    decoder = TextDecoder()
    emitted, taken = "", 0
    for place in sorted(min(place, len(data)) for place in places):
        emitted += decoder.receive(data[taken:place])
        taken = place
        assert text.startswith(emitted)
    assert emitted + decoder.receive(data[taken:]) == text


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_broken_model(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "tokenizer.bin", data)
    try:
        ByteTokenTable.read(path)
    except BrokenModel as error:
        assert str(path) in str(error)


def default_vocabulary() -> Path:
    package = find_spec("moonshine_voice")
    if package is None or package.origin is None:
        pytest.skip("the default model's package is not installed")
    return Path(package.origin).parent / "assets/tiny-en/tokenizer.bin"


def test_the_default_models_vocabulary_is_read_whole() -> None:
    table = ByteTokenTable.read(default_vocabulary(), expected_tokens=32_768)
    assert [table.token_bytes(token) for token in (1, 2, 35, 63, 259)] == [
        b"",
        b"",
        b" ",
        b"<",
        b"  ",
    ]


def test_every_single_byte_is_in_the_default_models_vocabulary() -> None:
    table = ByteTokenTable.read(default_vocabulary())
    assert b"".join(table.token_bytes(3 + byte) for byte in range(256)) == bytes(range(256))
