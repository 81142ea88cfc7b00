"""Small random checkpoints of every family, saved as users have them.

Their weights say nothing; but every layer of the real ones is there, and their heads hardly ever
choose a special token, as trained ones don't.
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from streamscribe.features import log_mel
from streamscribe_export.families import FAMILIES
from streamscribe_export.front_end import read_front_end
from streamscribe_export.signals import babble

Export: TypeAlias = Callable[..., Any]
"""Exports a checkpoint's folder to a bundle's folder; returns the report."""

LETTERS = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
SPECIALS = ["<pad>", "<s>", "</s>", "<unk>"]
VOCABULARY = SPECIALS + list(LETTERS)
"""32 tokens; the first is the blank."""

CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": (32, 32, 32), "conv_stride": (5, 8, 8), "conv_kernel": (10, 8, 8),
    "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "vocab_size": len(VOCABULARY), "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LAYER_NORM: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
MCTCT: dict[str, Any] = {"attention_head_dim": 16, "max_position_embeddings": 200}
PARAKEET: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "subsampling_conv_channels": 8, "num_mel_bins": 80,
}  # fmt: skip

RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2": ("Wav2Vec2", CONVOLUTIONS),
    "wav2vec2 with layer norms": ("Wav2Vec2", CONVOLUTIONS | LAYER_NORM | {"conv_bias": True}),
    "wav2vec2 with an adapter": (
        "Wav2Vec2", CONVOLUTIONS | {"add_adapter": True, "num_adapter_layers": 1}
    ),
    "wav2vec2-conformer": ("Wav2Vec2Conformer", CONVOLUTIONS),
    "wav2vec2-conformer, rotary": (
        "Wav2Vec2Conformer", CONVOLUTIONS | {"position_embeddings_type": "rotary"}
    ),
    "hubert": ("Hubert", CONVOLUTIONS),
    "hubert with layer norms": ("Hubert", CONVOLUTIONS | LAYER_NORM),
    "sew": ("SEW", CONVOLUTIONS | {"squeeze_factor": 2}),
    "sew-d": (
        "SEWD",
        CONVOLUTIONS | {"squeeze_factor": 2, "max_position_embeddings": 64, "position_buckets": 16},
    ),
    "wavlm": ("WavLM", CONVOLUTIONS),
    "wavlm with layer norms": ("WavLM", CONVOLUTIONS | LAYER_NORM),
    "unispeech": ("UniSpeech", CONVOLUTIONS),
    "unispeech-sat": ("UniSpeechSat", CONVOLUTIONS),
    "data2vec-audio": (
        "Data2VecAudio", CONVOLUTIONS | {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 7}
    ),
    "mctct": ("MCTCT", MCTCT),
    "wav2vec2-bert": ("Wav2Vec2Bert", {}),
    "wav2vec2-bert with an adapter": (
        "Wav2Vec2Bert", {"add_adapter": True, "output_hidden_size": 32}
    ),
    "wav2vec2-bert, relative": ("Wav2Vec2Bert", {"position_embeddings_type": "relative"}),
    "parakeet": ("Parakeet", {}),
}  # fmt: skip
"""By kind of checkpoint: what the classes' names start with, and the settings."""

PARAKEET_EXTRACTOR = {
    "feature_extractor_type": "ParakeetFeatureExtractor", "feature_size": 80, "hop_length": 160,
    "n_fft": 512, "padding_value": 0.0, "preemphasis": 0.97, "sampling_rate": 16_000,
    "win_length": 400,
}  # fmt: skip
"""As its own class writes it, which needs a package that is not installed."""


def make_checkpoint(kind: str, folder: Path, **settings: Any) -> Path:  # noqa: ANN401
    """Save a checkpoint of ``kind`` with its processor; returns the folder."""
    make_model(kind, **settings).save_pretrained(folder)
    save_extractor(kind, folder)
    save_characters(folder)
    return folder


def make_model(kind: str, **settings: Any) -> Any:  # noqa: ANN401
    """A model with random weights, always the same."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        prefix, own = RECIPES[kind]
        model_class = getattr(transformers, f"{prefix}ForCTC")
    torch.manual_seed(1)
    if prefix == "Parakeet":
        fields: dict[str, Any] = {
            "vocab_size": len(VOCABULARY),
            "pad_token_id": 0,
            "encoder_config": PARAKEET,
        }
        config = transformers.ParakeetCTCConfig(**fields | settings)
    else:
        config = getattr(transformers, f"{prefix}Config")(**SMALL | own | settings)
    model = model_class(config).eval()
    _train(model, getattr(model, "lm_head", None) or model.ctc_head)
    return model


def _train(model: Any, head: Any) -> None:  # noqa: ANN401
    """Make every token as likely as the next over time, but for the special ones."""
    import torch

    mel = read_front_end({}, FAMILIES[model.config.model_type]).mel
    heard = babble(64_000, seed=3)
    window = torch.from_numpy(heard if mel is None else log_mel(heard, mel))
    with torch.no_grad():
        head.weight.normal_(0, 1)
        logits = model(window[None]).logits[0]
        spread = logits.std(dim=0).clamp(min=0.1 if mel is None else 1.0)
        head.weight /= spread.reshape([-1, *[1] * (head.weight.dim() - 1)])
        head.bias.copy_((head.bias - logits.mean(dim=0)) / spread)
        head.bias[1 : len(SPECIALS)] -= 100


def save_extractor(kind: str, folder: Path) -> None:
    """Write the ``preprocessor_config.json`` that belongs to the family."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers
    if kind == "parakeet":
        text = json.dumps(PARAKEET_EXTRACTOR)
        (folder / "preprocessor_config.json").write_text(text, encoding="utf-8")
        return
    family = kind.partition(",")[0].partition(" with")[0]
    names = {"mctct": "MCTCT", "wav2vec2-bert": "SeamlessM4T"}
    build = getattr(transformers, f"{names.get(family, 'Wav2Vec2')}FeatureExtractor")
    build().save_pretrained(folder)


def save_characters(folder: Path, **settings: Any) -> None:  # noqa: ANN401
    """Write the usual tokenizer of 32 characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import Wav2Vec2CTCTokenizer
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({name: id for id, name in enumerate(VOCABULARY)}))
    build: Callable[..., Any] = Wav2Vec2CTCTokenizer
    build(str(vocabulary), **settings).save_pretrained(folder)
