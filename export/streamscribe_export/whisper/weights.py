"""Whisper's weights as arrays, under the names that transformers gives them."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Tensor: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of one model; names without the leading ``model.``."""

    tensors: dict[str, Tensor]
    heads: int
    """Of encoder and decoder attention alike."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def linear(self, name: str) -> tuple[Tensor, Tensor]:
        """Weight (out, in) and bias (out,); a bias that is not there is 0."""
        weight = self.tensors[f"{name}.weight"]
        bias = self.tensors.get(f"{name}.bias")
        return weight, np.zeros(len(weight), dtype=np.float32) if bias is None else bias

    def layers(self, side: str) -> int:
        """Layers of ``encoder`` or ``decoder``."""
        beginning = f"{side}.layers."
        names = [name for name in self.tensors if name.startswith(beginning)]
        return 1 + max(int(name.split(".")[2]) for name in names)

    @property
    def width(self) -> int:
        """Channels of every layer."""
        return self.tensors["decoder.embed_tokens.weight"].shape[1]

    @property
    def vocabulary_size(self) -> int:
        """Tokens that the decoder knows."""
        return self.tensors["decoder.embed_tokens.weight"].shape[0]

    @property
    def mels(self) -> int:
        """Bands of the features."""
        return self.tensors["encoder.conv1.weight"].shape[1]

    @property
    def frames(self) -> int:
        """Most frames that the encoder has positions for."""
        return self.tensors["encoder.embed_positions.weight"].shape[0]

    @property
    def positions(self) -> int:
        """Most tokens that the decoder has positions for."""
        return self.tensors["decoder.embed_positions.weight"].shape[0]
