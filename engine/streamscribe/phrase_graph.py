"""Spelled phrases as a trie in arrays, so that one frame moves all of them at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class PhraseGraph:
    """Node 0 is the root; every other node is one token after its parent."""

    def __init__(self, spellings: Sequence[tuple[int, ...]], gains: Sequence[int]) -> None:
        """``gains``: what each phrase may cost, at most, in the unit of the costs."""
        self.spellings = tuple(spellings)
        nodes: dict[tuple[int, int], int] = {}
        parents, tokens, budgets = [0], [-1], [0]
        ends: list[int] = []
        for spelling, gain in zip(spellings, gains, strict=True):
            node = 0
            for token in spelling:
                key = (node, token)
                if key not in nodes:
                    nodes[key] = len(parents)
                    parents.append(node)
                    tokens.append(token)
                    budgets.append(0)
                node = nodes[key]
                budgets[node] = max(budgets[node], gain)
            ends.append(node)
        self.parents: Ints = np.array(parents, dtype=np.int64)
        self.tokens: Ints = np.array(tokens, dtype=np.int64)
        self.budgets: Ints = np.array(budgets, dtype=np.int64)
        """The most that a phrase through a node may cost."""
        self.repeats: npt.NDArray[np.bool_] = self.tokens == self.tokens[self.parents]
        """Nodes that say the same as their parents: a blank must stand between."""
        self.ends: Ints = np.array(ends, dtype=np.int64)
        """Last node of each phrase."""
        self.gains: Ints = np.array(gains, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.parents)
