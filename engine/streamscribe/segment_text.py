"""What is shown of one segment: its partials as they grow, and its final.

The transcript holds the tokens. This says which of them may be shown, spells them, and remembers
when each word first showed up, from which its times are estimated.
"""

from streamscribe import guards
from streamscribe.events import Event, Final, Partial, Word
from streamscribe.model import TokenTable
from streamscribe.tokens import decode
from streamscribe.transcript import Transcript
from streamscribe.words import Span, Spelled, estimate_times, join, measured_times, spell


class SegmentText:
    """The text of the open segment of ``transcript``; voice was first heard at ``onset_at``.

    doubt: when it is not believed.
    """

    def __init__(
        self,
        transcript: Transcript,
        table: TokenTable,
        doubt: guards.Doubt,
        segment: int,
        start_at: int,
        onset_at: int,
    ) -> None:
        self._transcript = transcript
        self._table = table
        self._doubt = doubt
        self._segment = segment
        self._start_at = start_at
        self._onset_at = onset_at
        self._seen_at: list[int] = []  # per word: the end of the audio that first showed it
        self._shown: tuple[str, int] = ("", 0)

    def is_believable(self, voiced: list[Span]) -> bool:
        """Whether the hypothesis may be shown: what the guards say of it."""
        transcript = self._transcript
        begins = transcript.fixed == transcript.segment_index
        voiced_len = sum(span.end_at - span.start_at for span in voiced)
        return (
            self._doubt.believes(transcript.log_probs[transcript.fixed :], begins=begins)
            and guards.speakable(
                len(transcript.tokens) - transcript.segment_index,
                voiced_len,
                self._doubt.max_tokens_per_s,
            )
            and guards.is_speech(decode(transcript.hypothesis, self._table, ended=False))
        )

    def partial(self, at: int, voiced: list[Span], *, promising: bool) -> list[Event]:
        """The partial for the audio up to ``at``, if it says anything new.

        ``promising``: settled text counts as committed.
        """
        transcript = self._transcript
        shown = len(transcript.tokens) if self.is_believable(voiced) else transcript.fixed
        words = self._words(shown)
        self._see(words, min(at, voiced[-1].end_at))
        text = join(words)
        committed = len(join(self._words(transcript.fixed))) if promising else 0
        if (text, committed) == self._shown:
            return []
        self._shown = (text, committed)
        return [Partial(self._segment, text, committed, self._timed(words, voiced, at), at)]

    def final(self, end_at: int, voiced: list[Span], language: str | None) -> Final:
        """The final for the whole text, of which every token is settled."""
        words = self._words(len(self._transcript.tokens))
        self._see(words, voiced[-1].end_at)
        return Final(
            segment=self._segment,
            text=join(words),
            words=self._timed(words, voiced, end_at),
            start_at=self._start_at,
            end_at=end_at,
            language=language,
        )

    def _timed(self, words: list[Spelled], voiced: list[Span], end_at: int) -> tuple[Word, ...]:
        """The words with times: measured where the model says where each token was spoken."""
        first = self._transcript.segment_index
        spoken = self._transcript.spoken[first:]
        if any(one is None for word in words for one in spoken[word.first : word.last + 1]):
            return estimate_times(words, self._seen_at, voiced, self._onset_at, end_at)
        return measured_times(words, spoken, self._onset_at, end_at)

    def _words(self, end: int) -> list[Spelled]:
        transcript = self._transcript
        part = slice(transcript.segment_index, end)
        return spell(transcript.tokens[part], transcript.log_probs[part], self._table)

    def _see(self, words: list[Spelled], at: int) -> None:
        newest_at = self._seen_at[-1] if self._seen_at else at
        self._seen_at += [max(at, newest_at)] * (len(words) - len(self._seen_at))
