"""One stream: audio in, events out. A pure, synchronous, deterministic state machine.

A session never calls a model. It says which step it wants and is told the result::

    receive_audio ---> [ Timeline ] --frame by frame--> Vad -> Segmenter -> Policy
                                                                              |
    take_events  <---- [ events ]  <--------- step_done <-- model <-- step_wanted

- After ``receive_audio``, ``flush`` or ``receive_eof``: call ``step_wanted`` until it gives None.
- After ``step_wanted`` gave a step: run it, call ``step_done``; until then no other is given.
  A caller who is late may call ``skip_step`` instead.
- ``take_events`` at any time gives what has happened since it was last called.

Decisions are taken in the order of the audio, one voice-activity frame after the other, and
never past a step in flight. So they depend on the samples and on what the model says, and on
nothing else: not on how the audio was split, not on when results came, not on other sessions.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from streamscribe.continuation import Continuation, events_of_gap
from streamscribe.events import Endpoint, Event, Flushed, Rule, SpeechStarted
from streamscribe.model import Samples, Step, StepResult
from streamscribe.options import SessionOptions
from streamscribe.policy import Look, Policy
from streamscribe.segmenter import Closed, Ending, Opened, Paused, Segmenter
from streamscribe.timeline import Timeline, ms_to_len
from streamscribe.vad import Vad

_QUIET_LEN = ms_to_len(30)
"""The stretch whose energy says how quiet a place is."""


@dataclass(frozen=True, slots=True)
class _Biasing:
    """The caller asked for other hotwords from ``at`` on."""

    at: int
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stop:
    """The caller asked for everything before ``at``."""

    at: int
    flush_id: str | None
    """None: there is no more audio."""


class Session:
    """One stream of 16 kHz audio; opened by ``Recognizer.open``."""

    def __init__(
        self,
        options: SessionOptions,
        vad: Vad,
        policy: Policy,
        continuation: Continuation | None = None,
    ) -> None:
        start_at = 0 if continuation is None else continuation.start_at
        frame_at = start_at - start_at % vad.frame_len
        self._timeline = Timeline(start_at=frame_at)
        self._timeline.append(np.zeros(start_at - frame_at, dtype=np.float32))
        self._vad = vad
        self._segmenter = Segmenter(options, start_at=start_at, frame_at=frame_at)
        self._policy = policy
        self._quiet_search_len = min(ms_to_len(options.hop_ms), ms_to_len(options.pre_roll_ms))
        self._decided_at = self._settled_at = start_at
        self._segment = -1
        self._stops: deque[_Stop | _Biasing] = deque()
        self._closing_at: int | None = None  # a final is due: where the segment ends
        self._look: Look | None = None
        self._in_flight = False
        self._eof = False
        self._finished = False
        self._events: list[Event] = []
        if continuation is not None:
            self._go_on(continuation)

    @property
    def heard_at(self) -> int:
        """Where the audio received so far ends."""
        return self._timeline.heard_at

    @property
    def decided_at(self) -> int:
        """Decisions were taken up to here; what follows waits for a step or for more audio."""
        return self._decided_at

    @property
    def settled_at(self) -> int:
        """Audio before this position is in a final, or holds no speech."""
        return self._settled_at

    @property
    def finished(self) -> bool:
        """Whether the audio has ended and every event has been produced."""
        return self._finished

    def receive_audio(self, samples: Samples) -> None:
        """Add audio, (n,) float32 at 16 kHz in [-1, 1], any n.

        Raises ``BacklogExceeded`` when decisions lag too far behind.
        """
        assert not self._eof, "audio after receive_eof"
        self._timeline.append(samples)

    def receive_eof(self) -> None:
        """Say that no audio follows."""
        assert not self._eof, "receive_eof was called before"
        self._eof = True
        self._stops.append(_Stop(self._timeline.heard_at, None))

    def flush(self, id: str) -> None:
        """Close the open segment where the audio received so far ends.

        Answered by ``Flushed(id)``, after the segment's final if there is one.
        """
        assert not self._eof, "flush after receive_eof"
        self._stops.append(_Stop(self._timeline.heard_at, id))

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        """Lean towards these phrases, and no others, in the audio that follows.

        ``Recognizer.resolve`` says beforehand whether the model can.
        """
        assert not self._eof, "set_hotwords after receive_eof"
        self._stops.append(_Biasing(self._timeline.heard_at, phrases))

    def step_wanted(self) -> Step | None:
        """The step to run next; None while one is in flight, or until there is more audio."""
        if self._in_flight:
            return None
        self._advance()
        if self._look is None:
            return None
        self._in_flight = True
        samples = self._timeline.read(self._look.start_at, self._look.end_at)
        return self._policy.step(self._look, samples, self._decided_at)

    def step_done(self, result: StepResult) -> None:
        """Take the result of the step in flight."""
        assert self._in_flight and self._look is not None, "no step is in flight"
        self._in_flight = False
        look, self._look = self._look, None
        self._events += self._policy.done(look, result, self._segmenter.voiced)
        self._look = self._policy.look_again()
        if self._look is None and self._closing_at is not None:
            self._finish_segment()

    def skip_step(self, arrived_at: int) -> bool:
        """Leave out the step in flight, if a later one will stand for it; ask for that one then.

        arrived_at: audio up to here will have been received before the next step is computed.
        For a caller who is too late to show every step's text. What is skipped may change which
        words are committed when, and by that, rarely, what a later step says.
        """
        assert self._in_flight and self._look is not None, "no step is in flight"
        if not self._policy.skip(self._look, arrived_at):
            return False
        self._in_flight = False
        self._look = None
        return True

    def take_events(self) -> list[Event]:
        """The events since the last call, in order."""
        if not self._in_flight:
            self._advance()
        events, self._events = self._events, []
        return events

    def _go_on(self, continuation: Continuation) -> None:
        self._events += events_of_gap(continuation)
        self._policy.go_on(continuation)
        self._segment = continuation.next_segment - 1
        if continuation.goes_on_open:
            self._segmenter.reopen(continuation.start_at)

    def _advance(self) -> None:
        """Take decisions until a step is wanted, or there is no audio left to decide on."""
        frame_len = self._vad.frame_len
        while self._look is None and not self._finished:
            end_at = self._decided_at + frame_len - self._decided_at % frame_len
            if self._stops and self._stops[0].at < end_at:
                self._stop()
            elif end_at <= self._timeline.heard_at:
                self._take_frame(end_at)
            else:
                break
        self._forget()

    def _take_frame(self, end_at: int) -> None:
        start_at = end_at - self._vad.frame_len
        probability = self._vad.speech_probability(self._timeline.read(start_at, end_at))
        turn = self._segmenter.receive(
            probability, start_at, self._vad.frame_len, behind=self._policy.behind
        )
        self._decided_at = end_at
        match turn:
            case Opened():
                self._open(turn)
            case Paused():
                self._look = self._policy.look_at_pause(end_at, self._segmenter.voiced_until_at)
            case Ending(voiced_until_at=voiced_until_at):
                self._look = self._policy.look_ahead(end_at, voiced_until_at)
            case Closed(rule=rule):
                at = self._quietest_at(end_at) if rule is Rule.MAX_LENGTH else end_at
                self._close(rule, at)
            case None if self._segmenter.is_open and self._segmenter.is_voiced:
                self._look = self._due_look(end_at)

    def _open(self, opened: Opened) -> None:
        self._segment += 1
        self._events.append(SpeechStarted(self._segment, opened.start_at))
        self._policy.open(self._segment, opened.start_at, opened.onset_at)

    def _due_look(self, at: int) -> Look | None:
        talking = self._segmenter.is_talking
        if talking and self._policy.must_cut(at):
            return self._policy.look_at_cut(self._quietest_at(at))
        return self._policy.look_at_hop(at, talking=talking)

    def _stop(self) -> None:
        stop = self._stops[0]
        if isinstance(stop, _Biasing):
            self._policy.set_hotwords(stop.phrases)
            self._stops.popleft()
            return
        if self._segmenter.is_open:
            rule = Rule.END_OF_AUDIO if stop.flush_id is None else Rule.FLUSH
            self._close(rule, stop.at)
            return  # and come back for the rest once the final is out
        self._stops.popleft()
        if stop.flush_id is None:
            self._decided_at = self._settled_at = stop.at
            self._finished = True
        else:
            self._events.append(Flushed(stop.flush_id))

    def _close(self, rule: Rule, end_at: int) -> None:
        self._events.append(Endpoint(self._segment, rule, end_at))
        self._closing_at = end_at
        if self._segmenter.is_voiced:
            self._look = self._policy.look_at_end(rule, end_at, self._segmenter.voiced_until_at)
        if self._look is None:
            self._finish_segment()

    def _finish_segment(self) -> None:
        assert self._closing_at is not None
        end_at, self._closing_at = self._closing_at, None
        self._events.append(self._policy.close(end_at, self._segmenter.voiced))
        self._settled_at = end_at
        opened = self._segmenter.close(end_at, max(end_at, self._decided_at))
        if opened is not None:
            self._open(opened)

    def _quietest_at(self, at: int) -> int:
        """The middle of the quietest stretch of the newest hop; ``at`` if no search is possible."""
        search_len = min(self._quiet_search_len, at - self._policy.earliest_cut_at)
        stretches = search_len // _QUIET_LEN
        if stretches == 0:
            return at
        start_at = at - stretches * _QUIET_LEN
        audio = self._timeline.read(start_at, at).reshape(stretches, _QUIET_LEN)
        quietest = int(np.square(audio).sum(axis=1).argmin())
        return start_at + quietest * _QUIET_LEN + _QUIET_LEN // 2

    def _forget(self) -> None:
        if self._look is not None or self._segmenter.is_open:
            voiced_until_at = self._segmenter.voiced_until_at
            needed_at = self._policy.oldest_needed_at(self._decided_at, voiced_until_at)
        else:
            self._settled_at = max(self._settled_at, self._segmenter.silence_from(self._decided_at))
            needed_at = self._policy.context_needed_at(self._settled_at)
        # After a stop inside a detector's frame, the whole of that frame is judged later.
        frame_at = self._decided_at - self._decided_at % self._vad.frame_len
        self._timeline.discard_before(min(needed_at, frame_at))
