"""Seq2seq models on ONNX Runtime, with graphs that were made for streaming.

The encoder gives what the decoder asks of the audio, once; the decoder takes any number of tokens
after any number of others. So a draft is verified in one pass, a cache is rolled back by cutting
it, and steps of several sessions share the decoder's calls (``passes.py``).
"""

import math
import zlib
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from streamscribe import attending, guards
from streamscribe.abilities import Abilities
from streamscribe.bundle import Bundle
from streamscribe.errors import BrokenModel
from streamscribe.families import EncoderDecoderFacts
from streamscribe.features import log_mel
from streamscribe.model import (
    DecodeResult,
    DecodeStep,
    Features,
    Samples,
    Spoken,
    Step,
    StepKind,
    StepResult,
    TokenTable,
    Wish,
)
from streamscribe.model_files import Role
from streamscribe.onnx_graph import default_threads, input_names, open_graph, output_names
from streamscribe.options import Search as SearchKind
from streamscribe.options import SessionOptions, Task
from streamscribe.passes import Audio, Passes, Row, TokenCache
from streamscribe.policy import Policy
from streamscribe.prompts import Prompts
from streamscribe.sampling import beam, sample
from streamscribe.seq2seq import Answer, Ask, Hypothesis, Search, greedy, log_probs_of
from streamscribe.seq2seq_options import resolve
from streamscribe.seq2seq_policy import Seq2SeqPolicy, Traits
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.tokens import PieceTable, decode

_VARIANCE_FLOOR: Final = 1e-7
"""What the extractors of waveforms add to the variance."""

TEMPERATURES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
"""What is tried in turn where a text looks wrong."""
MEAN_LOG_PROB_MIN: Final = -1.0
"""A text less likely than this per token looks wrong."""
COMPRESSION_MAX: Final = 2.4
"""So does one whose bytes shrink by more than this: it says the same again and again."""
NO_SPEECH_MIN: Final = 0.6
"""A text that looks wrong is none at all where the model believes this much in silence."""


_Decoding: TypeAlias = Generator[list[Ask[TokenCache]], list[Answer[TokenCache]], DecodeResult]
_Doubting: TypeAlias = Generator[list[Ask[TokenCache]], list[Answer[TokenCache]], float]
_Beginning: TypeAlias = Generator[
    list[Ask[TokenCache]], list[Answer[TokenCache]], Answer[TokenCache] | None
]
_Detecting: TypeAlias = Generator[list[Ask[TokenCache]], list[Answer[TokenCache]], str]


class EncoderDecoderModel:
    """A bundle with seq2seq graphs of our own, ready to run; see ``AcousticModel``.

    threads: threads of one model call; ``None``: as many as there are usable cores, at most 4.
    Raises what ``Bundle.file`` raises, and ``BrokenModel`` if the runtime can't load a file or
    the graphs do not have the inputs that the bundle states.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        facts = bundle.facts
        assert isinstance(facts, EncoderDecoderFacts), f"{bundle.name} has other graphs"
        self.name = bundle.name
        self.languages = bundle.languages
        self.task = Task(bundle.task)
        self.front_end = bundle.front_end
        self.facts = facts
        self._tokens = PieceTable.read(
            bundle.file(Role.TOKENIZER), expected_tokens=bundle.vocabulary.size
        )
        self.prompts = Prompts(facts, self._tokens)
        threads = threads or default_threads()
        for role in (Role.WEIGHTS, Role.DECODER_WEIGHTS):
            if bundle.has(role):
                bundle.file(role)  # checked here; the runtime finds it by the graph
        self._encoder = open_graph(bundle.file(Role.ENCODER), threads)
        self._encoded = sorted(output_names(self._encoder))
        self._passes = Passes(open_graph(bundle.file(Role.DECODER), threads), facts)
        self._input = "input_values" if bundle.front_end.mel is None else "input_features"
        if self._input not in input_names(self._encoder):
            raise BrokenModel(
                f"the encoder of {bundle.name} takes"
                f" {', '.join(sorted(input_names(self._encoder)))}; its bundle states {self._input}"
            )

    @property
    def tokens(self) -> TokenTable:
        """The model's vocabulary."""
        return self._tokens

    @property
    def max_tokens_per_s(self) -> float:
        """More tokens than this per second of audio are not speech."""
        return self.facts.max_tokens_per_s

    @property
    def provider(self) -> str:
        """The execution provider that really runs the encoder."""
        return str(self._encoder.get_providers()[0])

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
        traits = Traits(
            self.facts.max_tokens_per_s,
            front_end=self.front_end,
            context=self.prompts.encode(options.prompt),
            hears_alone=True,
            doubt=guards.Doubt(
                mean_log_prob=MEAN_LOG_PROB_MIN,
                first_log_prob=-math.inf,
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
        audios = dict(zip(audible, self._encode([steps[at] for at in audible]), strict=True))
        found = [DecodeResult((), (), True)] * len(steps)
        searches = {at: self._search(steps[at]) for at in audible}
        given: dict[int, list[Answer[TokenCache]]] = {at: [] for at in audible}
        while given:
            asked: dict[int, list[Ask[TokenCache]]] = {}
            for at, answers in given.items():
                try:
                    asked[at] = searches[at].send(answers) if answers else next(searches[at])
                except StopIteration as stop:
                    found[at] = stop.value
            rows = [Row(audios[at], ask) for at, asks in asked.items() for ask in asks]
            answered = iter(self._passes.run(rows))
            given = {at: [next(answered) for _ in asks] for at, asks in asked.items()}
        self._passes.forget()
        return found

    def _is_audible(self, step: DecodeStep) -> bool:
        return len(step.samples) >= max(1, self.front_end.receptive_field_len)

    def _encode(self, steps: list[DecodeStep]) -> list[Audio]:
        """What the decoder will ask of each step's audio; equal lengths share a call."""
        features = [self._features(step) for step in steps]
        groups: dict[int, list[int]] = {}
        for at, one in enumerate(features):
            groups.setdefault(len(one), []).append(at)
        audios: dict[int, Audio] = {}
        for group in groups.values():
            batch = np.stack([features[at] for at in group])
            outputs = self._encoder.run(self._encoded, {self._input: batch})
            for row, at in enumerate(group):
                audios[at] = {
                    name: array[row : row + 1]
                    for name, array in zip(self._encoded, outputs, strict=True)
                }
        return [audios[at] for at in range(len(steps))]

    def _features(self, step: DecodeStep) -> Features | Samples:
        if step.features is not None:
            return step.features
        silence_len = self.front_end.silence_after(len(step.samples))
        samples = step.samples
        if silence_len:
            samples = np.concatenate((samples, np.zeros(silence_len, dtype=np.float32)))
        if self.front_end.mel is not None:
            return log_mel(samples, self.front_end.mel)
        if self.front_end.normalize:
            scaled: Samples = (samples - samples.mean()) / np.sqrt(samples.var() + _VARIANCE_FLOOR)
            return scaled
        return samples

    def _search(self, step: DecodeStep) -> _Decoding:
        language = step.wish.language
        detected = None
        if language is None and self.facts.prompt.languages:
            language = detected = yield from self._detect()
        wish = replace(step.wish, language=language)
        start = self.prompts.start(wish)
        step = self._within_positions(step, len(start))
        if step.max_new_tokens < 1:
            return DecodeResult((), (), False, language=detected)
        found = yield from self._first(step, start, wish)
        heard = self._heard(step, found)
        if wish.thorough and self._looks_wrong(heard):
            heard = yield from self._again(step, start, heard)
        return replace(heard, language=detected)

    def _first(self, step: DecodeStep, start: tuple[int, ...], wish: Wish) -> Search[TokenCache]:
        rules = self.facts.rules
        begun = yield from self._begun(start)
        search: Search[TokenCache]
        if wish.search is SearchKind.BEAM:
            search = beam(step, start, rules, wish.beam_size, begun)
        elif wish.search is SearchKind.SAMPLE and wish.temperature > 0:
            search = sample(step, start, rules, wish.temperature, begun)
        else:
            search = greedy(step, start, rules, begun)
        return (yield from search)

    def _begun(self, start: tuple[int, ...]) -> _Beginning:
        """The answer to the beginning, of models that must be asked it alone."""
        if not self.facts.prompt.alone:
            return None
        [answer] = yield [Ask(start)]
        return answer

    def _detect(self) -> _Detecting:
        """The likeliest language."""
        [answer] = yield [Ask(self.facts.prompt.start)]
        languages = list(self.facts.prompt.languages.items())
        scores = answer.logits[-1, [token for _, token in languages]]
        return languages[int(scores.argmax())][0]

    def _again(self, step: DecodeStep, start: tuple[int, ...], heard: DecodeResult) -> _Decoding:
        """What is left of a text that looks wrong: none, or the first that looks right."""
        if heard.mean_log_prob < MEAN_LOG_PROB_MIN and not step.forced:
            no_speech = yield from self._no_speech()
            if no_speech > NO_SPEECH_MIN:
                return DecodeResult((), (), True)
        best = heard
        for temperature in TEMPERATURES:
            begun = yield from self._begun(start)
            search: Search[TokenCache] = sample(step, start, self.facts.rules, temperature, begun)
            drawn = self._heard(step, (yield from search))
            if not self._looks_wrong(drawn):
                return drawn
            best = max(best, drawn, key=lambda one: one.mean_log_prob)
        return best

    def _no_speech(self) -> _Doubting:
        """How much the model believes that nobody speaks; 0 if it can't say."""
        token = self.facts.prompt.no_speech
        if token is None:
            return 0.0
        [answer] = yield [Ask(self.facts.prompt.start)]
        [log_prob] = log_probs_of(answer.logits[-1:], [token])
        return math.exp(log_prob)

    def _looks_wrong(self, heard: DecodeResult) -> bool:
        if not heard.tokens:
            return False
        text = decode(heard.tokens, self._tokens, ended=False).encode()
        shrinks = len(text) / max(1, len(zlib.compress(text)))
        return heard.mean_log_prob < MEAN_LOG_PROB_MIN or shrinks > COMPRESSION_MAX

    def _within_positions(self, step: DecodeStep, start_len: int) -> DecodeStep:
        """The step with no more tokens than the decoder has positions for."""
        if self.facts.positions is None:
            return step
        room = self.facts.positions - start_len - len(step.forced)
        most = min(step.max_new_tokens, room)
        return replace(step, max_new_tokens=most, draft=step.draft[: max(0, most - 1)])

    def _heard(self, step: DecodeStep, found: Hypothesis) -> DecodeResult:
        """The result of a search, up to where it begins to say the audio again."""
        places = self._places(step, found)
        known, spoken = places[: len(step.forced)], places[len(step.forced) :]
        end = len(found.tokens)
        if spoken:
            heard_len = max((one.attended_len for one in known), default=0)
            end = guards.rewind_start([one.attended_len for one in spoken], heard_len)
        return DecodeResult(
            found.tokens[:end], found.log_probs[:end], found.ended, spoken=spoken[:end]
        )

    def _places(self, step: DecodeStep, found: Hypothesis) -> tuple[Spoken, ...]:
        """Where each token was spoken, those that were forced before those that were found."""
        if found.attention is None or not found.tokens:
            return ()
        stride_len, sample_len = self.front_end.stride_len, len(step.samples)
        # The silence after the audio holds no words.
        frames = -(-sample_len // stride_len)
        matrix = attending.evened(found.attention[:, :, :frames])
        places = zip(attending.attended(matrix), attending.spans(matrix), strict=True)
        spoken = [
            Spoken(*(min(place * stride_len, sample_len) for place in (*span, frame)))
            for frame, span in places
        ]
        return tuple(spoken[: len(step.forced) + len(found.tokens)])


def _checked(step: Step) -> DecodeStep:
    assert isinstance(step, DecodeStep), "a seq2seq model decodes"
    return step
