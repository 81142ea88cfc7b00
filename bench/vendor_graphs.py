"""The vendor's own graphs of the default model on ONNX Runtime: what ours are compared with.

The encoder takes raw samples; the merged decoder holds two branches, one that starts a sequence
and computes the cross-attention's keys and values, one that continues it from the cache. They
quantise activations over the whole call, so one stream is decoded per call.
"""

from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.model import DecodeResult, DecodeStep, Samples
from streamscribe.onnx_graph import Graph, input_names, open_graph
from streamscribe.seq2seq import GreedySearch, Logits

ENCODER: Final = "encoder_model.ort"
DECODER: Final = "decoder_model_merged.ort"
BOS: Final = 1
EOS: Final = 2

Tensor = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


def vendor_folder() -> Path:
    """Where the vendor's files of the default model lie; they come with ``moonshine-voice``."""
    installed = distribution("moonshine-voice")
    return Path(str(installed.locate_file("moonshine_voice/assets/tiny-en")))


@dataclass(frozen=True, slots=True)
class VendorCache:
    """Keys and values by graph input name, each (1, heads, tokens or frames, head_dim)."""

    decoder: dict[str, Tensor]
    encoder: dict[str, Tensor]


class VendorModel:
    """The vendor's graphs in ``folder``, driven as the engine drove them before it had its own.

    threads: of the encoder; one more token is hundreds of tiny operations, so the decoder has one.
    """

    def __init__(self, folder: Path, vocabulary_size: int, *, threads: int = 1) -> None:
        self.encoder: Any = open_graph(folder / ENCODER, threads)
        self.decoder: Any = open_graph(folder / DECODER, 1)
        self._branches = _Branches(self.decoder)
        self._vocabulary_size = vocabulary_size
        # Some generations take a mask of the audio, some don't; one stream per call needs none.
        self._encoder_masked = "attention_mask" in input_names(self.encoder)

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The result of one step."""
        return GreedySearch(self.decoder_of(step.samples), bos=BOS, eos=EOS).decode(step)

    def encode(self, samples: Samples) -> Tensor:
        """(1, frames, width)"""
        inputs: dict[str, Array] = {"input_values": samples[np.newaxis]}
        if self._encoder_masked:
            inputs["attention_mask"] = _all_of(samples)
        (hidden,) = self.encoder.run(None, inputs)
        return np.asarray(hidden, dtype=np.float32)

    def decoder_of(self, samples: Samples) -> "VendorDecoder":
        """The decoder, bound to some audio."""
        audio: dict[str, Array] = {"encoder_hidden_states": self.encode(samples)}
        if self._branches.masked:
            audio["encoder_attention_mask"] = _all_of(samples)
        return VendorDecoder(self.decoder, self._branches, audio, self._vocabulary_size)


class _Branches:
    """Names of the merged decoder's cache, and the empty cache that starts a sequence."""

    def __init__(self, session: Graph) -> None:
        past = [one for one in session.get_inputs() if one.name.startswith("past_key_values.")]
        names = [one.name.removeprefix("past_key_values.") for one in past]
        self.decoder = [name for name in names if ".decoder." in name]
        self.encoder = [name for name in names if ".encoder." in name]
        _, heads, _, head_dim = past[0].shape
        nothing = np.zeros((1, heads, 0, head_dim), dtype=np.float32)
        self.empty = {one.name: nothing for one in past}
        self.masked = "encoder_attention_mask" in input_names(session)


class VendorDecoder:
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

    def start(self, tokens: tuple[int, ...]) -> tuple[Logits, VendorCache]:
        """Logits after the sequence's first tokens, and the cache that holds them."""
        names = self._branches
        logits, *cache = self._session.run(
            ["logits", *(f"present.{name}" for name in (*names.decoder, *names.encoder))],
            {**self._inputs(tokens, continues=False), **names.empty},
        )
        kinds = len(names.decoder)
        return logits[0, :, : self._vocabulary_size], VendorCache(
            decoder=dict(zip(names.decoder, cache[:kinds], strict=True)),
            encoder={
                f"past_key_values.{name}": value
                for name, value in zip(names.encoder, cache[kinds:], strict=True)
            },
        )

    def extend(self, tokens: tuple[int, ...], cache: VendorCache) -> tuple[Logits, VendorCache]:
        """Logits after tokens that follow the cached."""
        past = {f"past_key_values.{name}": value for name, value in cache.decoder.items()}
        logits, *grown = self._session.run(
            ["logits", *(f"present.{name}" for name in self._branches.decoder)],
            {**self._inputs(tokens, continues=True), **past, **cache.encoder},
        )
        decoder = dict(zip(self._branches.decoder, grown, strict=True))
        return logits[0, :, : self._vocabulary_size], VendorCache(decoder, cache.encoder)

    def roll_back(self, cache: VendorCache, length: int) -> VendorCache:
        """The cache as it was after the first ``length`` tokens."""
        kept = {
            name: np.ascontiguousarray(value[:, :, :length])
            for name, value in cache.decoder.items()
        }
        return VendorCache(decoder=kept, encoder=cache.encoder)

    def _inputs(self, tokens: tuple[int, ...], *, continues: bool) -> dict[str, Array]:
        return {
            "input_ids": np.asarray([tokens], dtype=np.int64),
            "use_cache_branch": np.asarray([continues]),
            **self._audio,
        }


def _all_of(samples: Samples) -> Array:
    """A mask that hides nothing, (1, len(samples))."""
    return np.ones((1, len(samples)), dtype=np.int64)
