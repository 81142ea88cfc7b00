"""Which frame says which token, when the text is known: Viterbi over CTC's states.

A text may be spelled in several ways; a :class:`Lattice` holds them all. Each of its nodes says
one token, and knows the nodes that may come before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Node 0 comes before all tokens; the last node is never reached, and fills up ``before``."""

    tokens: Ints
    """(nodes,); of the first and the last node it means nothing."""
    before: Ints
    """(n, nodes): what may come before each node."""
    repeats: npt.NDArray[np.bool_]
    """Where the node before says the same, so that a blank must stand between; as ``before``."""
    ends: Ints
    """Nodes that a text may end with."""

    @classmethod
    def of(cls, nodes: Sequence[tuple[int, Sequence[int]]], ends: Sequence[int]) -> "Lattice":
        """``nodes``: from node 1 on, the token and the nodes before it."""
        dead = len(nodes) + 1
        most = max((len(before) for _, before in nodes), default=1)
        filled = np.full((most, dead + 1), dead, dtype=np.int64)
        for node, (_, before) in enumerate(nodes, 1):
            filled[: len(before), node] = before
        tokens = np.array([0, *(token for token, _ in nodes), 0], dtype=np.int64)
        repeats = (tokens[filled] == tokens) & (filled != 0)
        return cls(tokens, filled, repeats, np.array(ends, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.tokens)


def align(log_probs: npt.NDArray[np.float32], tokens: Sequence[int], blank: int) -> Ints | None:
    """The likeliest token or blank of each frame, such that together they say ``tokens``.

    None if there are too few frames.

    log_probs: (n, vocabulary).   tokens: none of them blank.
    """
    chain = Lattice.of([(token, [node]) for node, token in enumerate(tokens)], [len(tokens)])
    return align_lattice(log_probs, chain, blank)


def align_lattice(
    log_probs: npt.NDArray[np.float32],
    lattice: Lattice,
    blank: int,
    *,
    said: Sequence[int] = (),
) -> Ints | None:
    """The same for the likeliest spelling.

    said: nodes that may have been said before the first frame.
    """
    saying = np.full(len(lattice), np.inf)
    silent = saying.copy()
    silent[[0, *said]] = 0.0
    nodes = np.arange(len(lattice))
    steps: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]] = []
    for row in log_probs:
        spoken = np.where(lattice.repeats, np.inf, saying[lattice.before])
        ways = np.vstack([saying[np.newaxis], spoken, silent[lattice.before]])
        way = ways.argmin(axis=0)
        steps.append((way, silent <= saying))
        silent = np.minimum(silent, saying) - row[blank]
        saying = ways[way, nodes] - row[lattice.tokens]
    costs = np.concatenate([saying[lattice.ends], silent[lattice.ends]])
    last = int(costs.argmin())
    if costs[last] == np.inf:
        return None
    node, speaks = int(lattice.ends[last % len(lattice.ends)]), last < len(lattice.ends)
    path = np.full(len(log_probs), blank, dtype=np.int64)
    count = len(lattice.before)
    for frame in range(len(log_probs) - 1, -1, -1):
        way, quiet = steps[frame]
        if not speaks:
            speaks = not quiet[node]
            continue
        path[frame] = lattice.tokens[node]
        if (choice := int(way[node])) > 0:
            node, speaks = int(lattice.before[(choice - 1) % count, node]), choice <= count
    return path
