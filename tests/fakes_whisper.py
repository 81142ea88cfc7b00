"""A small random Whisper: its weights, tokens, and folder as CTranslate2 writes it.

Its weights say nothing; but every layer of the real ones is there, with heads as wide as theirs.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe_export.checkpoint import TorchModel, quiet
from streamscribe_export.whisper.weights import Weights

Floats: TypeAlias = npt.NDArray[np.float32]
Variables: TypeAlias = dict[str, npt.NDArray[Any]]

WIDTH, HEADS, LAYERS, MELS = 128, 2, 2, 80
FRAMES = 300
"""Six seconds: the shortest window that a session may have, and some slack."""
POSITIONS = 32
TEXTS = (
    "The quick brown fox can't jump over 10 lazy dogs, and it's 3.14 times as slow; they'll see."
    " She said: \"We're here!\" -- and I've waited (for hours) on the 2nd of May_day.",
    "Der K\u00f6nig \u00fcber der Br\u00fccke gr\u00fc\u00dfte sch\u00f6n.",
    "L'\u00e9t\u00e9 \u00e0 la plage, na\u00efve co\u00f6p.",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f",
)
"""What the vocabulary is learnt from."""
TEXT_TOKENS = 400
SPECIALS = (
    "<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|fr|>", "<|translate|>",
    "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    "<|0.00|>", "<|0.02|>",
)  # fmt: skip
VOCABULARY_SIZE = TEXT_TOKENS + len(SPECIALS)
NUMBERS = {name: TEXT_TOKENS + at for at, name in enumerate(SPECIALS)}


def make_tokenizer() -> Any:  # noqa: ANN401
    """A tokenizer of bytes, as Whisper's is."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    assert tokenizer.get_vocab_size() == TEXT_TOKENS
    tokenizer.add_special_tokens(list(SPECIALS))
    return tokenizer


def make_whisper() -> TorchModel:
    """A model of transformers, always the same."""
    import torch

    with quiet():
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        config = WhisperConfig(
            vocab_size=VOCABULARY_SIZE, num_mel_bins=MELS, d_model=WIDTH,
            encoder_layers=LAYERS, encoder_attention_heads=HEADS, encoder_ffn_dim=2 * WIDTH,
            decoder_layers=LAYERS, decoder_attention_heads=HEADS, decoder_ffn_dim=2 * WIDTH,
            max_source_positions=FRAMES, max_target_positions=POSITIONS,
            pad_token_id=0, bos_token_id=0, eos_token_id=NUMBERS["<|endoftext|>"],
            decoder_start_token_id=NUMBERS["<|startoftranscript|>"],
            attn_implementation="eager",
        )  # fmt: skip
        torch.manual_seed(1)
        model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            _scatter(name, tensor)
    return model


def _scatter(name: str, tensor: Any) -> None:  # noqa: ANN401
    """Make the weights so different that texts vary, and hang on the audio and on the prompt."""
    if name.endswith("norm.weight"):
        tensor.uniform_(0.5, 1.5)
    elif name.endswith("bias"):
        tensor.normal_(0, 0.05)
    elif "decoder.embed_positions" in name:
        tensor.normal_(0, 0.6)
    elif "embed_positions" not in name:  # the encoder's are waves
        tensor.normal_(0, 0.2)


def weights_of(model: TorchModel) -> Weights:
    """The model's weights as arrays."""
    tensors = {
        name.removeprefix("model."): tensor.numpy()
        for name, tensor in model.state_dict().items()
        if name.startswith("model.")
    }
    return Weights(tensors, HEADS)


def run_torch(
    model: TorchModel, features: Floats, tokens: Sequence[int]
) -> tuple[Floats, list[Floats]]:
    """Logits (tokens, vocabulary), and what each layer looked at, (heads, tokens, frames).

    features: (frames, mels), an even number of frames.
    """
    import torch

    heard = torch.from_numpy(features.T[np.newaxis].copy())
    with quiet(), torch.no_grad(), _as_many_positions(model, len(features) // 2):
        output = model(
            heard, decoder_input_ids=torch.tensor([list(tokens)]), output_attentions=True
        )
    return output.logits[0].numpy(), [layer[0].numpy() for layer in output.cross_attentions]


@contextmanager
def _as_many_positions(model: TorchModel, frames: int) -> Iterator[None]:
    """While the block runs, the encoder takes so many frames and no others."""
    import torch

    encoder = model.model.encoder
    usual = encoder.embed_positions
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(usual.weight[:frames])
    encoder.config.max_source_positions = frames
    try:
        yield
    finally:
        encoder.embed_positions = usual
        encoder.config.max_source_positions = FRAMES


# --- the folder that CTranslate2's converter writes


def variables_of(weights: Weights) -> Variables:
    """The weights under the names that CTranslate2 gives them."""
    found: Variables = {"decoder/embeddings/weight": weights["decoder.embed_tokens.weight"]}
    for number in (1, 2):
        found |= _linear(f"encoder/conv{number}", weights, f"encoder.conv{number}")
    for side in ("encoder", "decoder"):
        table = weights[f"{side}.embed_positions.weight"]
        found[f"{side}/position_encodings/encodings"] = table
        found |= _norm(f"{side}/layer_norm", weights, f"{side}.layer_norm")
        for layer in range(LAYERS):
            found |= _layer(f"{side}/layer_{layer}", weights, f"{side}.layers.{layer}", side)
    return found


def _layer(theirs: str, weights: Weights, ours: str, side: str) -> Variables:
    found = _joined(f"{theirs}/self_attention/linear_0", weights, f"{ours}.self_attn", "qkv")
    found |= _linear(f"{theirs}/self_attention/linear_1", weights, f"{ours}.self_attn.out_proj")
    found |= _norm(f"{theirs}/self_attention/layer_norm", weights, f"{ours}.self_attn_layer_norm")
    if side == "decoder":
        crossing = f"{ours}.encoder_attn"
        found |= _linear(f"{theirs}/attention/linear_0", weights, f"{crossing}.q_proj")
        found |= _joined(f"{theirs}/attention/linear_1", weights, crossing, "kv")
        found |= _linear(f"{theirs}/attention/linear_2", weights, f"{crossing}.out_proj")
        found |= _norm(f"{theirs}/attention/layer_norm", weights, f"{crossing}_layer_norm")
    found |= _linear(f"{theirs}/ffn/linear_0", weights, f"{ours}.fc1")
    found |= _linear(f"{theirs}/ffn/linear_1", weights, f"{ours}.fc2")
    return found | _norm(f"{theirs}/ffn/layer_norm", weights, f"{ours}.final_layer_norm")


def _linear(theirs: str, weights: Weights, ours: str) -> Variables:
    weight, bias = weights.linear(ours)
    return {f"{theirs}/weight": weight, f"{theirs}/bias": bias}


def _norm(theirs: str, weights: Weights, ours: str) -> Variables:
    return {
        f"{theirs}/gamma": weights[f"{ours}.weight"],
        f"{theirs}/beta": weights[f"{ours}.bias"],
    }


def _joined(theirs: str, weights: Weights, ours: str, parts: str) -> Variables:
    pairs = [weights.linear(f"{ours}.{part}_proj") for part in parts]
    joined = [np.concatenate(arrays) for arrays in zip(*pairs, strict=True)]
    return {f"{theirs}/weight": joined[0], f"{theirs}/bias": joined[1]}


def in_halves(variables: Variables) -> Variables:
    """In 16 bits."""
    return {name: array.astype(np.float16) for name, array in variables.items()}


def in_bytes(variables: Variables) -> Variables:
    """Matrices in 8 bits, with a scale for each row."""
    found: Variables = {}
    for name, array in variables.items():
        if not name.endswith("/weight") or array.ndim != 2:
            found[name] = array
            continue
        scale = 127 / abs(array).max(axis=1)
        found[name] = np.rint(array * scale[:, np.newaxis]).astype(np.int8)
        found[f"{name}_scale"] = scale.astype(np.float32)
    return found


_KINDS = ("float32", "int8", "int16", "int32", "float16")


def binary(variables: Variables, specification: str = "WhisperSpec", version: int = 6) -> bytes:
    """What a ``model.bin`` holds."""
    parts = [struct.pack("<I", version), _text(specification), struct.pack("<I", 3)]
    parts.append(struct.pack("<I", len(variables)))
    for name, array in variables.items():
        data = np.ascontiguousarray(array).tobytes()
        parts.append(_text(name))
        parts.append(struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
        parts.append(struct.pack("<BI", _KINDS.index(str(array.dtype)), len(data)) + data)
    alias = _text("decoder/projection/weight") + _text("decoder/embeddings/weight")
    return b"".join([*parts, struct.pack("<I", 1), alias])


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def make_ctranslate2(folder: Path, variables: Variables, **config: Any) -> Path:  # noqa: ANN401
    """Write such a folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(binary(variables))
    fields = {"suppress_ids": [5, 6], "suppress_ids_begin": [7, NUMBERS["<|endoftext|>"]]}
    (folder / "config.json").write_text(json.dumps(fields | config))
    make_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def names_of(tokenizer: Any) -> Mapping[str, int]:  # noqa: ANN401
    """Every token's number by its name, but for the special ones."""
    return {name: token for name, token in tokenizer.get_vocab().items() if token < TEXT_TOKENS}
