"""Moonshine on ONNX Runtime.

The encoder takes raw samples; the merged decoder holds two branches, one that starts a sequence
and computes the cross-attention's keys and values, one that continues it from the cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.abilities import Abilities
from streamscribe.bundle import Bundle
from streamscribe.errors import BrokenModel
from streamscribe.families import Seq2SeqFacts
from streamscribe.guards import Doubt
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
from streamscribe.onnx_graph import Graph, default_threads, input_names, open_graph
from streamscribe.options import SessionOptions
from streamscribe.policy import Policy
from streamscribe.seq2seq import GreedySearch, Logits
from streamscribe.seq2seq_options import resolve
from streamscribe.seq2seq_policy import Seq2SeqPolicy, Traits
from streamscribe.stages import Told, timed, untold
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.tokens import ByteTokenTable

LEAD_LEN: Final = ms_to_len(36)
"""Silence put before audio that is heard again: one and a half of this model's frames, so that the
new frames lie between the old ones and no audio is lost or added."""

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
        facts = bundle.facts
        assert isinstance(facts, Seq2SeqFacts), f"{bundle.name} is not of this family"
        self.told: Told = untold
        self.max_tokens_per_s = facts.max_tokens_per_s
        self._bos = facts.bos
        self._eos = facts.eos
        self._shortest_len = bundle.front_end.receptive_field_len
        self._tokens = ByteTokenTable.read(bundle.file(Role.TOKENIZER))
        threads = threads or default_threads()
        self._encoder = open_graph(bundle.file(Role.ENCODER), threads)
        # One more token is hundreds of tiny operations: sharing them out costs more than it saves.
        self._decoder = open_graph(bundle.file(Role.DECODER), 1)
        self._branches = _Branches(self._decoder, facts)
        # Some exports take a mask of the audio, some don't; one stream per call needs none.
        self._encoder_masked = "attention_mask" in input_names(self._encoder)

    @property
    def tokens(self) -> TokenTable:
        """The model's vocabulary."""
        return self._tokens

    @property
    def provider(self) -> str:
        """The execution provider that really runs the encoder."""
        return str(self._encoder.get_providers()[0])

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options as this model follows them; ``OptionError`` for those that it can't."""
        return resolve(options, Abilities(model=self.name, languages=self.languages), 0)

    def new_policy(self, options: SessionOptions) -> Policy:
        """A seq2seq policy with this model's vocabulary."""
        doubt = Doubt(max_tokens_per_s=self.max_tokens_per_s)
        traits = Traits(self.max_tokens_per_s, lead_len=LEAD_LEN, doubt=doubt)
        return Seq2SeqPolicy(options, self._tokens, traits)

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
        with timed("encode", self.told):
            audio = {"encoder_hidden_states": self._encode(step.samples)}
        if self._branches.masked:
            audio["encoder_attention_mask"] = _all_of(step.samples)
        decoder = _MoonshineDecoder(self._decoder, self._branches, audio, len(self._tokens))
        with timed("decode", self.told):
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

    def __init__(self, session: Graph, shape: Seq2SeqFacts) -> None:
        layers = range(shape.layers)
        self.decoder = [f"{layer}.decoder.{part}" for layer in layers for part in ("key", "value")]
        self.encoder = [f"{layer}.encoder.{part}" for layer in layers for part in ("key", "value")]
        expected = {f"past_key_values.{name}" for name in (*self.decoder, *self.encoder)}
        inputs = input_names(session)
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
        session: Graph,
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
