"""Small random encoder-decoder checkpoints in folders, with tokenizer and extractor, as users have
them.
"""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fakes_checkpoints import RECIPES, save_extractor
from fakes_seq2seq_checkpoints import VOCABULARY_SIZE, WHOLE, make_seq2seq_model
from fakes_whisper import FRAMES, make_tokenizer, make_whisper
from streamscribe_export.checkpoint import quiet

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]
SYLLABLES = [
    f"{mark}{consonant}{vowel}" for mark in ("▁", "") for consonant in "bdfgklm" for vowel in "aeio"
]
WORDS = SPECIALS + SYLLABLES
"""60 tokens, numbered as the models number the special ones."""
METASPACE: dict[str, Any] = {
    "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True,
}  # fmt: skip
KINDS = ["wav2vec2 + bert", "wav2vec2-bert + gpt2", "wavlm + roberta", *WHOLE]
"""By which families; Whisper is made apart."""


def make_seq2seq_checkpoint(
    kind: str,
    folder: Path,
    *,
    sureness: float = 1.0,
    **settings: Any,  # noqa: ANN401
) -> Path:
    """Save a checkpoint of ``kind``; returns the folder.

    sureness: factor of all logits.   settings: of the generation, like ``num_beams``.
    """
    model = make_seq2seq_model(kind)
    model.generation_config.update(**settings)
    head = getattr(model, "decoder", model).get_output_embeddings()
    head.weight.data *= sureness
    with quiet():
        model.save_pretrained(folder)
    save_words(folder)
    save_seq2seq_extractor(kind, folder)
    return folder


def save_words(folder: Path, tokens: list[str] = WORDS) -> None:
    """Write a tokenizer of pieces of words."""
    stated: dict[str, Any] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": METASPACE,
        "model": {
            "type": "WordLevel", "unk_token": "<unk>",
            "vocab": {name: id for id, name in enumerate(tokens)},
        },
    }  # fmt: skip
    whole = import_module("tokenizers").Tokenizer.from_str(json.dumps(stated))
    _fast(whole, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>")(folder)


def save_letters(folder: Path) -> int:
    """Write the tokenizer of letters that SpeechT5 has; returns how many tokens there are."""
    import sentencepiece
    from transformers import SpeechT5Tokenizer

    letters = "abcdefghijklmnopqrstuvwxyz'"
    texts = folder / "texts.txt"
    texts.write_text("\n".join(f"{one}{two} {one}" for one in letters for two in letters))
    sentencepiece.SentencePieceTrainer.train(
        input=str(texts), model_prefix=str(folder / "spm_char"), model_type="char",
        vocab_size=32, character_coverage=1.0, bos_id=0, pad_id=1, eos_id=2, unk_id=3,
        minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    with quiet():
        build: Callable[..., Any] = SpeechT5Tokenizer
        tokenizer = build(str(folder / "spm_char.model"))
        tokenizer.save_pretrained(folder)
    return len(tokenizer)


def save_seq2seq_extractor(kind: str, folder: Path) -> None:
    """Write the ``preprocessor_config.json`` that belongs to the family."""
    with quiet():
        import transformers
    encoder = kind.partition(" + ")[0]
    if encoder in RECIPES:
        save_extractor(encoder, folder)
    elif kind == "speech_to_text":
        build: Any = import_module("transformers").Speech2TextFeatureExtractor
        build().save_pretrained(folder)
    elif kind == "speecht5":
        transformers.SpeechT5FeatureExtractor().save_pretrained(folder)
    else:
        transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)


def make_whisper_checkpoint(folder: Path) -> Path:
    """Save a Whisper for several languages; returns the folder."""
    from tokenizers import decoders

    with quiet():
        from transformers import WhisperFeatureExtractor

        make_whisper().save_pretrained(folder)
        WhisperFeatureExtractor(chunk_length=FRAMES // 50).save_pretrained(folder)
    tokenizer = make_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    _fast(tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")(folder)
    return folder


def _fast(tokenizer: Any, **specials: str) -> Callable[[Path], Any]:  # noqa: ANN401
    with quiet():
        from transformers import PreTrainedTokenizerFast

        build: Callable[..., Any] = PreTrainedTokenizerFast
        save: Callable[[Path], Any] = build(tokenizer_object=tokenizer, **specials).save_pretrained
    return save


assert len(WORDS) == VOCABULARY_SIZE
