"""The families of encoder-decoder checkpoints: how each is recognised, framed and decoded.

An encoder of samples is one chain of windows as it is with a CTC head (:mod:`families`); here it
ends with the frames that the decoder attends to. ``speech-encoder-decoder`` joins any encoder of
a CTC family with a decoder of text, so what is true of it is asked of its two halves.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Final

from streamscribe_export.errors import UnknownFamily, UnsupportedCheckpoint
from streamscribe_export.families import FAMILIES, CheckpointFamily, Config, Window

JOINED: Final = "speech-encoder-decoder"
ENCODERS: Final = frozenset(FAMILIES) - {"parakeet_ctc"}
"""By ``model_type``: those whose configuration is the CTC checkpoint's own."""

BROKEN_DECODERS: Final = ("speech_to_text_2",)
"""Their positions are never made, so not even transformers can run them."""


@dataclass(frozen=True, slots=True)
class Seq2SeqFamily(CheckpointFamily):
    """What encoder-decoder checkpoints of one ``model_type`` have in common."""

    positions: Callable[[Config], int | None] = lambda config: None
    """How many tokens the decoder has positions for; None: any number."""
    encoder: str | None = None
    """Architecture of the CTC family whose encoder it has; None: it has one of its own."""

    @property
    def ears(self) -> str:
        """The architecture whose feature extractor it has."""
        return self.encoder or self.architecture


def _encoder_windows(config: Config) -> list[Window]:
    return FAMILIES[config.encoder.model_type].windows(config.encoder)


def _speech_to_text_windows(config: Config) -> list[Window]:
    return [(kernel - 2 * (kernel // 2), 2) for kernel in config.conv_kernel_sizes]


def _moonshine_windows(_: Config) -> list[Window]:
    return [(127, 64), (7, 3), (3, 2)]


def _decoder_positions(config: Config) -> int | None:
    """Of the decoder in a joined checkpoint."""
    decoder = config.decoder
    if decoder.model_type in ("roberta", "xlm-roberta", "camembert"):
        return int(decoder.max_position_embeddings - decoder.pad_token_id - 1)
    count = getattr(decoder, "max_position_embeddings", None)
    return None if count is None else int(count)


SEQ2SEQ_FAMILIES: Final = {
    JOINED: Seq2SeqFamily(
        JOINED, "SpeechEncoderDecoderModel", _encoder_windows, positions=_decoder_positions
    ),
    "speech_to_text": Seq2SeqFamily(
        "speech-to-text", "Speech2TextForConditionalGeneration", _speech_to_text_windows,
        takes_features=True,
        positions=lambda config: int(config.max_target_positions + 1 - config.pad_token_id),
    ),
    "moonshine": Seq2SeqFamily(
        "moonshine-cached", "MoonshineForConditionalGeneration", _moonshine_windows,
        positions=lambda config: int(config.max_position_embeddings),
    ),
    "speecht5": Seq2SeqFamily(
        "speecht5", "SpeechT5ForSpeechToText", FAMILIES["wav2vec2"].windows,
        positions=lambda config: int(config.max_text_positions),
    ),
}  # fmt: skip
"""By ``model_type``."""


def detect_seq2seq(config: dict[str, Any]) -> Seq2SeqFamily | None:
    """The family that a ``config.json`` states; None where it is none of these."""
    model_type = config.get("model_type")
    family = SEQ2SEQ_FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        return None
    stated = config.get("architectures")
    architectures = [str(name) for name in stated] if isinstance(stated, list) else []
    if family.model_class not in architectures:
        raise UnsupportedCheckpoint(
            f"the checkpoint writes no text: its architectures say"
            f" {', '.join(architectures) or 'nothing'}; allowed: {family.model_class}"
        )
    return _joined(family, config) if family.architecture == JOINED else family


def _joined(family: Seq2SeqFamily, config: dict[str, Any]) -> Seq2SeqFamily:
    """The family with the input of the encoder that the checkpoint has."""
    encoder, decoder = (_half(config, name) for name in ("encoder", "decoder"))
    if encoder not in ENCODERS:
        raise UnknownFamily(got=encoder, known=sorted(ENCODERS))
    if decoder in BROKEN_DECODERS:
        raise UnsupportedCheckpoint(
            f"transformers can no longer run a decoder of model_type {decoder!r};"
            " allowed: bert, gpt2, bart, mbart, roberta and the like"
        )
    of_encoder = FAMILIES[encoder]
    return replace(
        family, takes_features=of_encoder.takes_features, encoder=of_encoder.architecture
    )


def _half(config: dict[str, Any], name: str) -> str | None:
    half = config.get(name)
    return half.get("model_type") if isinstance(half, dict) else None


def feature_width(config: Config) -> int:
    """Numbers in one frame of features, for families that take them."""
    encoder: Config = getattr(config, "encoder", config)
    if hasattr(encoder, "feature_projection_input_dim"):
        return int(encoder.feature_projection_input_dim)
    return int(encoder.input_feat_per_channel * encoder.input_channels)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a checkpoint's text is begun, ended and restrained."""

    start: tuple[int, ...]
    """What every text begins with: the start token, and the one forced after it if any."""
    end: tuple[int, ...]
    """Each of them ends a text."""
    pad: int | None
    suppressed: tuple[int, ...]
    """Never to be chosen."""
    suppressed_first: tuple[int, ...]
    """Not to be chosen right after ``start``."""
    no_repeat_ngram: int
    """Token sequences of this length must not occur twice; 0: they may."""
    max_tokens: int | None
    """Tokens that the decoder has positions for, ``start`` included; None: any number."""
    vocabulary_size: int
    unheeded: tuple[str, ...]
    """Further settings that would make the text of ``generate`` another than the greedy one."""


_NEUTRAL: Final[dict[str, Any]] = {
    "num_beams": 1, "do_sample": False,
    "repetition_penalty": 1.0, "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0, "min_length": 0, "min_new_tokens": 0, "bad_words_ids": (),
    "sequence_bias": (), "forced_decoder_ids": (), "exponential_decay_length_penalty": (),
    "guidance_scale": 1.0,
}  # fmt: skip
"""Settings of ``generate`` that change which token is chosen, where they change nothing."""


def read_decoding(family: Seq2SeqFamily, config: Config, generation: Config) -> Decoding:
    """The facts in a model's ``config`` and ``generation_config``.

    What the latter leaves out is asked of the former, then of its decoder's half.
    """
    sources = [generation, config, getattr(config, "decoder", None)]

    def stated(name: str) -> Any:  # noqa: ANN401
        found = (getattr(source, name, None) for source in sources)
        return next((value for value in found if value is not None), None)

    start = _ids(stated("decoder_start_token_id")) or _ids(stated("bos_token_id"))
    if not start:
        raise UnsupportedCheckpoint(
            "the checkpoint does not say which token texts begin with; allowed: one with"
            " decoder_start_token_id in generation_config.json or config.json"
        )
    pad = _ids(stated("pad_token_id"))
    return Decoding(
        start=start[:1] + _ids(getattr(generation, "forced_bos_token_id", None)),
        end=_ids(stated("eos_token_id")),
        pad=pad[0] if pad else None,
        suppressed=_ids(getattr(generation, "suppress_tokens", None)),
        suppressed_first=_ids(getattr(generation, "begin_suppress_tokens", None)),
        no_repeat_ngram=int(getattr(generation, "no_repeat_ngram_size", None) or 0),
        max_tokens=family.positions(config),
        vocabulary_size=int(_decoder_config(config).vocab_size),
        unheeded=_unheeded(generation),
    )


def _decoder_config(config: Config) -> Config:
    return getattr(config, "decoder", config)


def _ids(value: int | Sequence[int] | None) -> tuple[int, ...]:
    """Token ids, stated as one or as several."""
    if value is None:
        return ()
    return (int(value),) if isinstance(value, int) else tuple(int(each) for each in value)


def greedy_settings(generation: Config) -> Config:
    """A copy of a ``generation_config`` with which ``generate`` gives the greedy text."""
    settings = deepcopy(generation)
    for name, value in _NEUTRAL.items():
        setattr(settings, name, None if value == () else value)
    settings.no_repeat_ngram_size = 0
    settings.forced_eos_token_id = None  # else the last token of a text that is cut off
    return settings


def _unheeded(generation: Config) -> tuple[str, ...]:
    def is_set(name: str) -> bool:
        value = getattr(generation, name, None)
        return bool(value) and value != _NEUTRAL[name]

    return tuple(name for name in _NEUTRAL if is_set(name))
