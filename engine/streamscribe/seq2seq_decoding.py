"""How one step is decoded with graphs of our own: a search, what comes before it, and after.

::

    language unknown? --> detect --> search (greedy, beam, sample) --> looks wrong? --> no speech?
                                                                            |              | draw
                                                                            v              v again
                                                                  text up to where it goes back

Pure: like a search, it asks for passes and is sent their answers.
"""

import math
import zlib
from collections.abc import Generator
from dataclasses import replace
from typing import Final, Generic, TypeAlias, TypeVar

from streamscribe import attending, guards
from streamscribe.families import EncoderDecoderFacts
from streamscribe.model import DecodeResult, DecodeStep, Spoken, TokenTable, Wish
from streamscribe.options import Search as SearchKind
from streamscribe.prompts import Prompts
from streamscribe.sampling import beam, sample
from streamscribe.seq2seq import Answer, Ask, Cache, Hypothesis, Search, greedy, log_probs_of
from streamscribe.tokens import decode

TEMPERATURES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
"""What is tried in turn where a text looks wrong."""
MEAN_LOG_PROB_MIN: Final = -1.0
"""A text less likely than this per token looks wrong."""
COMPRESSION_MAX: Final = 2.4
"""So does one whose bytes shrink by more than this: it says the same again and again."""
FIRST_LOG_PROB_MIN: Final = -1.6
"""A text whose first token is less likely than this is doubtful, as is one that looks wrong."""
NO_SPEECH_MIN: Final = 0.35
"""A doubtful text is none at all where Whisper believes this much in silence. Of texts that it made
of noise and music that was above 0.4 nearly always; of 137 recordings of speech 0.30 at most."""

Found = TypeVar("Found")
Asking: TypeAlias = Generator[list[Ask[Cache]], list[Answer[Cache]], Found]
"""Asks for passes until it has found something."""


class Decoding(Generic[Cache]):
    """Decodes the steps of one model.

    stride_len: samples between two frames of the encoder.
    """

    def __init__(
        self, facts: EncoderDecoderFacts, prompts: Prompts, tokens: TokenTable, stride_len: int
    ) -> None:
        self._facts = facts
        self._prompts = prompts
        self._tokens = tokens
        self._stride_len = stride_len

    def search(self, step: DecodeStep) -> Asking[Cache, DecodeResult]:
        """The result of ``step``, whose audio is encoded."""
        language = step.wish.language
        detected = None
        if language is None and self._facts.prompt.languages:
            language = detected = yield from self._detect()
        wish = replace(step.wish, language=language)
        start = self._start(step, wish)
        step = self._within_positions(step, len(start))
        if step.max_new_tokens < 1:
            return DecodeResult((), (), False, language=detected)
        found = yield from self._first(step, start, wish)
        heard = self._heard(step, found)
        if wish.thorough and self._is_doubtful(heard) and not step.forced:
            no_speech = yield from self._no_speech()
            if no_speech > NO_SPEECH_MIN:
                heard = DecodeResult((), (), True)
        if wish.thorough and self._looks_wrong(heard):
            heard = yield from self._again(step, start, heard)
        return replace(heard, language=detected)

    def _first(self, step: DecodeStep, start: tuple[int, ...], wish: Wish) -> Search[Cache]:
        rules = self._facts.rules
        begun = yield from self._begun(start)
        search: Search[Cache]
        if wish.search is SearchKind.BEAM:
            search = beam(step, start, rules, wish.beam_size, begun)
        elif wish.search is SearchKind.SAMPLE and wish.temperature > 0:
            search = sample(step, start, rules, wish.temperature, begun)
        else:
            search = greedy(step, start, rules, begun)
        return (yield from search)

    def _begun(self, start: tuple[int, ...]) -> Asking[Cache, Answer[Cache] | None]:
        """The answer to the beginning, of models that must be asked it alone."""
        if not self._facts.prompt.alone:
            return None
        [answer] = yield [Ask(start)]
        return answer

    def _detect(self) -> Asking[Cache, str]:
        """The likeliest language."""
        [answer] = yield [Ask(self._facts.prompt.start)]
        languages = list(self._facts.prompt.languages.items())
        scores = answer.logits[-1, [token for _, token in languages]]
        return languages[int(scores.argmax())][0]

    def _again(
        self, step: DecodeStep, start: tuple[int, ...], heard: DecodeResult
    ) -> Asking[Cache, DecodeResult]:
        """The first text that looks right, or else the likeliest."""
        best = heard
        begun = yield from self._begun(start)
        for temperature in TEMPERATURES:
            search: Search[Cache] = sample(step, start, self._facts.rules, temperature, begun)
            drawn = self._heard(step, (yield from search))
            if not self._looks_wrong(drawn):
                return drawn
            best = max(best, drawn, key=lambda one: one.mean_log_prob)
        return best

    def _no_speech(self) -> Asking[Cache, float]:
        """How much the model believes that nobody speaks; 0 if it can't say."""
        token = self._facts.prompt.no_speech
        if token is None:
            return 0.0
        [answer] = yield [Ask(self._facts.prompt.start)]
        [log_prob] = log_probs_of(answer.logits[-1:], [token])
        return math.exp(log_prob)

    def _is_doubtful(self, heard: DecodeResult) -> bool:
        if not heard.tokens:
            return False
        return heard.log_probs[0] < FIRST_LOG_PROB_MIN or self._looks_wrong(heard)

    def _looks_wrong(self, heard: DecodeResult) -> bool:
        if not heard.tokens:
            return False
        text = decode(heard.tokens, self._tokens, ended=False).encode()
        shrinks = len(text) / max(1, len(zlib.compress(text)))
        return heard.mean_log_prob < MEAN_LOG_PROB_MIN or shrinks > COMPRESSION_MAX

    def _start(self, step: DecodeStep, wish: Wish) -> tuple[int, ...]:
        """What the sequence begins with; earlier text gives way to the text of the audio."""
        start = self._prompts.start(wish)
        if self._facts.positions is None:
            return start
        beyond = len(start) + len(step.forced) + step.max_new_tokens - self._facts.positions
        if beyond <= 0 or not wish.context:
            return start
        return self._prompts.start(replace(wish, context=self._prompts.newest(wish, beyond)))

    def _within_positions(self, step: DecodeStep, start_len: int) -> DecodeStep:
        """The step with no more tokens than the decoder has positions for."""
        if self._facts.positions is None:
            return step
        room = self._facts.positions - start_len - len(step.forced)
        most = min(step.max_new_tokens, room)
        return replace(step, max_new_tokens=most, draft=step.draft[: max(0, most - 1)])

    def _heard(self, step: DecodeStep, found: Hypothesis) -> DecodeResult:
        """The result of a search, up to where it begins to say the audio again."""
        places, known = self._places(step, found), len(step.forced)
        end = len(found.tokens)
        if places:
            end = guards.rewind_start([one.attended_len for one in places], known) - known
        return DecodeResult(
            found.tokens[:end],
            found.log_probs[:end],
            found.ended,
            spoken=places[known : known + end],
        )

    def _places(self, step: DecodeStep, found: Hypothesis) -> tuple[Spoken, ...]:
        """Where each token was spoken, those that were forced before those that were found."""
        if found.attention is None or not found.tokens:
            return ()
        stride_len, sample_len = self._stride_len, len(step.samples)
        # The silence after the audio holds no words.
        frames = -(-sample_len // stride_len)
        matrix = attending.evened(found.attention[:, :, :frames])
        places = zip(attending.attended(matrix), attending.spans(matrix), strict=True)
        spoken = [
            Spoken(*(min(place * stride_len, sample_len) for place in (*span, frame)))
            for frame, span in places
        ]
        return tuple(spoken[: len(step.forced) + len(found.tokens)])
