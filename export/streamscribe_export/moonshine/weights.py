"""Moonshine's weights as arrays.

Names are ``SIDE.PLACE``; layers are numbered under ``SIDE.layers.N``, and hold ``self_attn``
(``q``, ``k``, ``v``, ``o``), in the decoder ``encoder_attn``, and ``mlp`` (``in``, ``out``).
Matrices and kernels are (out, in, ...).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Tensor: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of one model."""

    tensors: dict[str, Tensor]
    heads: int
    """Of encoder and decoder attention alike."""
    frequencies: Tensor
    """(pairs,): radians per position by which each pair of a head's first channels is turned."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def layers(self, side: str) -> int:
        """Layers of ``encoder`` or ``decoder``."""
        beginning = f"{side}.layers."
        numbers = {int(name.split(".")[2]) for name in self.tensors if name.startswith(beginning)}
        return 1 + max(numbers)

    @property
    def width(self) -> int:
        """Channels of every layer."""
        return self.tensors["decoder.embed_tokens"].shape[1]

    @property
    def head_dim(self) -> int:
        """Channels of one head."""
        return self.width // self.heads

    @property
    def vocabulary_size(self) -> int:
        """Tokens that the decoder knows."""
        return self.tensors["decoder.embed_tokens"].shape[0]
