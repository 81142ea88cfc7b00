"""Which decoder a CTC session gets: greedy or beam, with what language model and hotwords."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from streamscribe.beam import BeamDecoder
from streamscribe.ctc import CtcDecoder, GreedyDecoder
from streamscribe.hotwords import Hotwords
from streamscribe.language_model import LanguageModel, LanguageWeights
from streamscribe.model import TokenTable
from streamscribe.options import Search, SessionOptions

_KEPT_LISTS: Final = 32
"""Lists of hotwords kept spelled out, so that sessions with the same list share it."""
_USUAL_WEIGHTS: Final = LanguageWeights()


class CtcDecoding:
    """Makes decoders for one vocabulary, and spells hotwords in it."""

    def __init__(
        self,
        tokens: TokenTable,
        vocabulary_size: int,
        blank: int,
        *,
        language_model: LanguageModel | None = None,
        weights: LanguageWeights = _USUAL_WEIGHTS,
    ) -> None:
        self._tokens = tokens
        self._vocabulary_size = vocabulary_size
        self._blank = blank
        self._language_model = language_model
        self._weights = weights
        self.hotwords = lru_cache(_KEPT_LISTS)(self._hotwords)
        """The spelled list; ``OptionError`` for a phrase that the vocabulary can't spell."""

    def resolve(self, options: SessionOptions) -> SessionOptions:
        """The options with a search chosen: beam where there is a language model, else greedy.

        Raises ``OptionError`` for hotwords that can't be spelled.
        """
        self.hotwords(options.hotwords)
        usual = Search.GREEDY if self._language_model is None else Search.BEAM
        return replace(options, search=options.search or usual)

    def new_decoder(self, search: Search, hotwords: Hotwords | None) -> CtcDecoder:
        """The decoder of a new segment."""
        if search is Search.GREEDY:
            return GreedyDecoder(self._blank, hotwords=hotwords)
        return BeamDecoder(
            self._tokens,
            self._blank,
            language_model=self._language_model,
            weights=self._weights,
            hotwords=hotwords,
        )

    def _hotwords(self, phrases: tuple[str, ...]) -> Hotwords | None:
        return Hotwords(phrases, self._tokens, self._vocabulary_size) if phrases else None
