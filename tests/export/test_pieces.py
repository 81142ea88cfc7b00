"""Vocabularies of every kind as pieces."""

import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_checkpoints import VOCABULARY, Export, make_model, save_extractor
from streamscribe.tokens import PieceTable, decode
from streamscribe_export.checkpoint import load_tokenizer, quiet, read_checkpoint
from streamscribe_export.errors import UnsupportedCheckpoint, VocabularyMismatch
from streamscribe_export.pieces import Vocabulary, check_pieces, read_vocabulary


def fast(tokens: list[str], decoder: dict[str, Any] | None) -> Any:  # noqa: ANN401
    """A fast tokenizer with these tokens, the first of which is the blank."""
    vocabulary = {name: id for id, name in enumerate(tokens)}
    stated: dict[str, Any] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": decoder,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }  # fmt: skip
    with quiet():
        from transformers import PreTrainedTokenizerFast

    whole = import_module("tokenizers").Tokenizer.from_str(json.dumps(stated))
    build: Callable[..., Any] = PreTrainedTokenizerFast
    return build(tokenizer_object=whole, pad_token="<pad>", unk_token="<unk>")


def pieces_of(tokenizer: Any) -> Vocabulary:  # noqa: ANN401
    vocabulary = read_vocabulary(tokenizer, len(tokenizer), None)
    check_pieces(vocabulary, tokenizer)
    return vocabulary


def slow(kind: str, folder: Path, tokens: list[str], **settings: Any) -> Any:  # noqa: ANN401
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers
    file = folder / "vocab.json"
    file.write_text(json.dumps({name: id for id, name in enumerate(tokens)}))
    return getattr(transformers, kind)(str(file), **settings)


def test_characters_with_a_word_delimiter(tmp_path: Path) -> None:
    vocabulary = pieces_of(slow("Wav2Vec2CTCTokenizer", tmp_path, VOCABULARY))
    assert (vocabulary.blank, vocabulary.pieces[:6]) == (0, ("", "", "", "", " ", "E"))
    ids = [VOCABULARY.index(name) for name in ("H", "H", "<pad>", "H", "|", "|", "I", "<pad>")]
    assert vocabulary.text(ids) == "HH I"


def test_lower_case_where_the_tokenizer_asks_for_it(tmp_path: Path) -> None:
    tokenizer = slow("Wav2Vec2CTCTokenizer", tmp_path, VOCABULARY, do_lower_case=True)
    assert pieces_of(tokenizer).pieces[5:8] == ("e", "t", "a")


def test_special_tokens_beyond_the_head_are_no_mismatch(tmp_path: Path) -> None:
    tokens = ["<pad>", "|", "A", "B", "<unk>"]
    tokenizer = slow("Wav2Vec2CTCTokenizer", tmp_path, tokens)
    assert len(tokenizer) == 7
    assert read_vocabulary(tokenizer, 5, None).pieces == ("", " ", "A", "B", "")


def test_phonemes_are_words_of_their_own(tmp_path: Path) -> None:
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "aɪ", "s", "k", "iː"]
    tokenizer = slow("Wav2Vec2PhonemeCTCTokenizer", tmp_path, tokens, do_phonemize=False)
    assert pieces_of(tokenizer).pieces[4:] == (" aɪ", " s", " k", " iː")


def test_sentencepiece_marks_are_spaces() -> None:
    decoder = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    vocabulary = pieces_of(fast(["<pad>", "<unk>", "▁the", "▁", "cat", "s"], decoder))
    assert vocabulary.pieces == ("", "", " the", " ", "cat", "s")
    assert vocabulary.text([2, 2, 0, 3, 4, 5, 0, 5]) == "the catss"


def test_bytes_of_a_character_are_kept_apart() -> None:
    decoder = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    vocabulary = pieces_of(fast(["<pad>", "<unk>", "▁a", "<0xC3>", "<0xA9>", "<0x41>"], decoder))
    assert vocabulary.pieces[2:] == (" a", [0xC3], [0xA9], "A")
    assert vocabulary.text([2, 3, 4]) == "aé"


def test_byte_level_tokens() -> None:
    decoder = {
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True,
    }  # fmt: skip
    vocabulary = pieces_of(fast(["<pad>", "<unk>", "Ġhi", "Ã", "©", "Ã©"], decoder))
    assert vocabulary.pieces[2:] == (" hi", [0xC3], [0xA9], "é")


def test_word_pieces() -> None:
    decoder = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    vocabulary = pieces_of(fast(["<pad>", "<unk>", "play", "##ing", "ball", "."], decoder))
    assert vocabulary.pieces[2:] == (" play", "ing", " ball", ".")
    assert vocabulary.text([2, 3, 4, 5]) == "playing ball."


def test_a_tokenizer_that_can_not_be_written_token_by_token_is_refused() -> None:
    decoder = {"type": "BPEDecoder", "suffix": "</w>"}
    with pytest.raises(UnsupportedCheckpoint, match="decodes by BPEDecoder; allowed: Metaspace"):
        pieces_of(fast(["<pad>", "<unk>", "a</w>"], decoder))


def test_pieces_that_are_not_the_tokenizers_are_refused(tmp_path: Path) -> None:
    tokenizer = slow("Wav2Vec2CTCTokenizer", tmp_path, VOCABULARY)
    wrong = Vocabulary(tuple("x" for _ in VOCABULARY), 0, frozenset())
    with pytest.raises(UnsupportedCheckpoint, match="piece by piece"):
        check_pieces(wrong, tokenizer)


def test_a_vocabulary_without_a_blank_is_refused() -> None:
    tokenizer = fast(["<pad>", "<unk>", "a"], {"type": "CTC"} | {
        "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": False,
    })  # fmt: skip
    tokenizer.pad_token = None
    with pytest.raises(VocabularyMismatch, match="which is CTC's blank, is None"):
        read_vocabulary(tokenizer, 3, None)


def test_a_checkpoint_with_sentence_pieces_is_exported(tmp_path: Path, run_export: Export) -> None:
    words = ["<pad>", "<unk>", *(f"▁{letter}x" for letter in "abcdefghijklmno")]
    decoder = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    tokenizer = fast([*words, *"abcdefghijklmno"], decoder)
    folder = tmp_path / "checkpoint"
    make_model("wav2vec2").save_pretrained(folder)
    save_extractor("wav2vec2", folder)
    tokenizer.save_pretrained(folder)
    run_export(folder, tmp_path / "bundle")
    table = PieceTable.read(tmp_path / "bundle" / "tokens.json", expected_tokens=32)
    assert decode([2, 17, 3], table) == " axa bx"
    assert load_tokenizer(read_checkpoint(folder, "here")).decode([2, 17, 3]) == "axa bx"
