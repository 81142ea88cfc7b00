"""Moonshine on ONNX Runtime: the only module that imports onnxruntime.

The encoder takes raw samples; the merged decoder holds two branches, one that starts a sequence
and computes the cross-attention's keys and values, one that continues it from the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from streamscribe.bundle import Bundle, DecoderShape
from streamscribe.errors import BrokenModel
from streamscribe.machine import usable_cores
from streamscribe.model import (
    DecodeResult,
    DecodeStep,
    Samples,
    Step,
    StepKind,
    StepResult,
    TokenTable,
)
from streamscribe.model_files import Role
from streamscribe.options import SessionOptions
from streamscribe.policy import Policy
from streamscribe.seq2seq import GreedySearch, Logits
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.tokens import ByteTokenTable

Tensor = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class MoonshineCache:
    """Keys and values by graph input name, each (1, heads, tokens or frames, head_dim)."""

    decoder: dict[str, Tensor]
    encoder: dict[str, Tensor]


class MoonshineModel:
    """A Moonshine bundle, ready to run; see ``AcousticModel``.

    threads: threads of one model call; ``None``: as many as there are usable cores, at most 4,
    because a call this small gains nothing from more.
    Raises what ``Bundle.file`` raises, and ``BrokenModel`` if the runtime can't load a file or
    the graph does not have the inputs that the bundle states.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        self.name = bundle.name
        self.languages = bundle.languages
        self.max_tokens_per_s = bundle.tokens.max_per_s
        self._bos = bundle.tokens.bos
        self._eos = bundle.tokens.eos
        self._shortest_len = bundle.front_end.receptive_field_len
        self._tokens = ByteTokenTable.read(bundle.file(Role.TOKENIZER))
        threads = threads or min(4, usable_cores())
        self._encoder = _open(bundle.file(Role.ENCODER), threads)
        # One more token is hundreds of tiny operations: sharing them out costs more than it saves.
        self._decoder = _open(bundle.file(Role.DECODER), 1)
        self._branches = _Branches(self._decoder, bundle.decoder)
        # Some exports take a mask of the audio, some don't; one stream per call needs none.
        self._encoder_masked = "attention_mask" in _input_names(self._encoder)

    @property
    def tokens(self) -> TokenTable:
        """The model's vocabulary."""
        return self._tokens

    @property
    def provider(self) -> str:
        """The execution provider that really runs the encoder."""
        return str(self._encoder.get_providers()[0])

    def new_policy(self, options: SessionOptions) -> Policy:
        """A seq2seq policy with this model's vocabulary."""
        return Seq2SeqPolicy(options, self._tokens, max_tokens_per_s=self.max_tokens_per_s)

    def warm_up(self) -> None:
        """Decode a second of silence."""
        silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
        self.decode(DecodeStep(silence, (), (), 1, StepKind.FINAL, 0))

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Results in the order of ``steps``.

        One call each: these files quantise activations over the whole call, so that a
        neighbour in a batch would change the result.
        """
        return [self._checked(step) for step in steps]

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The result of one step."""
        if len(step.samples) < self._shortest_len:
            return DecodeResult(tokens=(), log_probs=(), ended=True)
        audio = {"encoder_hidden_states": self._encode(step.samples)}
        if self._branches.masked:
            audio["encoder_attention_mask"] = _all_of(step.samples)
        decoder = _MoonshineDecoder(self._decoder, self._branches, audio, len(self._tokens))
        return GreedySearch(decoder, bos=self._bos, eos=self._eos).decode(step)

    def _checked(self, step: Step) -> DecodeResult:
        assert isinstance(step, DecodeStep), "a seq2seq model decodes"
        return self.decode(step)

    def _encode(self, samples: Samples) -> Tensor:
        inputs: dict[str, Array] = {"input_values": samples[np.newaxis]}
        if self._encoder_masked:
            inputs["attention_mask"] = _all_of(samples)
        (hidden,) = self._encoder.run(None, inputs)
        return np.asarray(hidden, dtype=np.float32)


class _Branches:
    """Names of the merged decoder's cache, and the empty cache that starts a sequence."""

    def __init__(self, session: ort.InferenceSession, shape: DecoderShape) -> None:
        layers = range(shape.layers)
        self.decoder = [f"{layer}.decoder.{part}" for layer in layers for part in ("key", "value")]
        self.encoder = [f"{layer}.encoder.{part}" for layer in layers for part in ("key", "value")]
        expected = {f"past_key_values.{name}" for name in (*self.decoder, *self.encoder)}
        inputs = _input_names(session)
        got = {name for name in inputs if name.startswith("past_key_values.")}
        if got != expected:
            raise BrokenModel(
                f"the decoder's graph has {len(got)} cache inputs; the bundle states"
                f" {shape.layers} layers, which makes {len(expected)}"
            )
        nothing = np.zeros((1, shape.heads, 0, shape.head_dim), dtype=np.float32)
        self.empty = {name: nothing for name in sorted(expected)}
        self.masked = "encoder_attention_mask" in inputs


class _MoonshineDecoder:
    """The decoder, bound to one step's encoded audio."""

    def __init__(
        self,
        session: ort.InferenceSession,
        branches: _Branches,
        audio: dict[str, Array],
        vocabulary_size: int,
    ) -> None:
        self._session = session
        self._branches = branches
        self._audio = audio
        self._vocabulary_size = vocabulary_size  # logits may be wider than there are tokens

    def start(self, tokens: tuple[int, ...]) -> tuple[Logits, MoonshineCache]:
        names = self._branches
        logits, *cache = self._session.run(
            ["logits", *(f"present.{name}" for name in (*names.decoder, *names.encoder))],
            {**self._inputs(tokens, continues=False), **names.empty},
        )
        kinds = len(names.decoder)
        return logits[0, :, : self._vocabulary_size], MoonshineCache(
            decoder=dict(zip(names.decoder, cache[:kinds], strict=True)),
            encoder={
                f"past_key_values.{name}": value
                for name, value in zip(names.encoder, cache[kinds:], strict=True)
            },
        )

    def extend(
        self, tokens: tuple[int, ...], cache: MoonshineCache
    ) -> tuple[Logits, MoonshineCache]:
        past = {f"past_key_values.{name}": value for name, value in cache.decoder.items()}
        logits, *grown = self._session.run(
            ["logits", *(f"present.{name}" for name in self._branches.decoder)],
            {**self._inputs(tokens, continues=True), **past, **cache.encoder},
        )
        decoder = dict(zip(self._branches.decoder, grown, strict=True))
        return logits[0, :, : self._vocabulary_size], MoonshineCache(decoder, cache.encoder)

    def roll_back(self, cache: MoonshineCache, length: int) -> MoonshineCache:
        kept = {
            name: np.ascontiguousarray(value[:, :, :length])
            for name, value in cache.decoder.items()
        }
        return MoonshineCache(decoder=kept, encoder=cache.encoder)

    def _inputs(self, tokens: tuple[int, ...], *, continues: bool) -> dict[str, Array]:
        return {
            "input_ids": np.asarray([tokens], dtype=np.int64),
            "use_cache_branch": np.asarray([continues]),
            **self._audio,
        }


def _all_of(samples: Samples) -> Array:
    """A mask that hides nothing, (1, len(samples))."""
    return np.ones((1, len(samples)), dtype=np.int64)


def _input_names(session: ort.InferenceSession) -> set[str]:
    return {graph_input.name for graph_input in session.get_inputs()}


def _open(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between two calls would take the cores from voice activity and sockets.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        raise BrokenModel(f"{path} can't be loaded by ONNX Runtime: {error}") from error
