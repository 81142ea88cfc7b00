"""Words that a stream is likely to say: names and terms that the recognizer should lean towards.

A phrase that is heard whole, from the start of a word to the end of one, gains ``boost`` for each
of its characters. In other words: the phrase is written instead of what sounds better if that is
better by no more than ``boost`` nats per character. Long phrases are hard to hear by chance, and
gain more.

The phrases form a trie with failure links (Aho and Corasick, CACM 1975) over their bytes, in lower
case; a phrase begins with the space that begins its first word::

    " new york"     [root] -" "-> [1] -n-e-w-" "-y-o-r-k-> [end]
    " newark"                              `-a-r-k-> [end]

A beam follows it along each of its prefixes. What a phrase has gained before its end is lent: it
is given back where the text goes another way. A greedy path has no prefixes to follow; phrases are
found in the frames themselves (spotting.py).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from streamscribe.errors import OptionError
from streamscribe.model import TokenTable
from streamscribe.phrase_graph import Arc, PhraseGraph, spellings

DEFAULT_BOOST: Final = 0.5
"""Measured on read speech with a weak model (46 % word errors with a language model) and 1,000
phrases, 100 of them said: 49 % of their words were found instead of 27 %, and 0.8 % fewer of all
other words; at 1.0 it was 59 %, and 3.5 % fewer.
"""
BOOST_RANGE: Final = (0.1, 10.0)
"""Nats per character; 10 writes a phrase wherever anything is heard."""
MOST_PHRASES: Final = 1_000
LONGEST_PHRASE: Final = 100
"""Characters."""

COST_UNIT: Final = 1024
"""Per nat, where costs are whole numbers."""

ROOT: Final = 0
_SPACE: Final = 0x20


class Hotwords:
    """Phrases, spelled in a vocabulary's pieces. Unchanging; shared by any number of decoders.

    Case is ignored where the vocabulary can't write a phrase as it is given. Raises
    ``OptionError`` for too many phrases, one that is empty or too long, one with a character that
    no piece of the vocabulary holds, or a ``boost`` out of ``BOOST_RANGE``.
    """

    def __init__(
        self,
        phrases: Iterable[str],
        tokens: TokenTable,
        vocabulary_size: int,
        *,
        boost: float = DEFAULT_BOOST,
    ) -> None:
        low, high = BOOST_RANGE
        if not low <= boost <= high:
            raise OptionError(name="hotword_boost", got=boost, allowed=f"{low} to {high}")
        self.boost = boost
        self.phrases = _checked(phrases)
        pieces = [tokens.token_bytes(token) for token in range(vocabulary_size)]
        self.spaced = any(piece.startswith(b" ") for piece in pieces)
        """Whether the vocabulary separates words; if not, phrases may begin and end anywhere."""
        self.spaces = frozenset(token for token, piece in enumerate(pieces) if piece == b" ")
        """Tokens that are a space and nothing else."""
        starts = [token for token, piece in enumerate(pieces) if piece.startswith(b" ")]
        self.word_starts = np.array(starts, dtype=np.int64)
        """Tokens that begin a word, in order."""
        gains = [round(boost * COST_UNIT * len(phrase)) for phrase in self.phrases]
        spelled = _spell_all(self.phrases, pieces, spaced=self.spaced)
        self.graph = PhraseGraph(
            [(text, arcs, gain) for (text, arcs), gain in zip(spelled, gains, strict=True)]
        )
        """For a greedy path; a phrase is spelled with the space before it."""
        self.words = frozenset(word for phrase in self.phrases for word in phrase.lower().split())
        """All words of the phrases, in lower case."""
        self.beginnings = frozenset(
            word[:length] for word in self.words for length in range(len(word) + 1)
        )
        """What these words may begin with."""
        self._pieces = [_lower(piece) for piece in pieces]
        self._trie = _Trie(self.phrases, boost, spaced=self.spaced)
        self._steps: dict[tuple[int, int], tuple[int, float]] = {}

    @property
    def start(self) -> int:
        """The state at the start of a word."""
        return self._trie.next(ROOT, _SPACE) if self.spaced else ROOT

    def step(self, state: int, token: int) -> tuple[int, float]:
        """The state after ``token``, and what it gained, which is negative for what it lost."""
        key = (state, token)
        known = self._steps.get(key)
        if known is None:
            gained = 0.0
            for byte in self._pieces[token]:
                state, more = self._trie.step(state, byte)
                gained += more
            known = self._steps[key] = (state, gained)
        return known

    def finish(self, state: int) -> float:
        """What the end of the text gains; negative where it cuts a phrase short."""
        return self._trie.complete[state] - self._trie.lent[state]


class _Trie:
    def __init__(self, phrases: Sequence[str], boost: float, *, spaced: bool) -> None:
        self._children: list[dict[int, int]] = [{}]
        self._fail = [ROOT]
        self._spaced = spaced
        self.lent = [0.0]
        """What the unfinished phrase has gained, by state."""
        self.complete = [0.0]
        """What is gained for good if words end here."""
        ends = {self._insert(phrase, boost) for phrase in phrases}
        self._link(ends)

    def _insert(self, phrase: str, boost: float) -> int:
        node = ROOT
        if self._spaced:
            node = self._child(ROOT, _SPACE, 0.0)
        for character in phrase.lower():
            for index, byte in enumerate(character.encode()):
                node = self._child(node, byte, boost if index == 0 else 0.0)
        return node

    def _child(self, node: int, byte: int, gain: float) -> int:
        child = self._children[node].get(byte)
        if child is None:
            child = self._children[node][byte] = len(self._children)
            self._children.append({})
            self._fail.append(ROOT)
            self.lent.append(self.lent[node] + gain)
            self.complete.append(0.0)
        return child

    def _link(self, ends: set[int]) -> None:
        """Failure links, and what is complete, breadth first."""
        paid = [0.0] * len(self._children)  # what of ``lent`` shorter phrases made complete
        queue = [ROOT]
        for node in queue:
            if node in ends:
                self.complete[node] = self.lent[node] - paid[node]
            elif node != ROOT:
                self.complete[node] = self.complete[self._fail[node]]
            for byte, child in self._children[node].items():
                ended = node in ends and (byte == _SPACE or not self._spaced)
                paid[child] = self.lent[node] if ended else paid[node]
                self._fail[child] = self.next(self._fail[node], byte) if node != ROOT else ROOT
                queue.append(child)
        self.lent = [lent - done for lent, done in zip(self.lent, paid, strict=True)]

    def next(self, node: int, byte: int) -> int:
        """Where ``byte`` leads: to the longest beginning of a phrase that the text ends with."""
        while node != ROOT and byte not in self._children[node]:
            node = self._fail[node]
        return self._children[node].get(byte, ROOT)

    def step(self, node: int, byte: int) -> tuple[int, float]:
        after = self.next(node, byte)
        ended = self.complete[node] if byte == _SPACE or not self._spaced else 0.0
        return after, ended + self.lent[after] - self.lent[node]


def _checked(phrases: Iterable[str]) -> tuple[str, ...]:
    """Phrases with single spaces, each once."""
    tidy = dict.fromkeys(" ".join(phrase.replace("\u2019", "'").split()) for phrase in phrases)
    for phrase in tidy:
        if not 0 < len(phrase) <= LONGEST_PHRASE:
            allowed = f"phrases of 1 to {LONGEST_PHRASE} characters"
            raise OptionError(name="hotwords", got=phrase, allowed=allowed)
    if len(tidy) > MOST_PHRASES:
        allowed = f"at most {MOST_PHRASES} phrases"
        raise OptionError(name="hotwords", got=f"{len(tidy)} phrases", allowed=allowed)
    return tuple(tidy)


def _spell_all(
    phrases: Sequence[str], pieces: Sequence[bytes], *, spaced: bool
) -> list[tuple[bytes, list[Arc]]]:
    """Each phrase's text, with the space before it, and the pieces that spell it."""
    exact: dict[bytes, list[int]] = {}
    lower: dict[bytes, list[int]] = {}
    for token, piece in enumerate(pieces):
        if piece:
            exact.setdefault(piece, []).append(token)
            lower.setdefault(_lower(piece), []).append(token)
    spelled: list[tuple[bytes, list[Arc]]] = []
    for phrase in phrases:
        written = (f" {phrase}" if spaced else phrase).encode()
        text, arcs = written, spellings(written, exact)
        if not arcs:
            text = _lower(written)
            arcs = spellings(text, lower)
        if not arcs:
            missing = next((c for c in phrase.lower() if not spellings(c.encode(), lower)), phrase)
            allowed = f"phrases that the vocabulary can spell; it lacks {missing!r}"
            raise OptionError(name="hotwords", got=phrase, allowed=allowed)
        spelled.append((text, arcs))
    return spelled


def _lower(piece: bytes) -> bytes:
    try:
        return piece.decode().lower().encode()
    except UnicodeDecodeError:  # part of a character
        return piece
