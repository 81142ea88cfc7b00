"""Passes of the decoder's graph: what several searches ask for shares one call.

Rows of a call may differ in everything: in the length of their audio, in how many tokens they have
said, in how many they ask about. What is shorter is filled up, and biases of minus infinity on the
scores of attention hide the filling, so that a row's answer is what it would be alone, up to the
rounding of sums::

    tokens      row 0   a b c          past   0 1 2 3 4 | new  a b c
                row 1   x . .                 0 1 . . . |      x . .      . is hidden
"""

import operator
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.errors import BrokenModel
from streamscribe.families import EncoderDecoderFacts
from streamscribe.onnx_graph import Graph, Placement, input_names, output_names, placement
from streamscribe.seq2seq import Answer, Ask

Array: TypeAlias = npt.NDArray[Any]
Arrays: TypeAlias = dict[str, Array]
Audio: TypeAlias = dict[str, Array]
"""What the encoder's graph gives, by name; the first axis is 1, and one other is frames."""
TokenCache: TypeAlias = tuple[Array, ...]
"""Keys and values of every layer, each (1, heads, tokens, head_dim)."""

HIDDEN: Final = np.float32(-1e9)
"""What is added to the scores of what must not be seen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pass that is wanted, and the audio that it is about."""

    audio: Audio
    ask: Ask[TokenCache]


class _Kept(threading.local):
    """The newest stack of several rows' audio, of each thread that decodes."""

    stacked: tuple[list[Audio], Audio] | None = None


class Passes:
    """Runs the decoder's graph, for several threads at once.

    Raises ``BrokenModel`` for a graph with other inputs than its facts imply.
    """

    def __init__(self, graph: Graph, facts: EncoderDecoderFacts) -> None:
        self._graph = graph
        self._inputs = input_names(graph)
        layers = range(facts.layers)
        self._cached = [f"{part}_{layer}" for layer in layers for part in ("key", "value")]
        missing = {f"past_{name}" for name in self._cached} - self._inputs
        if missing:
            raise BrokenModel(
                f"the decoder's graph has no input {', '.join(sorted(missing))}; its bundle"
                f" states {facts.layers} layers"
            )
        self._attends = "attention" in output_names(graph)
        self._names = ["logits", *self._cached, *(["attention"] if self._attends else [])]
        self._nothing = np.zeros((1, facts.heads, 0, facts.head_dim), dtype=np.float32)
        self._kept = _Kept()

    @property
    def placement(self) -> Placement:
        """Where the graph really runs."""
        return placement("decoder", self._graph)

    @property
    def batchable(self) -> bool:
        """Whether the graph can hide what fills a row up."""
        return "cross_bias" in self._inputs

    def run(self, rows: Sequence[Row]) -> list[Answer[TokenCache]]:
        """Answers in the order of ``rows``."""
        if len(rows) < 2 or not self.batchable:
            return [self._alone(row) for row in rows]
        return self._together(rows)

    def _alone(self, row: Row) -> Answer[TokenCache]:
        past = self._past(row.ask)
        past_len, count = past[0].shape[2], len(row.ask.tokens)
        frames = _frames(row.audio)
        inputs: Arrays = {
            "tokens": np.asarray([row.ask.tokens], dtype=np.int64),
            "positions": np.arange(past_len, past_len + count)[np.newaxis],
            "self_bias": _causal(past_len, count)[np.newaxis, np.newaxis],
            "cross_bias": np.zeros((1, 1, count, frames), dtype=np.float32),
            **{f"past_{name}": array for name, array in zip(self._cached, past, strict=True)},
            **row.audio,
        }
        logits, *rest = self._run(inputs)
        attention = rest.pop()[0] if self._attends else None
        return Answer(logits[0], tuple(rest), attention)

    def _together(self, rows: Sequence[Row]) -> list[Answer[TokenCache]]:
        pasts = [self._past(row.ask) for row in rows]
        past_lens = [past[0].shape[2] for past in pasts]
        counts = [len(row.ask.tokens) for row in rows]
        most_past, most = max(past_lens), max(counts)
        frames = [_frames(row.audio) for row in rows]
        tokens = np.zeros((len(rows), most), dtype=np.int64)
        positions = np.zeros((len(rows), most), dtype=np.int64)
        self_bias = np.full((len(rows), 1, most, most_past + most), HIDDEN, dtype=np.float32)
        cross_bias = np.full((len(rows), 1, most, max(frames)), HIDDEN, dtype=np.float32)
        for at, (row, past_len, count) in enumerate(zip(rows, past_lens, counts, strict=True)):
            tokens[at, :count] = row.ask.tokens
            positions[at, :count] = np.arange(past_len, past_len + count)
            self_bias[at, 0, :, :past_len] = 0
            self_bias[at, 0, :, most_past:] = _causal(0, most)
            cross_bias[at, 0, :, : frames[at]] = 0
        inputs = {
            "tokens": tokens,
            "positions": positions,
            "self_bias": self_bias,
            "cross_bias": cross_bias,
            **self._audio([row.audio for row in rows]),
        }
        for index, name in enumerate(self._cached):
            of_rows = [past[index] for past in pasts]
            inputs[f"past_{name}"] = _stack(of_rows, 2, most_past)
        logits, *rest = self._run(inputs)
        attention = rest.pop() if self._attends else None
        answers = []
        for at, (past_len, count) in enumerate(zip(past_lens, counts, strict=True)):
            seen = np.r_[0:past_len, most_past : most_past + count]
            cache = tuple(np.ascontiguousarray(array[at : at + 1, :, seen]) for array in rest)
            looked = None if attention is None else attention[at, :, :count, : frames[at]]
            answers.append(Answer(logits[at, :count], cache, looked))
        return answers

    def _run(self, inputs: Arrays) -> list[Array]:
        given = {name: array for name, array in inputs.items() if name in self._inputs}
        return list(self._graph.run(self._names, given))

    def _past(self, ask: Ask[TokenCache]) -> TokenCache:
        if ask.cache is None:
            return (self._nothing,) * len(self._cached)
        if ask.kept is None or ask.kept == ask.cache[0].shape[2]:
            return ask.cache
        return tuple(np.ascontiguousarray(array[:, :, : ask.kept]) for array in ask.cache)

    def _audio(self, audios: list[Audio]) -> Audio:
        """The audio of all rows in one; kept, since most calls are about the same rows."""
        if self._kept.stacked is not None:
            held, stacked = self._kept.stacked
            if len(held) == len(audios) and all(map(operator.is_, held, audios)):
                return stacked
        most = max(_frames(audio) for audio in audios)
        stacked = {
            name: _stack([audio[name] for audio in audios], _frame_axis(name), most)
            for name in audios[0]
        }
        self._kept.stacked = audios, stacked
        return stacked

    def forget(self) -> None:
        """No more calls about the audio of the last ones."""
        self._kept.stacked = None


def _frame_axis(name: str) -> int:
    return 3 if name == "alignment_keys" else 2


def _frames(audio: Audio) -> int:
    return int(audio["cross_key_0"].shape[2])


def _causal(past_len: int, count: int) -> Array:
    """(count, past_len + count): each token sees those before it and itself."""
    columns = np.arange(past_len + count)
    rows = np.arange(past_len, past_len + count)[:, np.newaxis]
    return np.where(columns > rows, HIDDEN, np.float32(0))


def _stack(arrays: list[Array], axis: int, length: int) -> Array:
    """Arrays of one row each, filled up along ``axis``."""
    shape = [len(arrays), *arrays[0].shape[1:]]
    shape[axis] = length
    stacked = np.zeros(shape, dtype=arrays[0].dtype)
    along = np.moveaxis(stacked, axis, 1)
    for at, array in enumerate(arrays):
        along[at, : array.shape[axis]] = np.moveaxis(array, axis, 1)[0]
    return stacked
