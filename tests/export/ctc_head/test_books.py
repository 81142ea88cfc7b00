"""Texts come out of packages whole."""

import zlib

from streamscribe_export.ctc_head.books import _strings, _unpacked

ASCII, UTF8, NUMBER = b"\x00\x04\x00\x09", b"\x00\x00\x80\x09", b"\x00\x00\x00\x0e"


def written(kind: bytes, content: bytes) -> bytes:
    """A value of an object of R, behind its kind and length."""
    return kind + len(content).to_bytes(4) + content


def packed(serialised: bytes) -> bytes:
    """An object as R's database has it."""
    return len(serialised).to_bytes(4) + zlib.compress(serialised)


def test_objects_of_a_database_come_out_in_order() -> None:
    assert list(_unpacked(packed(b"Emma") + packed(b"Persuasion"))) == [b"Emma", b"Persuasion"]


def test_strings_of_an_object_come_out_in_order_and_numbers_do_not() -> None:
    serialised = (
        written(ASCII, b"Emma Woodhouse,") + written(NUMBER, b"\x01\x02") + written(ASCII, b"")
        + written(UTF8, "and the \u00e9clat".encode())
    )  # fmt: skip
    assert list(_strings(serialised)) == ["Emma Woodhouse,", "", "and the \u00e9clat"]
