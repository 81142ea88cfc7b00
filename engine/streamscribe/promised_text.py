"""Committed text of an earlier session, in the words of a decoder that can't be made to say it.

A CTC model's frames say what they say. So the segment is decoded anew, and those of its words that
say the committed text (``matching.py``) are replaced by it. Which words these are is settled as
soon as the words that no later frame can change go past them; till then nothing more is committed.
"""

from collections.abc import Sequence

from streamscribe.events import Word
from streamscribe.matching import match
from streamscribe.words import Span, promised_words


class PromisedText:
    """``text``, and the segment from ``start_at`` on that begins with it."""

    def __init__(self, text: str, start_at: int) -> None:
        self._text = text
        self._start_at = start_at
        self._words = text.split()
        self._said: int | None = None  # how many of the decoder's words say it, once that is sure
        self._behind = bool(text)

    @property
    def behind(self) -> bool:
        """Whether it is still to be heard again."""
        return self._behind

    @property
    def shown(self) -> tuple[str, int]:
        """What the segment said before anything was heard: its text, how much is committed."""
        return self._text, len(self._text)

    def put_before(
        self, words: Sequence[Word], sure: int, voiced: Sequence[Span], at: int
    ) -> tuple[tuple[Word, ...], int]:
        """The segment's words up to ``at``, and how many of them no later frame can change.

        words: the decoder's, of which the first ``sure`` will not change.
        """
        said = self._find(words, sure)
        rest = tuple(words[said:])
        until_at = rest[0].start_at if rest else at
        spoken_at = min(words[said - 1].end_at, until_at) if said else until_at
        known = promised_words(self._text, self._start_at, spoken_at, voiced)
        settled = 0 if self._said is None else max(0, sure - self._said)
        return (*known, *rest), len(known) + settled

    def _find(self, words: Sequence[Word], sure: int) -> int:
        if self._said is not None:
            return self._said
        heard = [word.text for word in words]
        found = match(self._words, heard)
        if found.whole:
            self._behind = False
        settled = match(self._words, heard[:sure])
        if settled.said < sure:
            self._said = settled.said
            return self._said
        return found.said
