"""Phrases in all their spellings, in one lattice, so that one frame moves all of them at once.

Phrases share the nodes of what they have in common from their beginning on. A node is a part of a
phrase's text from its beginning, and the piece that this part ends with::

    " kate"   " " k a t e    " k" a t e    " k" a te    " kate"    are 11 nodes
"""

from collections.abc import Mapping, Sequence

import numpy as np

from streamscribe.alignment import Ints, Lattice

Arc = tuple[int, int, int]
"""A piece in a text: its first byte, one past its last, and its token."""


def spellings(text: bytes, pieces: Mapping[bytes, Sequence[int]]) -> list[Arc]:
    """All pieces that spell ``text`` together with others; empty if it can't be spelled."""
    longest = max(map(len, pieces), default=0)
    reached = {0}
    arcs: list[Arc] = []
    for start in range(len(text)):
        if start not in reached:
            continue
        for end in range(start + 1, min(start + longest, len(text)) + 1):
            for token in pieces.get(text[start:end], ()):
                arcs.append((start, end, token))
                reached.add(end)
    lead_on = {len(text)}
    for start, end, _ in reversed(arcs):  # by falling start
        if end in lead_on:
            lead_on.add(start)
    return [arc for arc in arcs if arc[1] in lead_on]


class PhraseGraph:
    """The lattice of all phrases, and what each may cost."""

    def __init__(self, phrases: Sequence[tuple[bytes, list[Arc], int]]) -> None:
        """``phrases``: text, spellings, and what it may cost at most."""
        self._at: dict[tuple[bytes, int], int] = {}
        self._ending: dict[bytes, list[int]] = {b"": [0]}
        starts: list[bytes] = []
        budgets = [0]
        self._nodes: list[list[int]] = []
        """Of each phrase."""
        for text, arcs, gain in phrases:
            used: list[int] = []
            for start, end, token in arcs:
                node = self._at.setdefault((text[:end], token), len(budgets))
                if node == len(budgets):
                    self._ending.setdefault(text[:end], []).append(node)
                    starts.append(text[:start])
                    budgets.append(0)
                budgets[node] = max(budgets[node], gain)
                used.append(node)
            self._nodes.append(used)
        tokens = [token for _, token in self._at]
        ends = [(node, index) for index, phrase in enumerate(phrases)
                for node in self._ending[phrase[0]]]  # fmt: skip
        before = [self._ending[start] for start in starts]
        self.lattice = Lattice.of(
            list(zip(tokens, before, strict=True)), [node for node, _ in ends]
        )
        self.budgets: Ints = np.array([*budgets, 0], dtype=np.int64)
        """The most that a phrase through a node may cost."""
        self.first: list[int] = [node for node, start in enumerate(starts, 1) if not start]
        """Nodes that phrases may begin with."""
        self.end_phrases: Ints = np.array([index for _, index in ends], dtype=np.int64)
        """The phrase of each of the lattice's ends."""
        self.gains: Ints = np.array([gain for *_, gain in phrases], dtype=np.int64)

    def part(
        self, phrase: int, then: int | None, marked: frozenset[int]
    ) -> tuple[Lattice, list[int]]:
        """One phrase alone, followed by the token ``then``; and its nodes among ``marked``."""
        nodes = self._nodes[phrase]
        local = {0: 0} | {node: index for index, node in enumerate(nodes, 1)}
        whole = self.lattice
        tokens = whole.tokens.tolist()
        parts = [
            (tokens[node], [local[b] for b in whole.before[:, node].tolist() if b in local])
            for node in nodes
        ]
        ends = [
            local[node] for node in whole.ends[self.end_phrases == phrase].tolist() if node in local
        ]
        if then is not None:
            parts.append((then, ends))
            ends = [len(parts)]
        return Lattice.of(parts, ends), [local[node] for node in nodes if node in marked]
