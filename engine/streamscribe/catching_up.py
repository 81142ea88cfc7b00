"""What was committed before the stream began, until a seq2seq model has heard it again.

The tokens stand in the transcript, settled, and a look that begins at a mark should say those from
the mark's index on. It is not made to: the audio may not have come so far. What it says is matched
with them, and tells how far the audio has come.
"""

from collections.abc import Sequence

from streamscribe import guards
from streamscribe.matching import match, said_of
from streamscribe.model import DecodeResult, TokenTable
from streamscribe.spelling import Unspellable, encode
from streamscribe.words import Spelled, spell


def tokens_of(text: str, table: TokenTable) -> tuple[int, ...]:
    """Tokens of committed text. A word that the vocabulary can't spell has none."""
    return tuple(token for word in text.split() for token in _word(word, table))


def _word(word: str, table: TokenTable) -> tuple[int, ...]:
    for spelled in (f" {word}", word):
        try:
            return encode(spelled, table)
        except Unspellable:
            continue
    return ()


class Heard:
    """What a look said where it should have said ``promised``; ``doubt``: when it is not believed.

    Text that is not believed is not heard.
    """

    def __init__(
        self,
        result: DecodeResult,
        promised: Sequence[int],
        table: TokenTable,
        doubt: guards.Doubt,
    ) -> None:
        end = guards.loop_start(result.tokens)
        if not doubt.believes(result.log_probs[:end], begins=True):
            end = 0
        self._promised = _spelled(promised, table)
        self._promised_words = [word.text for word in self._promised]
        self._words = [word.text for word in _spelled(result.tokens[:end], table)]

    @property
    def is_whole(self) -> bool:
        """Whether it said all of it."""
        return match(self._promised_words, self._words).whole

    @property
    def said_len(self) -> int:
        """How many of the promised tokens it said, in whole words; of use where it is not whole."""
        said = said_of(self._promised_words, self._words)
        return self._promised[said - 1].last + 1 if said else 0


def _spelled(tokens: Sequence[int], table: TokenTable) -> list[Spelled]:
    return spell(tokens, [0.0] * len(tokens), table)
