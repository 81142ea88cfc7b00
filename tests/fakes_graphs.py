"""Scripted graphs of an encoder-decoder model: what it says is a function of the tokens so far.

The keys that the decoder keeps are the tokens themselves, so what a row of a call can see is what
its biases leave of them::

    logits after a prefix    ``Scripted.scores(heard, prefix)``; heard: the audio's first sample
    attention                the frames around ``Scripted.looks(prefix)``
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from fakes_bundle import manifest, write_manifest
from streamscribe import encoder_decoder
from streamscribe.bundle import load_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.seq2seq import Logits

Prefix: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[Any]

EOS, START, EN, DE, TRANSCRIBE, TRANSLATE, END, PREVIOUS, NO_SPEECH = range(9)
FIRST_WORD = 9
"""Token ``FIRST_WORD + k`` is the word " wk"."""
VOCABULARY_SIZE = 40
STRIDE_LEN = 100
REACH = 6
"""Frames up to which those around a place are looked at too, the less the further."""
POSITIONS = 40


def says(probabilities: dict[int, float]) -> Logits:
    """Logits that give these tokens their probability, and the others the rest in equal parts."""
    rest = (1 - sum(probabilities.values())) / (VOCABULARY_SIZE - len(probabilities))
    logits = np.full(VOCABULARY_SIZE, np.log(rest), dtype=np.float32)
    for token, probability in probabilities.items():
        logits[token] = np.log(probability)
    return logits


@dataclass
class Scripted:
    """What the model says, and what it was asked."""

    scores: Callable[[float, Prefix], Logits]
    looks: Callable[[Prefix], int] = len
    calls: list[list[Prefix]] = field(default_factory=list)
    """By call of the decoder: what each row asks about."""
    hidden_inputs: tuple[str, ...] = ()
    """Inputs that the decoder lacks."""
    encoder_input: str = "input_values"


class ScriptedEncoder:
    """Gives the first sample of each frame."""

    def __init__(self, script: Scripted) -> None:
        self._script = script

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=self._script.encoder_input)]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in ("cross_key_0", "cross_value_0")]

    def get_providers(self) -> list[str]:
        return ["Scripted"]

    def run(self, names: Sequence[str], inputs: dict[str, Array]) -> list[Array]:
        heard = inputs["input_values"][:, ::STRIDE_LEN]
        return [heard[:, np.newaxis, :, np.newaxis] for _ in names]


class ScriptedDecoder:
    """Says what the script says."""

    def __init__(self, script: Scripted) -> None:
        self._script = script

    def get_inputs(self) -> list[SimpleNamespace]:
        names = {
            "tokens", "positions", "self_bias", "cross_bias", "past_key_0", "past_value_0",
            "cross_key_0", "cross_value_0",
        } - set(self._script.hidden_inputs)  # fmt: skip
        return [SimpleNamespace(name=name) for name in names]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in ("logits", "key_0", "value_0", "attention")]

    def run(self, names: Sequence[str], inputs: dict[str, Array]) -> list[Array]:
        assert names == ["logits", "key_0", "value_0", "attention"]
        tokens = inputs["tokens"]
        kept = np.concatenate(
            (inputs["past_key_0"], tokens[:, np.newaxis, :, np.newaxis].astype(np.float32)), axis=2
        )
        rows, count = tokens.shape
        frames = inputs["cross_key_0"].shape[2]
        past = kept.shape[2] - count
        bias = inputs.get("self_bias", np.triu(np.full((count, past + count), -1e9), past + 1))
        bias = np.broadcast_to(bias, (rows, 1, count, past + count))
        logits = np.zeros((rows, count, VOCABULARY_SIZE), dtype=np.float32)
        attention = np.zeros((rows, 1, count, frames), dtype=np.float32)
        asked: list[Prefix] = []
        for row in range(rows):
            heard_frames = frames
            if "cross_bias" in inputs:
                heard_frames = int((inputs["cross_bias"][row, 0, 0] == 0).sum())
            heard = float(inputs["cross_key_0"][row, 0, 0, 0])
            for at in range(count):
                seen = kept[row, 0, bias[row, 0, at] == 0, 0]
                prefix = tuple(int(token) for token in seen)
                logits[row, at] = self._script.scores(heard, prefix)
                away = abs(np.arange(frames) - min(self._script.looks(prefix), heard_frames - 1))
                attention[row, 0, at] = np.maximum(0, 1 - away / REACH)
            asked.append(tuple(int(token) for token in tokens[row]))
        self._script.calls.append(asked)
        return [logits, kept, kept, attention]


def make_scripted(
    folder: Path, script: Scripted, patch: pytest.MonkeyPatch, **changed: dict[str, Any]
) -> EncoderDecoderModel:
    """The model on these graphs.

    changed: objects of the manifest, with what differs in each; None: the field is left out.
    """
    values = manifest() | {
        "architecture": "speech-to-text",
        "front_end": {
            "features": "waveform", "normalize": False,
            "receptive_field_len": STRIDE_LEN, "stride_len": STRIDE_LEN,
        },
        "tokens": {
            "format": "pieces", "vocabulary_size": VOCABULARY_SIZE, "eos": EOS,
            "max_per_s": 50, "suppressed": [*range(1, FIRST_WORD)], "suppressed_first": [],
        },
        "prompt": {
            "start": [START], "languages": {"en": EN, "de": DE},
            "tasks": {"transcribe": TRANSCRIBE, "translate": TRANSLATE}, "end": [END],
            "previous": PREVIOUS, "no_speech": NO_SPEECH,
        },
        "decoder": {
            "layers": 1, "heads": 1, "head_dim": 1, "positions": POSITIONS, "alignment_heads": 1,
        },
    }  # fmt: skip
    for name, fields in changed.items():
        merged = values[name] | fields
        values[name] = {key: value for key, value in merged.items() if value is not None}
    words = [f" w{number}" for number in range(VOCABULARY_SIZE - FIRST_WORD)]
    contents = {
        "encoder": b"scripted encoder",
        "decoder": b"scripted decoder",
        "tokenizer": json.dumps([""] * FIRST_WORD + words).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for role, content in contents.items():
        (folder / role).write_bytes(content)
        values["files"][role] = {
            "path": role, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
    write_manifest(folder, values)
    graphs = {"encoder": ScriptedEncoder(script), "decoder": ScriptedDecoder(script)}
    patch.setattr(encoder_decoder, "open_graph", lambda path, threads, device: graphs[path.name])
    return EncoderDecoderModel(load_bundle(folder), threads=1)
