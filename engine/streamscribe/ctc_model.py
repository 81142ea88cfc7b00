"""CTC encoders on ONNX Runtime: windows of audio in, log-probabilities of their frames out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamscribe import ctc_options
from streamscribe.bundle import Bundle
from streamscribe.ctc_decoding import CtcDecoding
from streamscribe.ctc_policy import CtcPolicy
from streamscribe.device import CPU, Device
from streamscribe.encoder_input import encoder_input, input_name
from streamscribe.families import CtcFacts
from streamscribe.language_model import LanguageModel
from streamscribe.log_probs import log_softmax
from streamscribe.model import (
    FramesResult,
    FramesStep,
    LogProbs,
    Samples,
    Step,
    StepKind,
    StepResult,
    TokenTable,
)
from streamscribe.model_files import Role
from streamscribe.onnx_graph import (
    Placement,
    default_threads,
    input_names,
    open_graph,
    placement,
)
from streamscribe.options import Latency, SessionOptions
from streamscribe.policy import Policy
from streamscribe.stages import Told, timed, untold
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.tokens import PieceTable

_FEWEST_FRAMES = 2
"""Fewer make a window too short for encoders that squeeze frames in pairs."""


class CtcModel:
    """A CTC bundle, ready to run; see ``AcousticModel``.

    threads: threads of one model call; ``None``: as many as there are usable cores, at most 4.
    language_model: judges the words of sessions that search with a beam, which is then the rule.
    device: what all its graphs run on.
    Raises what ``Bundle.file`` raises, ``DeviceUnavailable``, and ``BrokenModel`` if the runtime
    can't load a file or the graph has other inputs than the bundle states.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        device: Device = CPU,
        language_model: LanguageModel | None = None,
    ) -> None:
        facts = bundle.facts
        assert isinstance(facts, CtcFacts), f"{bundle.name} is not of this family"
        self.name = bundle.name
        self.languages = bundle.languages
        self.front_end = bundle.front_end
        self.blank = facts.blank
        self.chunks = facts.chunks
        """What each preset takes; may be replaced to try out others."""
        self.told: Told = untold
        self._batchable = facts.batchable
        size = bundle.vocabulary.size
        self._tokens = PieceTable.read(bundle.file(Role.TOKENIZER), expected_tokens=size)
        self._decoding = CtcDecoding(self._tokens, size, facts.blank, language_model=language_model)
        threads = threads or default_threads()
        if bundle.has(Role.WEIGHTS):
            bundle.file(Role.WEIGHTS)  # checked here; the runtime finds it by the graph
        self._encoder = open_graph(bundle.file(Role.ENCODER), threads, device)
        self._head = (
            open_graph(bundle.file(Role.HEAD), threads, device) if bundle.has(Role.HEAD) else None
        )
        self._input = input_name(bundle.front_end, input_names(self._encoder), bundle.name)
        self._masked = "attention_mask" in input_names(self._encoder)

    @property
    def tokens(self) -> TokenTable:
        """The model's vocabulary."""
        return self._tokens

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Where each graph really runs."""
        head = () if self._head is None else (placement("head", self._head),)
        return placement("encoder", self._encoder), *head

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options with a preset of latency, its hop, and a search.

        Raises ``OptionError`` for hotwords that the vocabulary can't spell, and for what only
        other models can follow.
        """
        latency = options.latency or Latency.MEDIUM
        asked = ctc_options.resolve(options, self.name, self.languages)
        chosen = replace(asked, latency=latency, hop_ms=self.chunks[latency].hop_ms)
        return self._decoding.resolve(chosen)

    def new_policy(self, options: SessionOptions) -> Policy:
        """A CTC policy with the chunk of the preset asked for."""
        assert options.latency is not None, "options are resolved before a session is opened"
        chunk = self.chunks[options.latency]
        return CtcPolicy(options, self._tokens, self.front_end, chunk, self._decoding)

    def warm_up(self) -> None:
        """Run a second of silence."""
        silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
        self.run([FramesStep(silence, StepKind.FINAL, 0)])

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Results in the order of ``steps``; windows of the same length share a call.

        A neighbour changes a result by rounding alone. A model whose activations are quantised
        per call gets one call each, because there a neighbour would change more than that.
        """
        results: dict[int, FramesResult] = {}
        for indices in self._groups(steps):
            log_probs = self.frames(np.stack([steps[index].samples for index in indices]))
            results |= {
                index: FramesResult(of_one)
                for index, of_one in zip(indices, log_probs, strict=True)
            }
        return [results[index] for index in range(len(steps))]

    def frames(self, samples: Samples) -> LogProbs:
        """Log-probabilities, (batch, frames, vocabulary), of windows, (batch, samples)."""
        if self.front_end.frames(samples.shape[1]) < _FEWEST_FRAMES:
            return np.zeros((len(samples), 0, len(self._tokens)), dtype=np.float32)
        with timed("features", self.told):
            windows = np.stack([encoder_input(window, self.front_end) for window in samples])
        inputs = {self._input: windows}
        if self._masked:
            inputs["attention_mask"] = np.ones(samples.shape, dtype=np.int64)
        with timed("encode", self.told):
            (out,) = self._encoder.run(None, inputs)
            if self._head is not None:
                (out,) = self._head.run(None, {"hidden": out})
        return log_softmax(np.asarray(out, dtype=np.float32))

    def _groups(self, steps: Sequence[Step]) -> list[list[int]]:
        """Indices of the steps that run together."""
        groups: dict[int, list[int]] = {}
        for index, step in enumerate(steps):
            assert isinstance(step, FramesStep), "a CTC model gives frames"
            shared = len(step.samples) if self._batchable else -1 - index
            groups.setdefault(shared, []).append(index)
        return list(groups.values())
