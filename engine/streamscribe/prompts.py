"""What a seq2seq model is told before it writes: language, task, and text that came earlier."""

from streamscribe.bpe import encode
from streamscribe.families import EncoderDecoderFacts
from streamscribe.model import Wish
from streamscribe.tokens import PieceTable


class Prompts:
    """The beginnings of sequences of one model."""

    def __init__(self, facts: EncoderDecoderFacts, tokens: PieceTable) -> None:
        self._facts = facts.prompt
        self._numbers = {
            piece: token for token, piece in reversed(list(enumerate(tokens.pieces))) if piece
        }
        positions = facts.positions
        self.longest = 0 if self._facts.previous is None or not positions else positions // 2 - 1
        """Most tokens of earlier text; 0: the model takes none."""

    def start(self, wish: Wish) -> tuple[int, ...]:
        """What a sequence begins with. Of earlier text the newest is kept."""
        facts = self._facts
        context = self.newest(wish)
        before = (facts.previous, *context) if context and facts.previous is not None else ()
        language = facts.languages.get(wish.language or "")
        task = facts.tasks.get(wish.task)
        told = tuple(token for token in (language, task) if token is not None)
        return (*before, *facts.start, *told, *facts.end)

    def newest(self, wish: Wish, dropped: int = 0) -> tuple[int, ...]:
        """The newest earlier text that is taken, without the oldest ``dropped`` tokens of it."""
        count = min(len(wish.context), self.longest) - dropped
        return wish.context[-count:] if count > 0 else ()

    def encode(self, text: str) -> tuple[int, ...]:
        """Tokens of earlier text; none of a model that takes none."""
        return encode(f" {text.strip()}", self._numbers) if text.strip() and self.longest else ()
