"""A checkpoint's vocabulary as pieces: what each token adds to the text.

Tokenizers write text in many ways; what they have in common is that a token's contribution does
not depend on its neighbours. That is checked: random tokens, every one of them at least once, must
give the text that the tokenizer itself gives. Only single bytes are left out, since tokenizers
disagree on what broken characters look like.
"""

import inspect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np

from streamscribe_export.checkpoint import Tokenizer, quiet
from streamscribe_export.errors import UnsupportedCheckpoint, VocabularyMismatch

Piece: TypeAlias = str | list[int]
"""Text, or bytes of a part of a character."""

_SPELLED_BYTE: Final = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_ROUND: Final = 8
_ROUNDED_MAX: Final = 128
"""What widths are rounded up to: a multiple of 8, by less than 128."""
_CLOSING: Final = (".", ",", "?", "!", "'s", "'m", "'ve", "'re", "n't")
"""What decoders of word pieces put directly after the word before."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a bundle states of the tokens."""

    pieces: tuple[Piece, ...]
    blank: int | None
    """None: there is none, because a decoder writes them."""
    specials: frozenset[int]
    """Tokens that say nothing, the blank among them."""

    def text(self, ids: Sequence[int]) -> str:
        """The text of one frame's token after the other: repeats merged, blanks dropped."""
        kept = [token for at, token in enumerate(ids) if at == 0 or ids[at - 1] != token]
        return self.joined([token for token in kept if token != self.blank])

    def joined(self, tokens: Sequence[int]) -> str:
        """The text of tokens that are none of them blanks."""
        data = b"".join(
            piece.encode() if isinstance(piece, str) else bytes(piece)
            for piece in (self.pieces[token] for token in tokens)
        )
        return data.decode("utf-8", errors="replace").strip()


def read_vocabulary(tokenizer: Tokenizer, width: int, pad_token_id: int | None) -> Vocabulary:
    """The vocabulary of a head that gives ``width`` logits.

    pad_token_id: the configuration's, for tokenizers that name no padding token.
    """
    blank = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else pad_token_id
    if blank is None or not 0 <= blank < width:
        raise VocabularyMismatch(
            f"the padding token, which is CTC's blank, is {blank}; allowed: 0 to {width - 1}"
        )
    names = _names(tokenizer)
    specials = _specials(tokenizer) | {blank}
    _check_width(names, specials, width)
    return Vocabulary(_pieces(tokenizer, names, specials, width), blank, frozenset(specials))


def read_decoder_vocabulary(tokenizer: Tokenizer, width: int) -> Vocabulary:
    """The vocabulary of a decoder that gives ``width`` logits.

    Widths are often rounded up, to more than the tokenizer has names for.
    """
    names = _names(tokenizer)
    specials = _specials(tokenizer)
    named = 1 + max(names, default=-1)
    rounded = width % _ROUND == 0 and 0 < width - named < _ROUNDED_MAX
    _check_width(names, specials, named if rounded else width)
    if rounded:
        specials |= set(range(named, width))
    return Vocabulary(_pieces(tokenizer, names, specials, width), None, frozenset(specials))


def _names(tokenizer: Tokenizer) -> dict[int, str]:
    return {int(token): str(name) for name, token in tokenizer.get_vocab().items()}


def _specials(tokenizer: Tokenizer) -> set[int]:
    """Tokens that the tokenizer leaves out of a text."""
    specials = {int(token) for token in tokenizer.all_special_ids}
    if getattr(tokenizer, "is_fast", False):
        added = tokenizer.added_tokens_decoder.items()
        specials |= {int(token) for token, stated in added if stated.special}
    return specials


def _pieces(
    tokenizer: Tokenizer, names: dict[int, str], specials: set[int], width: int
) -> tuple[Piece, ...]:
    write = _writer(tokenizer)
    return tuple("" if token in specials else write(names[token]) for token in range(width))


def reference_text(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    """What the tokenizer itself makes of tokens that are collapsed already.

    Its tidying of English punctuation, which some checkpoints ask for, is left out: a stream
    can't take back a space that it has shown.
    """
    own = {"group_tokens": False} if groups_tokens(tokenizer) else {}
    text = tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False, **own
    )
    return str(text).strip()


def groups_tokens(tokenizer: Tokenizer) -> bool:
    """Whether it merges repeats itself, as tokenizers made for CTC do."""
    return "group_tokens" in inspect.signature(tokenizer._decode).parameters


def check_pieces(vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
    """Refuse a vocabulary that does not write what the tokenizer writes."""
    rng = np.random.default_rng(0)
    spoken = [token for token in range(len(vocabulary.pieces)) if token not in vocabulary.specials]
    names = tokenizer.convert_ids_to_tokens(spoken)
    tokens = [
        token
        for token, name in zip(spoken, names, strict=True)
        if isinstance(vocabulary.pieces[token], str) and not _SPELLED_BYTE.fullmatch(name)
    ]
    order = np.concatenate([rng.permutation(tokens) for _ in range(3)]) if tokens else np.array([])
    for start in range(0, len(order), 20):
        some = [int(token) for token in order[start : start + 20]]
        ours = vocabulary.joined(some)
        with quiet():
            theirs = reference_text(tokenizer, some)
        if ours != theirs:
            raise UnsupportedCheckpoint(
                f"tokens of {type(tokenizer).__name__} can't be written one by one: {some} is"
                f" {theirs!r} to the tokenizer, and {ours!r} piece by piece"
            )


def _check_width(names: dict[int, str], specials: set[int], width: int) -> None:
    unnamed = [token for token in range(width) if token not in names]
    beyond = [token for token in names if token >= width and token not in specials]
    if unnamed or beyond:
        told = f"{len(unnamed)} of them have no token" if unnamed else ""
        more = f"{len(beyond)} tokens lie beyond them" if beyond else ""
        raise VocabularyMismatch(
            f"the model gives {width} logits, and {' and '.join(filter(None, (told, more)))}:"
            f" the tokenizer has {len(names)}; allowed: a tokenizer that belongs to the model"
        )


def _writer(tokenizer: Tokenizer) -> Any:  # noqa: ANN401
    """How the tokenizer's class turns a token's name into a piece."""
    kind = type(tokenizer).__name__
    if "Phoneme" in kind:
        return lambda name: "" if name == tokenizer.word_delimiter_token else f" {name}"
    if hasattr(tokenizer, "word_delimiter_token"):
        return lambda name: _character(tokenizer, name)
    if getattr(tokenizer, "is_fast", False):
        stated = json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder")
        return _decoder_writer(_flattened(stated), kind)
    return lambda name: _sentence_piece(tokenizer, name)


def _sentence_piece(tokenizer: Tokenizer, name: str) -> Piece:
    text = name.replace("\u2581", " ")
    return text.upper() if getattr(tokenizer, "do_upper_case", False) else text


def _character(tokenizer: Tokenizer, name: str) -> Piece:
    if name == tokenizer.word_delimiter_token:
        return str(tokenizer.replace_word_delimiter_char)
    return name.lower() if tokenizer.do_lower_case else name


def _flattened(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    if decoder is None:
        return []
    if decoder["type"] == "Sequence":
        return [inner for outer in decoder["decoders"] for inner in _flattened(outer)]
    return [decoder]


def _decoder_writer(decoders: list[dict[str, Any]], kind: str) -> Any:  # noqa: ANN401
    """Pieces of a tokenizer whose text is made by a chain of decoders."""
    types = {decoder["type"]: decoder for decoder in decoders}
    if "ByteLevel" in types:
        return byte_level_piece
    if "WordPiece" in types:
        return lambda name: _word_piece(types["WordPiece"], name)
    if "CTC" in types:
        delimiter = types["CTC"]["word_delimiter_token"]
        return lambda name: " " if name == delimiter else name
    if "Metaspace" in types or "Replace" in types:
        return lambda name: _metaspace(decoders, name)
    raise UnsupportedCheckpoint(
        f"{kind} decodes by {', '.join(types) or 'nothing'}; allowed: Metaspace, Replace,"
        " ByteFallback, ByteLevel, WordPiece, CTC"
    )


def _metaspace(decoders: list[dict[str, Any]], name: str) -> Piece:
    for decoder in decoders:
        match decoder:
            case {"type": "Metaspace", "replacement": mark}:
                name = name.replace(mark, " ")
            case {"type": "Replace", "pattern": {"String": pattern}, "content": content}:
                name = name.replace(pattern, content)
            case {"type": "ByteFallback"}:
                if spelled := _SPELLED_BYTE.fullmatch(name):
                    return _text_or_bytes(bytes.fromhex(spelled[1]))
    return name


def byte_level_piece(name: str) -> Piece:
    """What a token of a byte-level vocabulary adds to the text."""
    table = _byte_level()
    return _text_or_bytes(bytes(table[letter] for letter in name))


def _word_piece(decoder: dict[str, Any], name: str) -> Piece:
    if name.startswith(decoder["prefix"]):
        return name.removeprefix(decoder["prefix"])
    return name if decoder["cleanup"] and name in _CLOSING else f" {name}"


def _text_or_bytes(data: bytes) -> Piece:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return list(data)


@cache
def _byte_level() -> dict[str, int]:
    """The printable letter for each byte: itself where it prints, else the next from 256 on."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in prints]
    letters = {chr(byte): byte for byte in prints}
    return letters | {chr(256 + index): byte for index, byte in enumerate(others)}
