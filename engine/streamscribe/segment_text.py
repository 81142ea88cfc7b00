"""What is shown of one segment: its partials as they grow, and its final.

The transcript holds the tokens. This says which of them may be shown, spells them, and remembers
when each word first showed up, from which its times are estimated.
"""

from dataclasses import replace

from streamscribe import guards
from streamscribe.events import Event, Final, Partial, Word
from streamscribe.model import TokenTable
from streamscribe.stability import starts_word
from streamscribe.tokens import decode
from streamscribe.transcript import Transcript
from streamscribe.words import (
    PROMISED_CONFIDENCE,
    Span,
    Spelled,
    estimate_times,
    join,
    measured_times,
    spell,
)


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
        self._promised: list[str] = []  # words that were committed before the stream began
        self._promised_len = 0  # and how many tokens they are

    def promise(self, text: str, tokens: int) -> None:
        """The segment begins with ``text``, which is its first ``tokens`` tokens."""
        self._promised = text.split()
        self._promised_len = tokens
        self._shown = (text, len(text))

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
        sure = transcript.fixed if promising else transcript.segment_index + self._promised_len
        committed = len(join(self._words(sure)))
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
        """The words with times: measured where the model says where each token was spoken.

        It does not say that of words that were promised.
        """
        first = self._transcript.segment_index
        spoken = self._transcript.spoken[first:]
        said, seen_at = words[len(self._promised) :], self._seen_at
        if any(one is None for word in said for one in spoken[word.first : word.last + 1]):
            return estimate_times(words, seen_at, voiced, self._onset_at, end_at)
        measured = measured_times(said, spoken, self._onset_at, end_at)
        known = words[: len(self._promised)]
        until_at = measured[0].start_at if measured else end_at
        return estimate_times(known, seen_at, voiced, self._onset_at, until_at) + measured

    def _words(self, end: int) -> list[Spelled]:
        transcript = self._transcript
        first = transcript.segment_index + self._promised_len
        tokens, log_probs = transcript.tokens[first:end], transcript.log_probs[first:end]
        if not self._promised:
            return spell(tokens, log_probs, self._table)
        said = spell(tokens, log_probs, self._table, begins=False)
        known = [Spelled(word, PROMISED_CONFIDENCE, 0, 0) for word in self._promised]
        if said and not starts_word(tokens[0], self._table):
            known[-1] = replace(known[-1], text=known[-1].text + said.pop(0).text)
        ahead = self._promised_len
        return known + [
            replace(one, first=one.first + ahead, last=one.last + ahead) for one in said
        ]

    def _see(self, words: list[Spelled], at: int) -> None:
        newest_at = self._seen_at[-1] if self._seen_at else at
        self._seen_at += [max(at, newest_at)] * (len(words) - len(self._seen_at))
