"""Tokens to text: vocabulary files, and incremental UTF-8.

The Moonshine models' file is a sequence of pieces, one per token id, each a length and as many
bytes. A length below 128 is one byte; otherwise it is two, ``first - 128 + 128 * second``. Among
the pieces are all 256 single bytes, from which characters without a piece of their own are spelled.

The file of CTC models is a JSON list: per token the text that it adds, or a list of byte values
where it is part of a character.
"""

import codecs
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from streamscribe.errors import BrokenModel
from streamscribe.model import TokenTable

_SPACE: Final = "\u2581".encode()  # how pieces write a space, which is free for other uses
_SPELLED_BYTE: Final = re.compile(rb"<0x([0-9A-Fa-f]{2})>")
_SPECIAL: Final = re.compile(rb"</?[A-Za-z_]+>|<<[A-Za-z0-9_]+>>")
"""``<s>``, ``</s>``, ``<unk>``, ``<<ST_17>>``; but ``<>`` is text."""


class ByteTokenTable:
    """A vocabulary whose pieces are byte strings."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._text = tuple(_piece_text(piece) for piece in pieces)

    @classmethod
    def read(cls, path: Path, *, expected_tokens: int | None = None) -> "ByteTokenTable":
        """Read a vocabulary file.

        Raises ``BrokenModel`` if the file can't be read, ends inside a piece, or holds another
        number of tokens than ``expected_tokens``.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BrokenModel(f"{path} can't be read: {error}") from error
        pieces = _split(data, path)
        if expected_tokens is not None and len(pieces) != expected_tokens:
            raise BrokenModel(f"{path} holds {len(pieces)} tokens; expected: {expected_tokens}")
        return cls(pieces)

    def __len__(self) -> int:
        """Count of tokens."""
        return len(self._text)

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of ``token``, in [0, len(self)), maybe part of a character."""
        assert 0 <= token < len(self._text), f"token {token} of {len(self._text)}"
        return self._text[token]


class PieceTable:
    """A vocabulary that states what each token adds to the text."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = tuple(pieces)

    @classmethod
    def read(cls, path: Path, *, expected_tokens: int) -> "PieceTable":
        """Read a vocabulary file.

        Raises ``BrokenModel`` if it can't be read, is not such a list, or has another length.
        """
        try:
            pieces = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BrokenModel(f"{path} can't be read: {error}") from error
        if not isinstance(pieces, list) or len(pieces) != expected_tokens:
            got = len(pieces) if isinstance(pieces, list) else type(pieces).__name__
            raise BrokenModel(f"{path} holds {got}; allowed: a list of {expected_tokens} pieces")
        return cls([_piece_bytes(piece, index, path) for index, piece in enumerate(pieces)])

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """What each token adds to the text."""
        return self._pieces

    def __len__(self) -> int:
        """Count of tokens."""
        return len(self._pieces)

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of ``token``, in [0, len(self)), maybe part of a character."""
        assert 0 <= token < len(self._pieces), f"token {token} of {len(self._pieces)}"
        return self._pieces[token]


class TextDecoder:
    """Bytes of tokens to text, never half a character.

    An incomplete character is held back until its other bytes come. Bytes that can no longer
    become a character give U+FFFD.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def receive(self, data: bytes) -> str:
        """Text completed by ``data``, maybe empty."""
        return self._utf8.decode(data)

    def finish(self) -> str:
        """Say that no bytes follow: U+FFFD if a character was left incomplete, else nothing."""
        return self._utf8.decode(b"", final=True)


def decode(tokens: Iterable[int], table: TokenTable, *, ended: bool = True) -> str:
    """Text of ``tokens``, with the space that the first word may start with.

    With ``ended`` false more tokens may follow: a character still incomplete is left out.
    """
    decoder = TextDecoder()
    text = decoder.receive(b"".join(table.token_bytes(token) for token in tokens))
    return text + decoder.finish() if ended else text


def _piece_bytes(piece: object, index: int, path: Path) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, list) and all(isinstance(value, int) for value in piece):
        try:
            return bytes(piece)
        except ValueError as error:
            raise BrokenModel(f"{path}: piece {index} is {piece}; allowed: 0 to 255") from error
    raise BrokenModel(f"{path}: piece {index} is {piece!r}; allowed: text, or a list of bytes")


def _piece_text(piece: bytes) -> bytes:
    if spelled := _SPELLED_BYTE.fullmatch(piece):
        return bytes.fromhex(spelled[1].decode("ascii"))
    if _SPECIAL.fullmatch(piece):
        return b""
    return piece.replace(_SPACE, b" ")


def _split(data: bytes, path: Path) -> list[bytes]:
    pieces: list[bytes] = []
    offset = 0
    while offset < len(data):
        first = offset
        length = data[offset]
        offset += 1
        if length >= 128 and offset < len(data):
            length += 128 * data[offset] - 128
            offset += 1
        if offset + length > len(data):
            raise BrokenModel(
                f"{path} is not a vocabulary, or cut short: token {len(pieces)} at byte {first}"
                f" needs {length} bytes, but only {len(data) - offset} follow"
            )
        pieces.append(data[offset : offset + length])
        offset += length
    return pieces
