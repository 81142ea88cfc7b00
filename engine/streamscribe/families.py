"""The families of models, and the facts that a bundle states for each.

``seq2seq``: an encoder, and a decoder that writes token by token. ``ctc``: an encoder whose every
frame says a token or the blank. docs/models.md describes every field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from streamscribe.json_fields import JsonObject
from streamscribe.model_files import Role
from streamscribe.options import RANGES_MS, Latency

if TYPE_CHECKING:
    from streamscribe.features import MelFrontEnd


class Family(StrEnum):
    """How a model is made to stream."""

    SEQ2SEQ = "seq2seq"
    CTC = "ctc"


_ENCODER_ONLY: Final = (Role.ENCODER, Role.TOKENIZER)

ROLES: Final[Mapping[Family, Mapping[str, tuple[Role, ...]]]] = MappingProxyType(
    {
        Family.SEQ2SEQ: {"moonshine": (Role.ENCODER, Role.DECODER, Role.TOKENIZER)},
        Family.CTC: {
            "moonshine-ctc": (Role.ENCODER, Role.HEAD, Role.TOKENIZER),
            "wav2vec2": _ENCODER_ONLY,
            "wav2vec2-conformer": _ENCODER_ONLY,
            "hubert": _ENCODER_ONLY,
            "sew": _ENCODER_ONLY,
            "sew-d": _ENCODER_ONLY,
            "wavlm": _ENCODER_ONLY,
            "unispeech": _ENCODER_ONLY,
            "unispeech-sat": _ENCODER_ONLY,
            "data2vec-audio": _ENCODER_ONLY,
            "mctct": _ENCODER_ONLY,
            "wav2vec2-bert": _ENCODER_ONLY,
            "parakeet": _ENCODER_ONLY,
        },
    }
)
"""The files of each family's architectures."""

OPTIONAL_ROLES: Final[Mapping[Family, tuple[Role, ...]]] = MappingProxyType(
    {Family.SEQ2SEQ: (), Family.CTC: (Role.WEIGHTS,)}
)
"""Files that only some bundles have: the encoder's weights, where one file can't hold them."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """How samples become the encoder's frames."""

    receptive_field_len: int
    """Samples that the first frame needs."""
    stride_len: int
    """Samples between the starts of two frames."""
    normalize: bool = False
    """Whether the encoder wants samples of zero mean and unit variance."""
    mel: "MelFrontEnd | None" = None
    """The features that the encoder takes; None: the samples themselves."""

    def frames(self, sample_len: int) -> int:
        """Encoder frames for ``sample_len`` samples; 0 when there are too few for one."""
        if sample_len < self.receptive_field_len:
            return 0
        return (sample_len - self.receptive_field_len) // self.stride_len + 1


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens."""

    format: str
    """How the tokenizer's file is laid out."""
    size: int
    """Width of the logits; the tokenizer may name fewer."""


@dataclass(frozen=True, slots=True)
class Seq2SeqFacts:
    """What decoding token by token needs to know."""

    bos: int
    eos: int
    max_tokens_per_s: float
    """More tokens than this per second of audio are not speech."""
    layers: int
    heads: int
    head_dim: int
    """The key-value cache: per layer (batch, heads, tokens, head_dim) float32."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one step of a CTC stream takes: left context, the hop that is committed, right context.

    The text of a hop is known one right context after it was spoken.
    """

    hop_ms: int
    right_ms: int
    left_ms: int


DEFAULT_CHUNKS: Final[Mapping[Latency, Chunk]] = MappingProxyType(
    {
        Latency.MINIMAL: Chunk(hop_ms=240, right_ms=240, left_ms=6_000),
        Latency.LOW: Chunk(hop_ms=360, right_ms=360, left_ms=8_000),
        Latency.MEDIUM: Chunk(hop_ms=480, right_ms=720, left_ms=8_000),
        Latency.HIGH: Chunk(hop_ms=960, right_ms=1_440, left_ms=10_000),
    }
)
"""For bundles that state none: see bench/results/ctc_curve.json."""


@dataclass(frozen=True, slots=True)
class CtcFacts:
    """What decoding frame by frame needs to know."""

    blank: int
    """The token that says nothing."""
    batchable: bool
    """Whether steps of equal length may share a call without changing each other's result."""
    chunks: Mapping[Latency, Chunk]


Facts: TypeAlias = Seq2SeqFacts | CtcFacts


def read_front_end(fields: JsonObject, family: Family) -> FrontEnd:
    """The object ``front_end``."""
    known = ["receptive_field_len", "stride_len"]
    receptive_field_len = fields.integer("receptive_field_len", 1, 1_000_000)
    stride_len = fields.integer("stride_len", 1, 1_000_000)
    if family is Family.SEQ2SEQ:
        fields.only(known)
        return FrontEnd(receptive_field_len, stride_len)
    if fields.choice("features", ["waveform", "log-mel"]) == "log-mel":
        fields.only([*known, "features", "mel"])
        # Imported here, because a manifest is read before numpy is needed.
        from streamscribe.features import mel_front_end

        return FrontEnd(receptive_field_len, stride_len, mel=mel_front_end(fields.child("mel")))
    fields.only([*known, "features", "normalize"])
    return FrontEnd(receptive_field_len, stride_len, normalize=fields.flag("normalize"))


def read_vocabulary(fields: JsonObject, family: Family) -> Vocabulary:
    """What is the same in every family's object ``tokens``."""
    format = "moonshine-bin" if family is Family.SEQ2SEQ else "ctc-pieces"
    return Vocabulary(
        format=fields.choice("format", [format]),
        size=fields.integer("vocabulary_size", 2, 10_000_000),
    )


def read_seq2seq(top: JsonObject) -> Seq2SeqFacts:
    """The family's facts, from the objects ``tokens`` and ``decoder``."""
    tokens, decoder = top.child("tokens"), top.child("decoder")
    tokens.only(["format", "vocabulary_size", "bos", "eos", "max_per_s"])
    decoder.only(["layers", "heads", "head_dim"])
    size = tokens.integer("vocabulary_size", 2, 10_000_000)
    return Seq2SeqFacts(
        bos=tokens.integer("bos", 0, size - 1),
        eos=tokens.integer("eos", 0, size - 1),
        max_tokens_per_s=tokens.number("max_per_s", 0.1, 1_000.0),
        layers=decoder.integer("layers", 1, 1_000),
        heads=decoder.integer("heads", 1, 1_000),
        head_dim=decoder.integer("head_dim", 1, 10_000),
    )


def read_ctc(top: JsonObject) -> CtcFacts:
    """The family's facts, from the objects ``tokens`` and ``ctc``."""
    tokens, ctc = top.child("tokens"), top.child("ctc")
    tokens.only(["format", "vocabulary_size", "blank"])
    ctc.only(["batchable", "presets"])
    chunks = dict(DEFAULT_CHUNKS)
    if "presets" in ctc.values:
        presets = ctc.child("presets")
        presets.only(list(Latency))
        chunks |= {Latency(name): _chunk(presets.child(name)) for name in presets.values}
    return CtcFacts(
        blank=tokens.integer("blank", 0, tokens.integer("vocabulary_size", 2, 10_000_000) - 1),
        batchable=ctc.flag("batchable"),
        chunks=MappingProxyType(chunks),
    )


def _chunk(fields: JsonObject) -> Chunk:
    fields.only(["hop_ms", "right_ms", "left_ms"])
    return Chunk(
        hop_ms=fields.integer("hop_ms", *RANGES_MS["hop_ms"]),
        right_ms=fields.integer("right_ms", 0, 10_000),
        left_ms=fields.integer("left_ms", 0, 60_000),
    )
