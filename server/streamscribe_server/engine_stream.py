"""One stream on the engine thread: bytes in, the session driven, updates out.

Audio waits here as bytes and is given to the session in short slices, and only while the session
wants no step. So one long frame never holds up other streams, the session keeps little more
audio than it needs, and what a stream yields does not depend on who else is served, as long as
the machine keeps up::

    IDLE --audio--> has_work --advance--> waiting --hand_out--> in flight --complete--> ...
                                             |  ^
                                   catch_up  +--+   only when late by a hop
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streamscribe.errors import AudioError
from streamscribe.ingest import Ingest
from streamscribe.model import Step, StepKind, StepResult
from streamscribe.timeline import SAMPLE_RATE
from streamscribe_server.catalogue import ServedModel
from streamscribe_server.due_times import DueTimes
from streamscribe_server.mailbox import (
    Audio,
    Ended,
    Failed,
    Finish,
    Flush,
    Hotwords,
    Open,
    Opened,
    Progress,
    Update,
)
from streamscribe_server.stopwatch import Stopwatch
from streamscribe_server.waiting import Counters, Waiting

SLICES_PER_S = 2
"""A slice is half a second of audio: about 5 ms of decoding and voice activity detection."""

STUCK_LEN = 2 * SAMPLE_RATE
"""Without a step to wait for, a session decides within a frame of voice activity: far sooner."""
_REPORT_LEN = SAMPLE_RATE // 2
"""Progress without events is told every half second of audio: enough to pace a sender."""


class EngineStream:
    """Drives one session. Raises whatever the session raises; the caller then drops the stream.

    ``waiting`` is the step to compute next, if any: ``hand_out``, then ``complete``.
    """

    def __init__(
        self,
        model: ServedModel,
        command: Open,
        deliver: Callable[[Update], None],
        stopwatch: Stopwatch,
    ) -> None:
        self.key = command.key
        self.counters = Counters()
        self.waiting: Waiting | None = None
        self.last_turn = 0
        """Number of the batch that last held a step of this stream."""
        self._first_skipped: Waiting | None = None
        self._in_flight: Waiting | None = None
        self._hop_s = command.options.hop_ms / 1_000
        self._stopwatch = stopwatch
        self._ingest = Ingest(command.format)
        self._session = model.recognizer.open(command.options, command.continuation)
        self._start_at = self._session.heard_at
        self._deliver = deliver
        self.bytes_per_s = command.format.rate_hz * command.format.frame_bytes
        self._slice_bytes = max(1, self.bytes_per_s // SLICES_PER_S)
        self._pending: deque[Audio | Flush | Hotwords | Finish] = deque()
        self._received_bytes = 0
        self._due_times = DueTimes()
        self._told_at = self._start_at
        self._audio_error: AudioError | None = None
        self._over = False
        deliver(Opened())
        self._report()  # of a gap, before any audio has come

    @property
    def audio_s(self) -> float:
        """Seconds of audio given to the session."""
        return (self._session.heard_at - self._start_at) / SAMPLE_RATE

    @property
    def _received_at(self) -> int:
        """Where the audio received ends."""
        return self._start_at + self._received_bytes * SAMPLE_RATE // self.bytes_per_s

    @property
    def over(self) -> bool:
        """Nothing more will come from this stream."""
        return self._over

    @property
    def has_work(self) -> bool:
        """``advance`` would do something."""
        return not self._over and not self._is_waited_for and bool(self._pending)

    @property
    def stuck(self) -> bool:
        """The session wants nothing, and leaves audio undecided: only a bug makes it so."""
        idle = not (self._over or self._is_waited_for or self._pending)
        return idle and self._session.heard_at - self._session.decided_at > STUCK_LEN

    def post(self, command: Audio | Flush | Hotwords | Finish, now_s: float) -> None:
        """Take a command that reached the server at ``now_s``."""
        if self._over or self._audio_error is not None:
            return
        self._pending.append(command)
        if isinstance(command, Audio):
            self._received_bytes += len(command.data)
            self._due_times.record(self._received_at - self._start_at, now_s)

    def advance(self) -> None:
        """Give the session one slice, and a flush or end after it; may set ``waiting``."""
        self._feed_next()
        while self.has_work and not isinstance(self._pending[0], Audio):
            self._feed_next()

    def catch_up(self, now_s: float, longest_hop_s: float) -> int:
        """Leave out partials that are late by a hop, for the newest that the audio allows.

        At most ``longest_hop_s`` of audio is left out between two partials, unless the newest
        is later than that too. Gives how many were left out; ``waiting`` may be None after it.
        What comes in place of a partial keeps its deadline.
        """
        skipped = 0
        while self.waiting is not None and now_s - self.waiting.paced_s > self._hop_s:
            late_s = now_s - self.waiting.paced_s
            first = self._first_skipped or self.waiting
            if self.waiting.paced_s - first.paced_s > longest_hop_s >= late_s:
                break
            if not self._session.skip_step(self._received_at):
                break
            skipped += 1
            self._first_skipped = first
            self.waiting = None
            self._ask()
            while self.has_work:
                self._feed_next()
        if skipped and self.waiting is not None and self._first_skipped is not None:
            deadline_s = min(self.waiting.deadline_s, self._first_skipped.deadline_s)
            self.waiting = replace(self.waiting, deadline_s=deadline_s)
        self.counters.skipped += skipped
        return skipped

    def hand_out(self) -> Step:
        """The step in ``waiting``, which somebody now computes."""
        assert self.waiting is not None, "the stream has no step to compute"
        self._in_flight, self.waiting = self.waiting, None
        self._first_skipped = None
        return self._in_flight.step

    def complete(self, result: StepResult, compute_s: float, now_s: float) -> float:
        """Take the result of the step handed out, which took ``compute_s``.

        Gives how long after its time the result was there, in seconds; at least 0.
        """
        assert self._in_flight is not None, "no step was handed out"
        self.counters.steps += 1
        self.counters.compute_s += compute_s
        lag_s = max(0.0, now_s - self._in_flight.due_s)
        self.counters.lag_max_s = max(self.counters.lag_max_s, lag_s)
        self._in_flight = None
        self._session.step_done(result)
        self._ask()
        return lag_s

    def fail(self, code: str, message: str) -> None:
        """End the stream now. Never raises."""
        if self._over:
            return
        self._over = True
        self.waiting = self._in_flight = None
        self._pending.clear()
        self._deliver(Failed(code, message))

    def _feed_next(self) -> None:
        try:
            self._feed(self._pending.popleft())
        except AudioError as error:
            self._end_audio(error)
        self._ask()

    def _feed(self, command: Audio | Flush | Hotwords | Finish) -> None:
        match command:
            case Audio(data):
                if len(data) > self._slice_bytes:
                    self._pending.appendleft(Audio(data[self._slice_bytes :]))
                with self._stopwatch.stage("ingest"):
                    samples = self._ingest.receive(data[: self._slice_bytes])
                self._session.receive_audio(samples)
            case Flush(id):
                self._session.flush(id)
            case Hotwords(phrases):
                self._session.set_hotwords(phrases)
            case Finish():
                self._session.receive_audio(self._ingest.finish())
                self._session.receive_eof()

    def _end_audio(self, error: AudioError) -> None:
        """Audio after unusable audio has no place on the clock: end here, keep what came before."""
        self._audio_error = error
        self._pending.clear()
        self._session.receive_eof()

    def _ask(self) -> None:
        with self._stopwatch.stage("features"):
            step = self._session.step_wanted()
        if step is not None:
            due = self._due_times.when(step.due_at - self._start_at)
            budget_s = 0.0 if step.kind is StepKind.FINAL else self._hop_s
            self.waiting = Waiting(step, due.due_s, due.paced_s, due.due_s + budget_s)
        self._report()

    @property
    def _is_waited_for(self) -> bool:
        return self.waiting is not None or self._in_flight is not None

    def _report(self) -> None:
        session = self._session
        # A session that wants no step has decided all that it can from this audio.
        decided_at = session.decided_at if self._is_waited_for else session.heard_at
        events = tuple(session.take_events())
        if events or session.finished or decided_at - self._told_at >= _REPORT_LEN:
            self._told_at = decided_at
            compute_s = self.counters.compute_s
            self._deliver(Progress(events, decided_at, session.settled_at, compute_s))
        if session.finished:
            self._over = True
            self._deliver(self._last_update())

    def _last_update(self) -> Update:
        if self._audio_error is None:
            return Ended(self._session.heard_at)
        return Failed(self._audio_error.code, str(self._audio_error))
