"""Where segments open, pause and close, decided frame by frame from voice activity.

::

              onset                    soft pause
    CLOSED ----------> OPEN (talking) -----------> OPEN (pausing)
       ^                  |      ^                     |    |
       |   a rule fires   |      +------- speech ------+    |
       +------------------+---------- a rule fires ---------+

A segment that was open when an earlier session broke off is pausing from the beginning on
(``continuation.py``).

A soft pause is worth a look at the text; the segment stays open and the model keeps its context.
A hard endpoint closes the segment. The rules for it are a table: one line each, every endpoint
names its line.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from streamscribe.continuation import PATIENCE_LEN
from streamscribe.events import Rule
from streamscribe.options import SessionOptions
from streamscribe.timeline import ms_to_len
from streamscribe.vad import GateState, SpeechGate
from streamscribe.words import Span

AHEAD_LEN: Final = ms_to_len(300)
"""How long before the endpoint its final is decoded: about what that takes."""


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """Fires when the silence and the segment are both at least this long, in samples."""

    rule: Rule
    silence_len: int
    segment_len: int

    def fires(self, silence_len: int, segment_len: int, patience_len: int) -> bool:
        """Whether it does; with patience, what it asks for must be longer by that much."""
        pairs = ((silence_len, self.silence_len), (segment_len, self.segment_len))
        return all(not asked or got >= asked + patience_len for got, asked in pairs)


def endpoint_rules(options: SessionOptions) -> tuple[EndpointRule, ...]:
    """The table; the first rule that fires gives the endpoint its name."""
    return (
        EndpointRule(Rule.SILENCE, ms_to_len(options.endpoint_silence_ms), 0),
        EndpointRule(Rule.MAX_LENGTH, 0, ms_to_len(options.max_segment_ms)),
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """A segment began at ``start_at``; its first voiced sample is ``onset_at``."""

    start_at: int
    onset_at: int


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing was said for the length of a soft pause."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The silence that began at ``voiced_until_at`` is about to close the segment."""

    voiced_until_at: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A rule fired."""

    rule: Rule


Turn: TypeAlias = Opened | Paused | Ending | Closed


class Segmenter:
    """Takes each frame's speech probability; says what it means for the open segment."""

    def __init__(self, options: SessionOptions, *, start_at: int = 0, frame_at: int = 0) -> None:
        """The stream begins at ``start_at``, its first frame at ``frame_at``, maybe earlier."""
        self._rules = endpoint_rules(options)
        self._soft_pause_len = ms_to_len(options.soft_pause_ms)
        self._pre_roll_len = ms_to_len(options.pre_roll_ms)
        self._gate = SpeechGate(start_at=frame_at, min_speech_len=ms_to_len(options.min_speech_ms))
        self._patience_len = PATIENCE_LEN + self._pre_roll_len
        self._closed_at = start_at  # where the newest segment ended; no later one begins before it
        self._start_at: int | None = None
        self._ending_len = max(self._soft_pause_len, self._rules[0].silence_len - AHEAD_LEN)
        self._paused = False
        self._ending = False
        self._voiced: list[Span] = []

    @property
    def is_open(self) -> bool:
        """Whether a segment is open."""
        return self._start_at is not None

    @property
    def is_talking(self) -> bool:
        """Whether the open segment is not in a soft pause."""
        return self.is_open and not self._paused

    @property
    def voiced_until_at(self) -> int:
        """One past the last voiced sample."""
        return self._gate.voiced_until_at

    @property
    def voiced(self) -> list[Span]:
        """The voiced parts of the newest segment, in order."""
        return self._voiced

    @property
    def is_voiced(self) -> bool:
        """Whether voice was heard in the newest segment: always, unless it was reopened."""
        return self._voiced[-1].start_at < self._voiced[-1].end_at

    def reopen(self, at: int) -> None:
        """A segment is open from ``at``, the beginning of the stream, on; nobody speaks yet."""
        assert not self.is_open, "a segment is open"
        self._gate.open(at)
        self._start_at = at
        self._paused = self._ending = True
        self._voiced = [Span(at, at)]

    def silence_from(self, at: int) -> int:
        """While closed: audio before this position can belong to no later segment."""
        run_at = self._gate.run_start_at
        return max(self._closed_at, (at if run_at is None else run_at) - self._pre_roll_len)

    def receive(
        self, probability: float, frame_start_at: int, frame_len: int, *, behind: bool = False
    ) -> Turn | None:
        """Take the next frame; ``behind``: text of the segment is still to be heard again."""
        self._gate.receive(probability, frame_start_at, frame_len)
        at = frame_start_at + frame_len
        if not self.is_open:
            return self._try_to_open()
        self._note_voice()
        assert self._start_at is not None
        silence_len = at - self._gate.voiced_until_at
        if self._gate.run_start_at is not None:
            return None  # voiced frames that may yet turn out to be speech: not a time to decide
        patience_len = self._patience_len if behind or not self.is_voiced else 0
        for rule in self._rules:
            if rule.fires(silence_len, at - self._start_at, patience_len):
                return Closed(rule.rule)
        return self._notice_silence(silence_len)

    def close(self, end_at: int, heard_at: int) -> Opened | None:
        """The open segment ends at ``end_at``, decided at ``heard_at``, the newest position.

        If somebody spoke in between, the next one opens at once.
        """
        assert self.is_open and end_at <= heard_at
        self._closed_at = end_at
        if self._gate.voiced_until_at > end_at:
            return self._open(end_at, end_at)
        self._gate.segment_closed(heard_at)
        self._start_at = None
        return None

    def _notice_silence(self, silence_len: int) -> Turn | None:
        if silence_len >= self._ending_len and not self._ending:
            self._paused = self._ending = True
            return Ending(self._gate.voiced_until_at)
        if silence_len >= self._soft_pause_len and not self._paused:
            self._paused = True
            return Paused()
        return None

    def _try_to_open(self) -> Opened | None:
        onset_at = self._gate.onset_at
        if onset_at is None:
            return None
        onset_at = max(self._closed_at, onset_at)
        return self._open(max(self._closed_at, onset_at - self._pre_roll_len), onset_at)

    def _open(self, start_at: int, onset_at: int) -> Opened:
        self._start_at = start_at
        self._paused = self._ending = False
        self._voiced = [Span(onset_at, self._gate.voiced_until_at)]
        return Opened(start_at, onset_at)

    def _note_voice(self) -> None:
        until_at = self._gate.voiced_until_at
        newest = self._voiced[-1]
        if until_at == newest.end_at:
            return
        if self._gate.state is GateState.SPEECH:
            resumed_at = self._gate.resumed_at
            if resumed_at is not None and resumed_at > newest.end_at:
                if not self.is_voiced:
                    self._voiced.pop()
                self._voiced.append(Span(resumed_at, until_at))
            else:
                self._voiced[-1] = Span(newest.start_at, until_at)
        self._paused = self._ending = False
