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
from streamscribe.options import RANGES_MS, Latency, Task

if TYPE_CHECKING:
    from streamscribe.features import MelFrontEnd
    from streamscribe.seq2seq import Rules


class Family(StrEnum):
    """How a model is made to stream."""

    SEQ2SEQ = "seq2seq"
    CTC = "ctc"


_LENGTHS: Final = ("shortest_len", "tail_len", "longest_len")
"""Optional fields of ``front_end`` that say how much audio the encoder is given."""

_ENCODER_ONLY: Final = (Role.ENCODER, Role.TOKENIZER)
_BOTH: Final = (Role.ENCODER, Role.DECODER, Role.TOKENIZER)

ROLES: Final[Mapping[Family, Mapping[str, tuple[Role, ...]]]] = MappingProxyType(
    {
        Family.SEQ2SEQ: {
            "moonshine": (Role.FRONT, *_BOTH),  # of the vendor's files
            "whisper": _BOTH,
            "speech-encoder-decoder": _BOTH,
            "speech-to-text": _BOTH,
            "moonshine-cached": _BOTH,  # of a checkpoint of transformers
            "speecht5": _BOTH,
        },
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
    {Family.SEQ2SEQ: (Role.WEIGHTS, Role.DECODER_WEIGHTS), Family.CTC: (Role.WEIGHTS,)}
)
"""Files that only some bundles have: a graph's weights, where one file can't hold them."""


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
    shortest_len: int = 0
    """Samples that the encoder must be given; what is missing is silence after the audio."""
    tail_len: int = 0
    """Silence that follows the audio in any case."""
    longest_len: int | None = None
    """Most samples that the encoder has positions for; None: any number."""

    def silence_after(self, sample_len: int) -> int:
        """Samples of silence that the encoder is given after so much audio."""
        silence_len = max(self.tail_len, self.shortest_len - sample_len)
        if self.longest_len is not None:
            silence_len = min(silence_len, self.longest_len - sample_len)
        return max(0, silence_len)

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
class PromptFacts:
    """What every sequence of a seq2seq model begins with::

        [previous  earlier text]  start  [language]  [task]  end  text ...

    What stands in brackets is there only for models that have it.
    """

    start: tuple[int, ...]
    languages: Mapping[str, int]
    """Token of each language, by its code; empty for models that take none."""
    tasks: Mapping[str, int]
    """Token of each task: ``transcribe``, ``translate``."""
    end: tuple[int, ...]
    previous: int | None
    """Token before text that came earlier; None: the model takes none."""
    no_speech: int | None
    """Token that says, as the first, that there is no speech."""
    alone: bool = False
    """Whether the beginning must be fed in a pass of its own."""


@dataclass(frozen=True, slots=True)
class EncoderDecoderFacts:
    """What decoding with graphs of our own needs to know."""

    prompt: PromptFacts
    rules: "Rules"
    max_tokens_per_s: float
    layers: int
    heads: int
    head_dim: int
    """The key-value cache: per layer (batch, heads, tokens, head_dim) float32."""
    positions: int | None
    """Most tokens of a sequence, the prompt among them; None: any number."""
    alignment_heads: int
    """Heads whose attention follows the audio; 0: none is known."""


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


Facts: TypeAlias = EncoderDecoderFacts | CtcFacts


def read_front_end(fields: JsonObject) -> FrontEnd:
    """The object ``front_end``."""
    known = ["receptive_field_len", "stride_len"]
    receptive_field_len = fields.integer("receptive_field_len", 1, 1_000_000)
    stride_len = fields.integer("stride_len", 1, 1_000_000)
    mel, normalize = None, False
    if fields.choice("features", ["waveform", "log-mel"]) == "log-mel":
        # Imported here, because a manifest is read before numpy is needed.
        from streamscribe.features import mel_front_end

        known += ["features", "mel"]
        mel = mel_front_end(fields.child("mel"))
    else:
        known += ["features", "normalize"]
        normalize = fields.flag("normalize")
    lengths = {
        name: fields.integer(name, 0, 10_000_000) for name in _LENGTHS if name in fields.values
    }
    fields.only([*known, *_LENGTHS])
    return FrontEnd(receptive_field_len, stride_len, normalize=normalize, mel=mel, **lengths)


def read_vocabulary(fields: JsonObject, family: Family) -> Vocabulary:
    """What is the same in every family's object ``tokens``."""
    format = "ctc-pieces" if family is Family.CTC else "pieces"
    return Vocabulary(
        format=fields.choice("format", [format]),
        size=fields.integer("vocabulary_size", 2, 10_000_000),
    )


def read_encoder_decoder(top: JsonObject) -> EncoderDecoderFacts:
    """The facts of graphs of our own, from the objects ``tokens``, ``prompt`` and ``decoder``."""
    # Imported here, because a manifest is read before numpy is needed.
    from streamscribe.seq2seq import Rules

    tokens, decoder = top.child("tokens"), top.child("decoder")
    tokens.only(["format", "vocabulary_size", "eos", "max_per_s", "suppressed", "suppressed_first"])
    decoder.only(["layers", "heads", "head_dim", "positions", "alignment_heads"])
    last = tokens.integer("vocabulary_size", 2, 10_000_000) - 1
    positions = decoder.integer("positions", 0, 1_000_000)
    return EncoderDecoderFacts(
        prompt=_prompt(top.child("prompt"), last),
        rules=Rules(
            tokens.integer("eos", 0, last),
            tokens.integers("suppressed", 0, last),
            tokens.integers("suppressed_first", 0, last),
        ),
        max_tokens_per_s=tokens.number("max_per_s", 0.1, 1_000.0),
        layers=decoder.integer("layers", 1, 1_000),
        heads=decoder.integer("heads", 1, 1_000),
        head_dim=decoder.integer("head_dim", 1, 10_000),
        positions=positions or None,
        alignment_heads=decoder.integer("alignment_heads", 0, 10_000),
    )


def _prompt(fields: JsonObject, last: int) -> PromptFacts:
    fields.only(["start", "languages", "tasks", "end", "previous", "no_speech", "alone"])
    languages, tasks = fields.child("languages"), fields.child("tasks")
    tasks.only(list(Task))
    optional = {
        name: fields.integer(name, 0, last) if name in fields.values else None
        for name in ("previous", "no_speech")
    }
    start = fields.integers("start", 0, last)
    if not start:
        raise fields.refusal("start", "a list of at least one token")
    return PromptFacts(
        start=start,
        languages=MappingProxyType(
            {code: languages.integer(code, 0, last) for code in languages.values}
        ),
        tasks=MappingProxyType({name: tasks.integer(name, 0, last) for name in tasks.values}),
        end=fields.integers("end", 0, last),
        alone="alone" in fields.values and fields.flag("alone"),
        **optional,
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
