"""Voice activity: the seam to detectors, and the gate that turns probabilities into speech.

A detector says of each frame how likely it holds speech; it flickers. ``SpeechGate`` decides
with hysteresis, fed every frame of the stream in order, so its decisions depend on positions
alone::

               voiced                enough voiced
    SILENCE -----------> STARTING -------------------> SPEECH <---------+
       ^                    |                            |              |
       |     run broken     |                   unvoiced |              | enough voiced
       +--------------------+                            v              | to resume
       |                                             STOPPING ----------+
       +-------------- segment closed ------------------+

A *run* is what confirms speech: it begins with a voiced frame, counts voiced samples, forgives
one unvoiced frame at a time, and is broken by two in a row. A run needs ``min_speech_len``
voiced samples to start speech and ``resume_len`` to go on after an unvoiced frame; until then it
moves nothing. So a lone voiced frame never opens a segment nor makes one longer. A segment closed
in the middle of speech leaves a run that needs one more voiced frame, so no speech is lost.

Within a run and within speech a frame is voiced down to the exit threshold; elsewhere it must
reach the enter threshold.

Always: ``onset_at`` is None in SILENCE and STARTING, and only there; otherwise
``onset_at < voiced_until_at``; ``voiced_until_at`` never falls. The two are equal only after
``open``, until there is voice.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol, TypeAlias

from streamscribe.errors import OptionError
from streamscribe.model import Samples
from streamscribe.timeline import ms_to_len


class Vad(Protocol):
    """A detector of speech for one stream, which owns all state from the stream's past."""

    @property
    def frame_len(self) -> int:
        """Samples in one frame."""
        ...

    def speech_probability(self, frame: Samples) -> float:
        """Probability in [0, 1] that ``frame``, (frame_len,), holds speech.

        Called with every frame of the stream in order, without gaps. Frames begin at multiples of
        ``frame_len``; what the first one has of before the stream is silence.
        """
        ...


VadFactory: TypeAlias = Callable[[], Vad]
"""Makes the detector of one new stream."""

ENTER_THRESHOLD: Final = 0.5
EXIT_THRESHOLD: Final = 0.35
MIN_SPEECH_LEN: Final = ms_to_len(90)
RESUME_LEN: Final = ms_to_len(60)


class GateState(Enum):
    """What the gate believes about the newest frame."""

    SILENCE = auto()  # no speech, none on its way
    STARTING = auto()  # voiced lately, too short to believe
    SPEECH = auto()
    STOPPING = auto()  # unvoiced after speech, or voiced again too shortly to believe


class SpeechGate:
    """Hysteresis over the probabilities of one stream; see the module for the rules.

    ``min_speech_len`` and ``resume_len`` are samples of voiced frames; the first frame begins at
    ``start_at``.
    """

    def __init__(
        self,
        *,
        start_at: int = 0,
        min_speech_len: int = MIN_SPEECH_LEN,
        resume_len: int = RESUME_LEN,
        enter_threshold: float = ENTER_THRESHOLD,
        exit_threshold: float = EXIT_THRESHOLD,
    ) -> None:
        assert 0 < exit_threshold <= enter_threshold <= 1
        self._min_speech_len = min_speech_len
        self._resume_len = resume_len
        self._enter_threshold = enter_threshold
        self._exit_threshold = exit_threshold
        self._heard_at = start_at
        self._state = GateState.SILENCE
        self._onset_at: int | None = None
        self._voiced_until_at = 0
        self._resumed_at: int | None = None
        self._run = _Run()

    @property
    def state(self) -> GateState:
        """The state after the newest frame."""
        return self._state

    @property
    def onset_at(self) -> int | None:
        """First voiced sample of the confirmed speech; None while there is none."""
        return self._onset_at

    @property
    def voiced_until_at(self) -> int:
        """One past the last voiced sample of confirmed speech; 0 before the first.

        In SPEECH and STOPPING, what follows it is the silence that endpoints are measured by.
        """
        return self._voiced_until_at

    @property
    def resumed_at(self) -> int | None:
        """First voiced sample of the speech that goes on or ended last; None before the first."""
        return self._resumed_at

    @property
    def run_start_at(self) -> int | None:
        """First sample of voiced frames that may yet turn out to be speech; None if none are."""
        return self._run.start_at

    def receive(self, probability: float, frame_start_at: int, frame_len: int) -> None:
        """Take the next frame's probability; frames follow each other without gaps."""
        assert frame_start_at == self._heard_at, f"expected the frame at {self._heard_at}"
        self._heard_at = frame_start_at + frame_len
        voiced = probability >= self._threshold()
        match self._state:
            case GateState.SPEECH if voiced:
                self._voiced_until_at = self._heard_at
            case GateState.SPEECH:
                self._state = GateState.STOPPING
            case GateState.STOPPING:
                self._run.receive(voiced, frame_start_at, frame_len)
                if voiced and self._run.voiced_len >= self._resume_len:
                    self._confirm()
            case GateState.SILENCE | GateState.STARTING:
                self._run.receive(voiced, frame_start_at, frame_len)
                if voiced and self._run.voiced_len >= self._min_speech_len:
                    self._onset_at = self._run.start_at
                    self._confirm()
                else:
                    self._wait()

    def open(self, at: int) -> None:
        """Say that somebody was speaking before the first frame, whose voice may go on from ``at``.

        At first it counts as silence, like any after speech.
        """
        assert self._state is GateState.SILENCE, "only a new gate can be opened"
        self._state = GateState.STOPPING
        self._onset_at = self._voiced_until_at = at

    def segment_closed(self, at: int) -> None:
        """Say that the open segment was closed at ``at``, less than a frame past what was heard.

        In SPEECH the talk may go on: one voiced frame is enough for the next onset, which is
        ``at``. In STOPPING it is over, but for a run that may yet become the next speech.
        """
        assert self._onset_at is not None, "no segment can be open without an onset"
        if self._state is GateState.SPEECH:
            self._run.start(at, voiced_len=self._min_speech_len)
        elif self._run.start_at is not None:
            self._run.start(max(self._run.start_at, at), voiced_len=self._run.voiced_len)
        self._onset_at = None
        self._wait()

    def _threshold(self) -> float:
        inside = self._state is GateState.SPEECH or self._run.start_at is not None
        return self._exit_threshold if inside else self._enter_threshold

    def _confirm(self) -> None:
        self._state = GateState.SPEECH
        self._voiced_until_at = self._heard_at
        self._resumed_at = self._run.start_at
        self._run.clear()

    def _wait(self) -> None:
        started = self._run.start_at is not None
        self._state = GateState.STARTING if started else GateState.SILENCE


class _Run:
    """Voiced frames in which at most one at a time is missing."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.start_at: int | None = None
        self.voiced_len = 0
        self._gap = False

    def start(self, start_at: int, *, voiced_len: int) -> None:
        self.start_at = start_at
        self.voiced_len = voiced_len

    def receive(self, voiced: bool, frame_start_at: int, frame_len: int) -> None:
        if voiced:
            self.start_at = frame_start_at if self.start_at is None else self.start_at
            self.voiced_len += frame_len
            self._gap = False
        elif self._gap:
            self.clear()
        else:
            self._gap = self.start_at is not None


def _webrtc() -> VadFactory:
    from streamscribe.vad_webrtc import WebRtcVad

    return WebRtcVad


def _silero() -> VadFactory:
    from streamscribe.vad_silero import SileroVad

    return SileroVad


VADS: Final[dict[str, Callable[[], VadFactory]]] = {"webrtc": _webrtc, "silero": _silero}
"""The detectors by name; a detector's package is imported only when it is asked for."""


def make_vad(name: str) -> VadFactory:
    """The factory of the detector called ``name``. Raises ``OptionError`` for another name."""
    if name not in VADS:
        raise OptionError(name="vad", got=name, allowed=" or ".join(VADS))
    return VADS[name]()
