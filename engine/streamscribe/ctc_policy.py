"""The CTC policy: a window slides over the segment, and each hop's frames are committed once.

::

              left context            hop      right context
        |-----------------------|------------|---------------|
    heard before, for context    committed    provisional: shown, and heard again

Frames count from the segment's start, and so do hops: the same audio is cut the same way, however
it came. The right context's frames give the text that is shown but not yet promised. Windows of a
session have the same length as soon as the stream is long enough, and need no padding.

Shortly before the silence is long enough to close the segment, everything up to now is heard; if
nobody speaks, the final is known when the segment closes, right context and all.
"""

from dataclasses import dataclass
from enum import Enum, auto

from streamscribe import policy
from streamscribe.continuation import Continuation
from streamscribe.ctc import CtcDecoder
from streamscribe.ctc_decoding import CtcDecoding
from streamscribe.ctc_text import FrameGrid, settled_words, spell_spikes
from streamscribe.events import Event, Final, Partial, Rule
from streamscribe.families import Chunk, FrontEnd
from streamscribe.model import FramesResult, FramesStep, LogProbs, Samples, StepKind, StepResult
from streamscribe.model import TokenTable as Table
from streamscribe.options import Commit, SessionOptions
from streamscribe.promised_text import PromisedText
from streamscribe.timeline import ms_to_len
from streamscribe.words import Span


class Purpose(Enum):
    """What a look at the audio is for."""

    HOP = auto()  # the hop's frames are committed
    AHEAD = auto()  # the silence is about to close the segment: the final, unless somebody talks
    END = auto()  # the segment is closed: all its frames are committed


@dataclass(frozen=True, slots=True)
class ChunkLook:
    """A window of the segment's frames."""

    purpose: Purpose
    start_at: int
    end_at: int
    first: int
    """Number of the window's first frame; below 0 before the segment."""
    until: int
    """Frames before this one are committed."""

    @property
    def kind(self) -> StepKind:
        """How the scheduler should treat it."""
        return StepKind.PARTIAL if self.purpose is Purpose.HOP else StepKind.FINAL


@dataclass(frozen=True, slots=True)
class ChunkFrames:
    """A chunk in frames."""

    hop: int
    right: int
    left: int

    @classmethod
    def of(cls, chunk: Chunk, stride_len: int) -> "ChunkFrames":
        """The nearest whole frames; a hop has at least one."""
        parts_ms = (chunk.hop_ms, chunk.right_ms, chunk.left_ms)
        hop, right, left = (round(ms_to_len(ms) / stride_len) for ms in parts_ms)
        return cls(max(1, hop), right, left)


class CtcPolicy:
    """Turns frames into the text of one segment after another."""

    def __init__(
        self,
        options: SessionOptions,
        table: Table,
        front_end: FrontEnd,
        chunk: Chunk,
        decoding: CtcDecoding,
    ) -> None:
        assert options.search is not None, "options are resolved before a session is opened"
        self._append = options.commit is Commit.APPEND
        self._partials = options.partials
        self._table = table
        self._front_end = front_end
        self._chunk = ChunkFrames.of(chunk, front_end.stride_len)
        self._decoding = decoding
        self._search = options.search
        self._language = options.language
        self._hotwords = decoding.hotwords(options.hotwords)
        self._decoder = self._new_decoder()
        self._segment = -1
        self._left_len = self._chunk.left * front_end.stride_len
        self._grid = FrameGrid(0, front_end)
        self._committed = 0  # frames
        self._ahead: tuple[int, LogProbs] | None = None  # first frame, and the frames from it on
        self._answered_at = -1  # where the silence began for which the final is known
        self._shown: tuple[str, int] = ("", 0)
        self._stream_at = 0  # where the audio begins
        self._promised: PromisedText | None = None  # of a segment that was open before

    def go_on(self, continuation: Continuation) -> None:
        """The stream begins where the continuation says, maybe with a segment open."""
        self._stream_at = start_at = continuation.start_at
        if continuation.goes_on_open:
            self.open(continuation.segment, start_at, start_at)
            self._promised = PromisedText(continuation.committed_text, start_at)
            self._shown = self._promised.shown

    @property
    def behind(self) -> bool:
        """Whether text that was committed before the stream began is still to be heard again."""
        return self._promised is not None and self._promised.behind

    def open(self, segment: int, start_at: int, onset_at: int) -> None:
        """A segment begins; what was heard before is its left context, silence and all."""
        self._segment = segment
        self._grid = FrameGrid(start_at, self._front_end)
        self._decoder = self._new_decoder()
        self._committed = 0
        self._ahead = None
        self._answered_at = -1
        self._shown = ("", 0)
        self._promised = None

    def oldest_needed_at(self, at: int, voiced_until_at: int) -> int:
        """Audio before this position will not be looked at while a segment is open."""
        needed_at = self._grid.heard_from_at(self._committed) - self._left_len
        return max(self._stream_at, needed_at)

    def context_needed_at(self, silent_until_at: int) -> int:
        """The same while none is open, and none can begin before ``silent_until_at``."""
        return max(self._stream_at, silent_until_at - self._left_len)

    def set_hotwords(self, phrases: tuple[str, ...]) -> None:
        """Lean towards these phrases from the next committed frame on."""
        self._hotwords = self._decoder.hotwords = self._decoding.hotwords(phrases)

    def look_at_hop(self, at: int, *, talking: bool) -> ChunkLook | None:
        """The window of the newest hop whose right context is there, in pauses too."""
        chunk = self._chunk
        ready = self._grid.complete(at) - chunk.right
        until = min(ready - ready % chunk.hop, self._committed + chunk.left + chunk.hop)
        if until <= self._committed:
            return None
        end = until + chunk.right
        first = max(self._leftmost(), until - chunk.hop - chunk.left)
        return self._look(Purpose.HOP, first, until, self._grid.heard_until_at(end - 1))

    def look_at_pause(self, at: int, voiced_until_at: int) -> None:
        """Nothing: hops go on in pauses."""

    def look_ahead(self, at: int, voiced_until_at: int) -> ChunkLook | None:
        """The look shortly before the silence from ``voiced_until_at`` on ends the segment."""
        self._answered_at = voiced_until_at
        self._ahead = None
        return self._look_to(Purpose.AHEAD, at)

    def must_cut(self, at: int) -> bool:
        """Never: a window slides."""
        return False

    @property
    def earliest_cut_at(self) -> int:
        """Audio before this position was committed."""
        return self._grid.heard_from_at(self._committed)

    def look_at_cut(self, cut_at: int) -> None:
        """Nothing: there are no cuts."""

    def look_at_end(self, rule: Rule, end_at: int, voiced_until_at: int) -> ChunkLook | None:
        """The look that the final needs; None if the look ahead has answered already."""
        if rule is Rule.SILENCE and self._answered_at == voiced_until_at:
            return None
        self._ahead = None
        return self._look_to(Purpose.END, end_at)

    def step(self, look: policy.Look, samples: Samples, due_at: int) -> FramesStep:
        """The step for ``look``, whose audio is ``samples``."""
        assert isinstance(look, ChunkLook)
        return FramesStep(samples, look.kind, due_at)

    def done(self, look: policy.Look, result: StepResult, voiced: list[Span]) -> list[Event]:
        """Take the frames of ``look``; gives the partial that they make, if anything is new."""
        assert isinstance(look, ChunkLook) and isinstance(result, FramesResult)
        frames = result.log_probs[max(0, self._committed - look.first) :]
        if look.purpose is Purpose.AHEAD:
            self._ahead = (self._committed, frames)
            return self._partial(frames, look.end_at, voiced)
        sure = frames[: max(0, look.until - self._committed)]
        self._decoder.receive(sure)
        self._committed += len(sure)
        if look.purpose is Purpose.END:
            return []
        return self._partial(frames[len(sure) :], look.end_at, voiced)

    def skip(self, look: policy.Look, arrived_at: int) -> bool:
        """Never: every hop commits frames of its own."""
        return False

    def look_again(self) -> None:
        """Nothing: one look says all."""

    def close(self, end_at: int, voiced: list[Span]) -> Final:
        """The segment ends at ``end_at``; every look has been answered."""
        if self._ahead is not None:
            first, frames = self._ahead
            self._decoder.receive(frames[max(0, self._committed - first) :])
        words = spell_spikes(self._decoder.finish(), self._table, self._grid, end_at)
        if self._promised is not None:
            words, _ = self._promised.put_before(words, 0, voiced, end_at)
            self._promised = None
        text = " ".join(word.text for word in words)
        start_at = self._grid.start_at
        return Final(self._segment, text, words, start_at, end_at, self._language)

    def _partial(self, frames: LogProbs, at: int, voiced: list[Span]) -> list[Event]:
        """What the segment says if ``frames`` follow the committed ones, if anything is new."""
        if not self._partials and not self.behind:
            return []
        spikes = self._decoder.provisional(frames)
        words = spell_spikes(spikes, self._table, self._grid, at)
        sure = settled_words(spikes, self._decoder.settled, self._table) if self._append else 0
        if self._promised is not None:
            words, sure = self._promised.put_before(words, sure, voiced, at)
        text = " ".join(word.text for word in words)
        committed = len(" ".join(word.text for word in words[:sure]))
        if (text, committed) == self._shown or not self._partials:
            return []
        self._shown = (text, committed)
        return [Partial(self._segment, text, committed, words, at)]

    def _new_decoder(self) -> CtcDecoder:
        return self._decoding.new_decoder(self._search, self._hotwords)

    def _leftmost(self) -> int:
        """The first frame of the longest left context that there is."""
        before = (self._grid.start_at - self._stream_at) // self._front_end.stride_len
        return max(-before, self._committed - self._chunk.left)

    def _look_to(self, purpose: Purpose, end_at: int) -> ChunkLook | None:
        """The window of all that is not committed and lies before ``end_at``."""
        until = self._grid.complete(end_at)
        if until <= self._committed:
            return None
        return self._look(purpose, self._leftmost(), until, end_at)

    def _look(self, purpose: Purpose, first: int, until: int, end_at: int) -> ChunkLook:
        return ChunkLook(purpose, self._grid.heard_from_at(first), end_at, first, until)
