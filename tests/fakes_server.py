"""A scripted engine for the server's tests.

The scripted session works in hops of half a second. A silent hop (all zeros) is settled at once.
Any other hop belongs to a segment and wants a step; every fourth closes the segment. The text of
a hop is its loudness in thousandths, so that audio shows in the text.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamscribe.abilities import Abilities, checked
from streamscribe.continuation import Continuation
from streamscribe.errors import OptionError
from streamscribe.events import Endpoint, Event, Final, Flushed, Gap, Partial, Rule, SpeechStarted
from streamscribe.ingest import AudioFormat
from streamscribe.model import (
    DecodeResult,
    DecodeStep,
    Samples,
    Step,
    StepKind,
    StepResult,
)
from streamscribe.options import SessionOptions
from streamscribe.stages import Told
from streamscribe_server.batch import Outcome
from streamscribe_server.catalogue import Catalogue, ServedModel
from streamscribe_server.engine import Engine
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Command, Open, Progress, Update
from streamscribe_server.metrics import Metrics
from streamscribe_server.scheduling import Scheduling

HOP_LEN = 8_000
HOPS_PER_SEGMENT = 4
BREAKS_SESSION = 0.75
"""A sample that makes the scripted session raise."""
STUCK_SESSION = 0.625
"""A sample that makes the scripted session decide nothing more."""
BREAKS_MODEL = 0.5
"""Loudness that makes the scripted model raise."""


class ScriptedSession:
    """Same verbs as the engine's session; what it says depends on the audio alone."""

    def __init__(
        self, options: SessionOptions | None = None, continuation: Continuation | None = None
    ) -> None:
        self.options = options
        self.continuation = continuation
        self._audio: Samples = np.zeros(0, dtype=np.float32)
        self._eof = False
        self._flushes: list[tuple[int, str]] = []
        self._events: list[Event] = []
        self._in_flight: DecodeStep | None = None
        self._segment = 0
        self._open_at: int | None = None
        self._words: list[str] = []
        self._committed: list[str] = []  # by the session that this one goes on with
        self._reopened = False
        self.hotwords: tuple[str, ...] = ()
        self.received_lens: list[int] = []
        self._start_at = self.decided_at = self.settled_at = 0
        if continuation is not None:
            self._go_on(continuation)

    @property
    def heard_at(self) -> int:
        return self._start_at + len(self._audio)

    @property
    def finished(self) -> bool:
        decided = self.decided_at == self.heard_at
        return self._eof and decided and self._open_at is None

    def receive_audio(self, samples: Samples) -> None:
        if np.any(samples == BREAKS_SESSION):
            raise RuntimeError("scripted: this session is broken")
        self._audio = np.concatenate((self._audio, samples))
        self.received_lens.append(len(samples))

    def receive_eof(self) -> None:
        self._eof = True

    def flush(self, id: str) -> None:
        self._flushes.append((self.heard_at, id))

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        self.hotwords = phrases

    def step_wanted(self) -> DecodeStep | None:
        while self._in_flight is None and (hop_end_at := self._hop_end_at()) is not None:
            start_at = self._start_at
            hop = self._audio[self.decided_at - start_at : hop_end_at - start_at]
            if self._reopened and len(hop) and not hop.any():
                self._decide(hop_end_at)
                self._open_at = hop_end_at
                continue
            if self._open_at is None and not hop.any():
                self._decide(hop_end_at)
                self.settled_at = hop_end_at
                continue
            if self._open_at is None:
                self._open_at = self.decided_at
                self._events.append(SpeechStarted(self._segment, self.decided_at))
            self._in_flight = self._step(hop, hop_end_at)
            return self._in_flight
        return None

    def step_done(self, result: StepResult) -> None:
        assert isinstance(result, DecodeResult)
        assert self._in_flight is not None
        assert self._open_at is not None
        step, self._in_flight = self._in_flight, None
        self._reopened = False
        self._words += [str(token) for token in result.tokens]
        text = " ".join(self._committed + self._words[len(self._committed) :])
        if step.kind is StepKind.PARTIAL:
            self._events.append(Partial(self._segment, text, len(text), (), step.due_at))
        else:
            self._events.append(Endpoint(self._segment, Rule.SILENCE, step.due_at))
            self._events.append(Final(self._segment, text, (), self._open_at, step.due_at))
            self._segment += 1
            self._open_at = None
            self._words = []
            self._committed = []
            self.settled_at = step.due_at
        self._decide(step.due_at)

    def skip_step(self, arrived_at: int) -> bool:
        """Leave out the hop: its word is never said."""
        assert self._in_flight is not None
        due_at = self._in_flight.due_at
        if self._in_flight.kind is StepKind.FINAL or arrived_at < due_at + HOP_LEN:
            return False
        self._in_flight, self.decided_at = None, due_at
        return True

    def _go_on(self, continuation: Continuation) -> None:
        start_at = self._start_at = self.decided_at = self.settled_at = continuation.start_at
        self._segment = continuation.segment
        self._committed = continuation.committed_text.split()
        if continuation.segment_open:
            self._open_at = start_at
            self._reopened = True
        lost_from_at = continuation.lost_from_at
        if lost_from_at is not None:
            if continuation.segment_open:
                self._events.append(Endpoint(self._segment, Rule.GAP, lost_from_at))
                self._events.append(
                    Final(self._segment, continuation.committed_text, (), lost_from_at, start_at)
                )
                self._segment += 1
                self._open_at = None
                self._committed = []
            self._events.append(Gap(lost_from_at, start_at))

    def take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _hop_end_at(self) -> int | None:
        """Where the next hop ends, if all of it is there; a flush or the end cuts it short."""
        if np.any(self._audio == STUCK_SESSION):
            return None
        cuts_at = [at for at, _ in self._flushes] + ([self.heard_at] if self._eof else [])
        end_at = min([self.decided_at + HOP_LEN, *cuts_at])
        if end_at == self.decided_at and self._open_at is None:
            self._decide(end_at)
            return self._hop_end_at() if self._flushes else None
        return end_at if end_at <= self.heard_at else None

    def _step(self, hop: Samples, end_at: int) -> DecodeStep:
        assert self._open_at is not None
        last = end_at - self._open_at >= HOPS_PER_SEGMENT * HOP_LEN
        kind = StepKind.FINAL if last or len(hop) < HOP_LEN else StepKind.PARTIAL
        return DecodeStep(hop, (), (), 1, kind, end_at)

    def _decide(self, at: int) -> None:
        self.decided_at = at
        while self._open_at is None and self._flushes and self._flushes[0][0] <= self.decided_at:
            self._events.append(Flushed(self._flushes.pop(0)[1]))


@dataclass
class ScriptedRecognizer:
    """Opens scripted sessions. ``gate`` closed: model calls wait until it is set."""

    gate: threading.Event = field(default_factory=threading.Event)
    words_per_hop: int = 1
    on_run: Callable[[Sequence[Step]], None] = lambda steps: None
    abilities: Abilities = Abilities(model="scripted", languages=("en",))

    sessions: list[ScriptedSession] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    def open(
        self, options: SessionOptions | None = None, continuation: Continuation | None = None
    ) -> ScriptedSession:
        self.sessions.append(ScriptedSession(options, continuation))
        return self.sessions[-1]

    def resolve(self, options: SessionOptions) -> SessionOptions:
        if "unspeakable" in options.hotwords:
            raise OptionError(name="hotwords", got="unspeakable", allowed="words")
        return checked(options, self.abilities)

    def warm_up(self) -> None:
        self.run([DecodeStep(np.zeros(HOP_LEN, dtype=np.float32), (), (), 1, StepKind.FINAL, 0)])

    def watch(self, told: Told) -> None:
        pass

    def cost_of_speech(self) -> float:
        return 0.0

    def run(self, steps: Sequence[Step]) -> list[StepResult]:
        self.gate.wait()
        self.on_run(steps)
        return [self._result(step) for step in steps]

    def _result(self, step: Step) -> DecodeResult:
        if not len(step.samples):
            return DecodeResult((), (), ended=True)
        loudness = round(float(np.abs(step.samples).mean()) * 1_000)
        if loudness == round(BREAKS_MODEL * 1_000):
            raise RuntimeError("scripted: this step breaks the model")
        tokens = (loudness,) * self.words_per_hop
        return DecodeResult(tokens, (0.0,) * len(tokens), ended=True)


def catalogue_of(recognizer: ScriptedRecognizer) -> Catalogue:
    return Catalogue([ServedModel("scripted", ("en",), recognizer)])


def pcm16(loudness: float, length: int) -> bytes:
    """``length`` samples of PCM16 at 16 kHz, all of one loudness in [0, 1)."""
    return np.full(length, round(loudness * 32_768), dtype="<i2").tobytes()


PCM16 = Open("scripted", AudioFormat("pcm_s16le", 16_000, 1), SessionOptions())
FLOAT32 = Open("scripted", AudioFormat("pcm_f32le", 16_000, 1), SessionOptions())
SPEECH = pcm16(0.1, HOP_LEN)
"""One hop of it, in PCM16."""


@dataclass
class Bench:
    """An engine with one worker, whose clock moves only when told, and with each model call."""

    max_batch: int = 1
    call_s: float = 0.0
    coalesce: bool = True
    now_s: float = 0.0
    kinds: list[StepKind] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    updates: dict[str, list[Update]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recognizer = ScriptedRecognizer(on_run=self._ran)
        self.metrics = Metrics()
        self.engine = Engine(
            catalogue_of(self.recognizer).default,
            Scheduling(workers=1, max_batch=self.max_batch, coalesce=self.coalesce),
            Limits(),
            self.metrics,
            lambda: self.now_s,
        )

    def _ran(self, steps: Sequence[Step]) -> None:
        self.now_s += self.call_s
        self.kinds += [step.kind for step in steps]
        self.batches.append(len(steps))

    def open(self, stream: str, terms: Open = PCM16) -> None:
        self.updates[stream] = []
        self.engine.open(stream, terms, self.updates[stream].append)

    def post(self, stream: str, *commands: Command) -> None:
        for command in commands:
            self.engine.apply(stream, command, self.now_s)

    def turn(self) -> bool:
        """A slice for every stream, and a batch computed at once; False: nothing was left."""
        left = self.engine.advance()
        batch = self.engine.next_batch(1)
        if batch is None:
            return left
        started_s = self.now_s
        results: list[StepResult] | Exception
        try:
            results = self.recognizer.run(batch.steps)
        except RuntimeError as error:
            results = error
        self.engine.complete(Outcome(batch, results, self.now_s - started_s))
        return True

    def work(self) -> None:
        for _ in range(10_000):
            if not self.turn():
                return
        raise AssertionError("the engine never comes to rest")

    def events(self, stream: str) -> list[Event]:
        told = (update for update in self.updates[stream] if isinstance(update, Progress))
        return [event for update in told for event in update.events]

    def finals(self, stream: str) -> list[str]:
        return [event.text for event in self.events(stream) if isinstance(event, Final)]
