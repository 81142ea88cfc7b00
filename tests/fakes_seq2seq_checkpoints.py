"""Small random encoder-decoder checkpoints of every family, and greedy decoding with their graphs.

Their weights say nothing; but they are large enough for the text to vary and to depend on what is
heard.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fakes_checkpoints import CONVOLUTIONS, RECIPES, SMALL
from streamscribe_export.seq2seq_families import Decoding, Seq2SeqFamily, detect_seq2seq
from streamscribe_export.seq2seq_tracing import CacheShape, write_seq2seq_graphs

Floats: TypeAlias = npt.NDArray[np.float32]
Tensors: TypeAlias = dict[str, Floats]

VOCABULARY_SIZE = 60
POSITIONS = 64
IDS: dict[str, Any] = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
BERT: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "max_position_embeddings": POSITIONS, "is_decoder": True, "add_cross_attention": True,
}  # fmt: skip
BART: dict[str, Any] = {
    "d_model": 24, "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 48,
    "max_position_embeddings": POSITIONS, "forced_eos_token_id": None,
}  # fmt: skip
GPT2: dict[str, Any] = {
    "n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS, "add_cross_attention": True,
}  # fmt: skip
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", BERT),
    "roberta": ("Roberta", BERT | {"max_position_embeddings": POSITIONS + 2}),
    "gpt2": ("GPT2", GPT2),
    "bart": ("Bart", BART),
    "bart, as wide as the encoder": ("Bart", BART | {"d_model": 32}),
    "mbart": ("MBart", BART | {"scale_embedding": True}),
}
"""By kind of decoder: what the configuration's name starts with, and the settings."""

LAYERS: dict[str, Any] = {
    "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48,
    "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 48,
    "tie_word_embeddings": False,
}  # fmt: skip
MOONSHINE: dict[str, Any] = {
    "hidden_size": 36, "intermediate_size": 48, "max_position_embeddings": POSITIONS,
    "encoder_num_hidden_layers": 2, "encoder_num_attention_heads": 2,
    "decoder_num_hidden_layers": 2, "decoder_num_attention_heads": 2,
}  # fmt: skip
SPEECH_TO_TEXT: dict[str, Any] = {
    "d_model": 24, "conv_channels": 32, "max_target_positions": POSITIONS,
}  # fmt: skip
SPEECHT5: dict[str, Any] = {"hidden_size": 24, "max_text_positions": POSITIONS} | {
    name: value for name, value in CONVOLUTIONS.items() if name != "num_feat_extract_layers"
}
WHOLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "speech_to_text": (
        "Speech2Text", "Speech2TextForConditionalGeneration", LAYERS | SPEECH_TO_TEXT
    ),
    "moonshine": ("Moonshine", "MoonshineForConditionalGeneration", MOONSHINE),
    "moonshine with wider heads": (
        "Moonshine", "MoonshineForConditionalGeneration",
        MOONSHINE | {"pad_head_dim_to_multiple_of": 8},
    ),
    "speecht5": ("SpeechT5", "SpeechT5ForSpeechToText", LAYERS | SPEECHT5),
}  # fmt: skip
"""By kind of checkpoint: what the configuration's name starts with, the model's, the settings."""

COMMON = [
    "wav2vec2 + bert", "wav2vec2 with an adapter + mbart", "hubert + bart, as wide as the encoder",
    "wavlm + roberta", "wav2vec2-bert + gpt2", *WHOLE,
]  # fmt: skip
JOINED = [f"{encoder} + bart" for encoder in RECIPES if encoder != "parakeet"] + [
    f"wav2vec2 + {decoder}" for decoder in DECODERS
]
KINDS = [*COMMON, *(kind for kind in dict.fromkeys(JOINED) if kind not in COMMON)]


def make_seq2seq_model(kind: str, **settings: Any) -> Any:  # noqa: ANN401
    """A model with random weights, always the same; ``settings`` are those of the whole."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        torch.manual_seed(1)
        start = {"decoder_start_token_id": 2} | IDS
        if kind in WHOLE:
            prefix, name, own = WHOLE[kind]
            config = getattr(transformers, f"{prefix}Config")(
                vocab_size=VOCABULARY_SIZE, **start | own | settings
            )
            model = getattr(transformers, name)(config).eval()
        else:
            config = transformers.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(
                *_halves(kind), **start | settings
            )
            model = transformers.SpeechEncoderDecoderModel(config=config).eval()
    _enlarge(model, gain=1.1 if kind in WHOLE else 1.6)
    return model


def _halves(kind: str) -> tuple[Any, Any]:
    import transformers

    encoder, _, decoder = kind.partition(" + ")
    prefix, own = RECIPES[encoder]
    heard = getattr(transformers, f"{prefix}Config")(**SMALL | own)
    prefix, own = DECODERS[decoder]
    said = getattr(transformers, f"{prefix}Config")(vocab_size=VOCABULARY_SIZE, **IDS | own)
    return heard, said


def _enlarge(model: Any, gain: float) -> None:  # noqa: ANN401
    """Make attention uneven and the likeliest token clear, in all that follows the encoder."""
    import torch

    encoder = {id(weight) for weight in model.get_encoder().parameters()}
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2 and id(weight) not in encoder:
                weight.normal_(0, gain * weight.shape[1] ** -0.5, generator=generator)


def family_of(model: Any) -> Seq2SeqFamily:  # noqa: ANN401
    """As its checkpoint would state it."""
    family = detect_seq2seq(model.config.to_dict() | {"architectures": [type(model).__name__]})
    assert family is not None
    return family


class Graphs:
    """Both graphs of a model, as an engine would run them."""

    def __init__(self, model: Any, folder: Path) -> None:  # noqa: ANN401
        self.family = family_of(model)
        self.encoder_file, self.decoder_file = folder / "encoder.onnx", folder / "decoder.onnx"
        self.shape: CacheShape = write_seq2seq_graphs(
            model, self.family, self.encoder_file, self.decoder_file
        )
        self._encoder, self._decoder = _session(self.encoder_file), _session(self.decoder_file)

    def hear(self, window: Floats) -> Tensors:
        """The keys and values of the cross-attention, by name."""
        return _run(self._encoder, {self.family.input_name: window})

    def nothing_said(self, batch: int = 1) -> Tensors:
        """The cache before the first token."""
        empty = np.zeros((batch, self.shape.heads, 0, self.shape.head_dim), np.float32)
        names = [f"{what}_{i}" for i in range(self.shape.layers) for what in ("key", "value")]
        return {f"past_{name}": empty for name in names}

    def say(self, tokens: Any, past: Tensors, cross: Tensors) -> tuple[Floats, Tensors]:  # noqa: ANN401
        """Logits (batch, n, vocabulary) after ``tokens`` (batch, n), and the cache with them."""
        fed = {"tokens": np.asarray(tokens, dtype=np.int64), **past, **cross}
        output = _run(self._decoder, fed)
        logits = output.pop("logits")
        return logits, {f"past_{name}": value for name, value in output.items()}

    def say_in_pieces(self, tokens: Any, lengths: Sequence[int], cross: Tensors) -> Floats:  # noqa: ANN401
        """Logits of all ``tokens``, given so many at a time."""
        past, pieces, at = self.nothing_said(len(tokens)), [], 0
        for length in lengths:
            logits, past = self.say(tokens[:, at : at + length], past, cross)
            pieces.append(logits)
            at += length
        return np.concatenate(pieces, axis=1)

    def greedy(self, window: Floats, decoding: Decoding, most: int = 20) -> list[int]:
        """At most so many of the likeliest tokens one by one, those that texts begin with first."""
        said, past, cross = list(decoding.start), self.nothing_said(), self.hear(window)
        logits, past = self.say([said], past, cross)
        first = len(said)
        while len(said) < 1 + most and not (len(said) > first and said[-1] in decoding.end):
            scores = logits[0, -1]
            scores[list(decoding.suppressed)] = -np.inf
            if len(said) == first:
                scores[list(decoding.suppressed_first)] = -np.inf
            said.append(int(scores.argmax()))
            logits, past = self.say([said[-1:]], past, cross)
        return said


def _session(file: Path) -> Any:  # noqa: ANN401
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _run(session: Any, fed: dict[str, Any]) -> Tensors:  # noqa: ANN401
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, fed), strict=True))
