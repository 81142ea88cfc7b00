"""The two that are compared where a decoder writes: the checkpoint in PyTorch, and the engine.

Each is given a step as a session gives it, and tells what it wrote and what it thought of every
token that it could have written instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.bundle import load_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.model import DecodeResult, DecodeStep, Samples, StepKind
from streamscribe.passes import Row
from streamscribe.seq2seq import Ask
from streamscribe_export.checkpoint import TorchModel, quiet
from streamscribe_export.seq2seq_families import greedy_settings

Logits: TypeAlias = npt.NDArray[np.float32]
"""(choices, vocabulary): before any token is forbidden."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text, without what it begins and ends with."""

    tokens: tuple[int, ...]
    ended: bool
    """Whether the model said that it ends here."""
    logits: Logits
    """What each token was chosen by, the end included if it was chosen."""


Writer: TypeAlias = Callable[[DecodeStep], Written]
"""Writes the greedy text of a step that knows nothing beforehand."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """How ``generate`` is made to begin as the bundle does."""

    tokens: tuple[int, ...]
    given: tuple[int, ...]
    """Those of ``tokens`` that it is given; it forces the others itself."""
    never: tuple[int, ...] = ()
    """Tokens that it must not choose, besides those that its settings name."""


def torch_writer(
    model: TorchModel,
    beginning: Beginning,
    hear: Callable[[DecodeStep], npt.NDArray[np.float32]],
    threads: int,
) -> Writer:
    """The checkpoint, by transformers' ``generate``, greedily.

    hear: a step as what the model takes, (1, ...).
    """
    import torch
    from transformers import GenerationMixin

    torch.set_num_threads(threads)
    model.generation_config = greedy_settings(model.generation_config)
    generate: Any = GenerationMixin.generate  # Whisper's own cuts audio up and asks for languages
    forced = len(beginning.tokens) - len(beginning.given)
    never = torch.tensor(beginning.never, dtype=torch.long)

    def forbid(_: Any, scores: Any) -> Any:  # noqa: ANN401
        return scores.index_fill(1, never, -torch.inf)

    def write(step: DecodeStep) -> Written:
        with torch.inference_mode(), quiet():
            found = generate(
                model, torch.from_numpy(hear(step)),
                decoder_input_ids=torch.tensor([beginning.given]),
                max_new_tokens=step.max_new_tokens + forced,
                output_logits=True, return_dict_in_generate=True, logits_processor=[forbid],
            )  # fmt: skip
        tokens = [int(token) for token in found.sequences[0]][len(beginning.tokens) :]
        logits = torch.cat(found.logits).float().numpy()[forced:]
        ended = tokens[-1:] == [_end(model)]
        return Written(tuple(tokens[:-1] if ended else tokens), ended, logits)

    return write


def _end(model: TorchModel) -> int:
    stated = model.generation_config.eos_token_id
    return int(stated[0] if isinstance(stated, list) else stated)


class BundleWriter:
    """The bundle, by the engine."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.model = EncoderDecoderModel(load_bundle(folder), threads=threads)

    def __call__(self, step: DecodeStep) -> Written:
        """The engine's text, with what it was chosen by."""
        found = self.decode(step)
        return Written(found.tokens, found.ended, self.logits(step, found.tokens, found.ended))

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The engine's text alone."""
        return self.model.decode(step)

    def logits(self, step: DecodeStep, tokens: tuple[int, ...], ended: bool) -> Logits:
        """What every one of ``tokens`` is chosen by after those before it, and the end."""
        [audio] = self.model.encode([step])
        start = self.model.prompts.start(step.wish)
        [begun] = self.model.passes.run([Row(audio, Ask(start))])
        rows = [begun.logits[-1:]]
        known = tokens if ended else tokens[:-1]
        if known:
            [rest] = self.model.passes.run([Row(audio, Ask(known, begun.cache))])
            rows.append(rest.logits)
        return np.concatenate(rows)

    def frames(self, samples: Samples) -> Any:  # noqa: ANN401
        """(1, frames, head_dim): something of every frame of (1, n) samples."""
        [audio] = self.model.encode([plain_step(samples[0], 1)])
        return audio["cross_key_0"][:, 0]


def plain_step(samples: Samples, most: int) -> DecodeStep:
    """A step of which nothing is known, for at most so many tokens."""
    return DecodeStep(samples, (), (), most, StepKind.FINAL, 0)
