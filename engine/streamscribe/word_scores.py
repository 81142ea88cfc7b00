"""What the words of a prefix score: a language model's view of a beam's texts."""

from typing import Final

from streamscribe.hotwords import Hotwords
from streamscribe.language_model import Context, LanguageModel, LanguageWeights
from streamscribe.model import TokenTable
from streamscribe.prefixes import Prefix

_BARE: Final = " .,;:!?-\u2026\"'"
"""What may stand around a hotword."""


class WordScores:
    """Scores of one segment's texts; without a language model all are 0."""

    def __init__(
        self,
        tokens: TokenTable,
        language_model: LanguageModel | None,
        weights: LanguageWeights,
        hotwords: Hotwords | None,
    ) -> None:
        self._tokens = tokens
        self._language_model = language_model
        self._weights = weights
        self._hotwords = hotwords
        self._pieces: dict[int, bytes] = {}
        self._starts: dict[bytes, float] = {}

    def change(self, hotwords: Hotwords | None) -> None:
        """Other hotwords, which are never unknown words."""
        self._hotwords = hotwords
        self._starts.clear()

    def after(self, prefix: Prefix, token: int) -> tuple[bytes, float, Context]:
        """The unfinished word after ``token``, the score of those before it, and their context."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._tokens.token_bytes(token)
        if piece.startswith(b" "):
            return (piece[1:], *self.closed(prefix))
        return prefix.word + piece, prefix.score, prefix.context

    def ahead(self, word: bytes) -> float:
        """What an unfinished word is sure to cost: no known word begins so.

        Charged at once: a prefix that puts off the end of its word must not look better for it.
        """
        if self._language_model is None or not word:
            return 0.0
        cost = self._starts.get(word)
        if cost is None:
            text = word.decode(errors="ignore")
            known = self._language_model.begins(text) or (
                self._hotwords is not None and _bare(text) in self._hotwords.beginnings
            )
            cost = self._starts[word] = 0.0 if known else self._unknown(text)
        return cost

    def _unknown(self, word: str) -> float:
        return self._weights.unknown + self._weights.unknown_character * len(word)

    def closed(self, prefix: Prefix) -> tuple[float, Context]:
        """Score of all words of ``prefix``, if its last word ends here, and the context then."""
        if prefix.closed is None:
            prefix.closed = self._close(prefix)
        return prefix.closed

    def _close(self, prefix: Prefix) -> tuple[float, Context]:
        word = prefix.word.decode(errors="replace")
        if self._language_model is None or not word:
            return prefix.score, prefix.context
        found = self._language_model.score(prefix.context, word)
        score = self._weights.scale * found.log_prob + self._weights.word
        hot = self._hotwords is not None and _bare(word) in self._hotwords.words
        if not found.known and not hot:
            score = self._unknown(word)
        return prefix.score + score, found.context


def _bare(word: str) -> str:
    return word.strip(_BARE).lower()
