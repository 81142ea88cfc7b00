"""Seq2seq models on ONNX Runtime, with graphs that were made for streaming.

The encoder gives what the decoder asks of the audio, once; the decoder takes any number of tokens
after any number of others. So a draft is verified in one pass, a cache is rolled back by cutting
it, and steps of several sessions share the decoder's calls (``passes.py``).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from streamscribe import guards
from streamscribe.abilities import Abilities
from streamscribe.bundle import Bundle
from streamscribe.device import CPU, Device
from streamscribe.encoder_input import encoder_input, input_name
from streamscribe.families import EncoderDecoderFacts
from streamscribe.front_blocks import FrontBlocks
from streamscribe.model import (
    DecodeResult,
    DecodeStep,
    FrontState,
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
    output_names,
    placement,
)
from streamscribe.options import Search as SearchKind
from streamscribe.options import SessionOptions, Task
from streamscribe.passes import Arrays, Audio, Passes, Row, TokenCache
from streamscribe.policy import Policy
from streamscribe.prompts import Prompts
from streamscribe.seq2seq import Answer, Ask
from streamscribe.seq2seq_decoding import MEAN_LOG_PROB_MIN, Decoding
from streamscribe.seq2seq_options import resolve
from streamscribe.seq2seq_policy import Seq2SeqPolicy
from streamscribe.seq2seq_traits import Traits
from streamscribe.stages import Told, timed, untold
from streamscribe.timeline import SAMPLE_RATE, ms_to_len
from streamscribe.tokens import PieceTable

UNLIKELY_BEGINNING: Final = -2.0
"""Log-probability of a first token that little speech begins with, and much noise."""

LEAD_LEN: Final = ms_to_len(36)
"""Silence that Moonshine is given before audio that is heard again: one and a half of its frames,
so that the new frames lie between the old ones and no audio is lost or added."""


class EncoderDecoderModel:
    """A bundle with seq2seq graphs of our own, ready to run; see ``AcousticModel``.

    threads: threads of one model call; ``None``: as many as there are usable cores, at most 4.
    device: what all its graphs run on.
    Raises what ``Bundle.file`` raises, ``DeviceUnavailable``, and ``BrokenModel`` if the runtime
    can't load a file or the graphs do not have the inputs that the bundle states.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None, device: Device = CPU) -> None:
        facts = bundle.facts
        assert isinstance(facts, EncoderDecoderFacts), f"{bundle.name} has other graphs"
        self.name = bundle.name
        self.languages = bundle.languages
        self.task = Task(bundle.task)
        self.front_end = bundle.front_end
        self.facts = facts
        self.told: Told = untold
        self._tokens = PieceTable.read(
            bundle.file(Role.TOKENIZER), expected_tokens=bundle.vocabulary.size
        )
        self.prompts = Prompts(facts, self._tokens)
        self._decoding: Decoding[TokenCache] = Decoding(
            facts, self.prompts, self._tokens, bundle.front_end.stride_len
        )
        threads = threads or default_threads()
        for role in (Role.WEIGHTS, Role.DECODER_WEIGHTS):
            if bundle.has(role):
                bundle.file(role)  # checked here; the runtime finds it by the graph
        self._encoder = open_graph(bundle.file(Role.ENCODER), threads, device)
        self._encoded = sorted(output_names(self._encoder))
        self.passes = Passes(open_graph(bundle.file(Role.DECODER), threads, device), facts)
        self._front: FrontBlocks | None = None
        self._input = ""
        if bundle.has(Role.FRONT):
            front = open_graph(bundle.file(Role.FRONT), threads, device)
            self._front = FrontBlocks(front, bundle.name)
        else:
            self._input = input_name(bundle.front_end, input_names(self._encoder), bundle.name)

    @property
    def tokens(self) -> TokenTable:
        """The model's vocabulary."""
        return self._tokens

    @property
    def max_tokens_per_s(self) -> float:
        """More tokens than this per second of audio are not speech."""
        return self.facts.max_tokens_per_s

    @property
    def placements(self) -> tuple[Placement, ...]:
        """Where each graph really runs."""
        return placement("encoder", self._encoder), self.passes.placement

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options as this model follows them; ``OptionError`` for those that it can't."""
        prompt = self.facts.prompt
        abilities = Abilities(
            model=self.name,
            languages=tuple(prompt.languages) or self.languages,
            tasks=tuple(Task(name) for name in prompt.tasks) or (self.task,),
            searches=tuple(SearchKind),
            aligns=self.facts.alignment_heads > 0,
            prompt_tokens=self.prompts.longest,
            longest_len=self.front_end.longest_len,
        )
        return resolve(options, abilities, len(self.prompts.encode(options.prompt)))

    def new_policy(self, options: SessionOptions) -> Policy:
        """A seq2seq policy with this model's vocabulary."""
        if self._front is not None:
            doubt = guards.Doubt(max_tokens_per_s=self.max_tokens_per_s)
            moonshine = Traits(
                self.max_tokens_per_s, lead_len=LEAD_LEN, doubt=doubt, thorough=False
            )
            return Seq2SeqPolicy(options, self._tokens, moonshine)
        traits = Traits(
            self.facts.max_tokens_per_s,
            front_end=self.front_end,
            context=self.prompts.encode(options.prompt),
            encode=self.prompts.encode,
            hears_alone=True,
            doubt=guards.Doubt(
                mean_log_prob=MEAN_LOG_PROB_MIN,
                first_log_prob=UNLIKELY_BEGINNING,
                max_tokens_per_s=self.facts.max_tokens_per_s,
            ),
        )
        return Seq2SeqPolicy(options, self._tokens, traits)

    def warm_up(self) -> None:
        """Decode a second of silence."""
        silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
        self.run([DecodeStep(silence, (), (), 1, StepKind.FINAL, 0)])

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        """Results in the order of ``steps``; what several ask of the decoder shares its calls.

        A neighbour changes a result by rounding alone.
        """
        decoding = [_checked(step) for step in steps]
        results: list[StepResult] = list(self._together(decoding))
        return results

    def decode(self, step: DecodeStep) -> DecodeResult:
        """The result of one step."""
        return self._together([step])[0]

    def _together(self, steps: list[DecodeStep]) -> list[DecodeResult]:
        audible = [at for at, step in enumerate(steps) if self._is_audible(step)]
        with timed("features", self.told):
            heard = [self._heard(steps[at]) for at in audible]
        with timed("encode", self.told):
            encoded = self._encode([inputs for inputs, _ in heard])
        fronts = {at: front for at, (_, front) in zip(audible, heard, strict=True)}
        audios = dict(zip(audible, encoded, strict=True))
        with timed("decode", self.told):
            found = self._decode(steps, audios)
        return [
            replace(one, front=fronts[at]) if at in fronts else one for at, one in enumerate(found)
        ]

    def _decode(self, steps: list[DecodeStep], audios: dict[int, Audio]) -> list[DecodeResult]:
        found = [DecodeResult((), (), True)] * len(steps)
        searches = {at: self._decoding.search(steps[at]) for at in audios}
        given: dict[int, list[Answer[TokenCache]]] = {at: [] for at in audios}
        while given:
            asked: dict[int, list[Ask[TokenCache]]] = {}
            for at, answers in given.items():
                try:
                    asked[at] = searches[at].send(answers) if answers else next(searches[at])
                except StopIteration as stop:
                    found[at] = stop.value
            rows = [Row(audios[at], ask) for at, asks in asked.items() for ask in asks]
            answered = iter(self.passes.run(rows))
            given = {at: [next(answered) for _ in asks] for at, asks in asked.items()}
        self.passes.forget()
        return found

    def _is_audible(self, step: DecodeStep) -> bool:
        return len(step.samples) >= max(1, self.front_end.receptive_field_len)

    def encode(self, steps: list[DecodeStep]) -> list[Audio]:
        """What the decoder will ask of each step's audio."""
        return self._encode([self._heard(step)[0] for step in steps])

    def _encode(self, given: list[Arrays]) -> list[Audio]:
        """Audio of what the encoder is given of each step; equal lengths may share a call.

        Not with a front of its own: one window of such a model fills a processor's cache.
        """
        groups: dict[tuple[int, ...], list[int]] = {}
        for at, inputs in enumerate(given):
            alone = at if self._front is not None else -1
            lengths = (len(array) for array in inputs.values())
            groups.setdefault((alone, *lengths), []).append(at)
        audios: dict[int, Audio] = {}
        for group in groups.values():
            batch = {name: np.stack([given[at][name] for at in group]) for name in given[group[0]]}
            outputs = self._encoder.run(self._encoded, batch)
            for row, at in enumerate(group):
                audios[at] = {
                    name: array[row : row + 1]
                    for name, array in zip(self._encoded, outputs, strict=True)
                }
        return [audios[at] for at in range(len(given))]

    def _heard(self, step: DecodeStep) -> tuple[Arrays, FrontState | None]:
        """What the encoder is given of a step's audio, and what the next step may go on from."""
        if self._front is not None:
            front = self._front.hear(step.samples, step.front)
            return front.inputs, front.state
        if step.features is not None:
            return {self._input: step.features}, None
        silence_len = self.front_end.silence_after(len(step.samples))
        samples = step.samples
        if silence_len:
            samples = np.concatenate((samples, np.zeros(silence_len, dtype=np.float32)))
        return {self._input: encoder_input(samples, self.front_end)}, None


def _checked(step: Step) -> DecodeStep:
    assert isinstance(step, DecodeStep), "a seq2seq model decodes"
    return step
