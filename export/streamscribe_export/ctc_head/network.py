"""The head: a few convolutions over the encoder's frames, with little look ahead."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from streamscribe_export.ctc_head.encoder import WIDTH

BLANK: Final = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a head."""

    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 1, 3, 1, 4)
    """Of each block's convolution, which sees the frames t - d, t and t + d."""
    dropout: float = 0.1
    encoder_width: int = WIDTH

    @property
    def context_frames(self) -> int:
        """How far the head looks ahead, and as far back."""
        return sum(self.dilations)


class Head(nn.Module):
    """(batch, frames, ``WIDTH``) to logits (batch, frames, vocabulary).

    The answer for a frame depends on ``shape.context_frames`` before and after it, and on
    nothing else.
    """

    def __init__(self, vocabulary_size: int, characters: int, shape: Shape) -> None:
        """characters: size of the vocabulary that is only learned beside the head's own."""
        super().__init__()
        self.shape = shape
        self.enter = nn.Sequential(
            nn.LayerNorm(shape.encoder_width),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.encoder_width, shape.width),
        )
        self.blocks = nn.ModuleList(
            Block(shape.width, dilation, shape.dropout) for dilation in shape.dilations
        )
        self.leave = _leave(shape, vocabulary_size)
        self.beside = _leave(shape, characters)
        self.halfway = _leave(shape, characters)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of the head's own vocabulary."""
        return self.learning(hidden)[0]

    def letters(self, hidden: Tensor) -> Tensor:
        """Logits of characters."""
        return self.learning(hidden)[1]

    def learning(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, and what is only trained with: characters of the last and the middle block."""
        x = self.enter(hidden)
        middle = x
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number == len(self.blocks) // 2:
                middle = x
        return self.leave(x), self.beside(x), self.halfway(middle)


def _leave(shape: Shape, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(shape.width), nn.Dropout(shape.dropout), nn.Linear(shape.width, size)
    )


class Block(nn.Module):
    """A convolution over three frames and a layer over channels; added to its input.

    The convolution is a linear layer over three frames side by side: on a processor that is
    twice as fast to train as a convolution.
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.convolve = nn.Linear(3 * width, width)
        self.mix = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) in and out."""
        reach = self.dilation
        around = nn.functional.pad(self.norm(x), (0, 0, reach, reach))
        near = (around[:, : -2 * reach], around[:, reach:-reach], around[:, 2 * reach :])
        inner = nn.functional.relu(self.convolve(torch.cat(near, dim=2)))
        return x + self.dropout(self.mix(self.dropout(inner)))
