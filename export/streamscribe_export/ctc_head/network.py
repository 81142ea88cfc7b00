"""The head: a few convolutions over pairs of the encoder's frames, with little look ahead.

Halfway it guesses the phones, and the guess is told to the blocks that follow ("self-conditioned
CTC": Nozaki and Komatsu, arXiv:2104.02724). So the lower half learns to hear, whoever speaks, and
the upper half to spell what is heard. CTC itself takes frames for independent.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from streamscribe_export.ctc_head.encoder import WIDTH

BLANK: Final = 0

PAIR: Final = 2
"""Frames of the encoder that are one of the head's: 24 ms are finer than any piece of a word."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a head."""

    width: int = 320
    back: tuple[int, ...] = (1, 2, 1, 3, 2, 4)
    ahead: tuple[int, ...] = (1, 1, 1, 2, 2, 3)
    """Each block's convolution sees the frames t - back, t and t + ahead."""
    dropout: float = 0.12
    encoder_width: int = WIDTH

    @property
    def frames_behind(self) -> int:
        """How many of its own frames the head looks back."""
        return sum(self.back)

    @property
    def frames_ahead(self) -> int:
        """How many of its own frames the head looks ahead."""
        return sum(self.ahead)


class Head(nn.Module):
    """(batch, frames, ``WIDTH``) to logits (batch, frames // ``PAIR``, vocabulary).

    The answer for a frame depends on ``shape.frames_behind`` before and ``shape.frames_ahead``
    after it, and on nothing else.
    """

    def __init__(self, vocabulary_size: int, characters: int, phones: int, shape: Shape) -> None:
        """characters, phones: sizes of the vocabularies that are learned beside the head's own."""
        super().__init__()
        self.shape = shape
        self.norm = nn.LayerNorm(shape.encoder_width)
        self.enter = nn.Linear(PAIR * shape.encoder_width, shape.width)
        self.dropout = Dropout(shape.dropout)
        self.blocks = nn.ModuleList(
            Block(shape.width, back, ahead, shape.dropout)
            for back, ahead in zip(shape.back, shape.ahead, strict=True)
        )
        self.last = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, vocabulary_size)
        self.beside = nn.Linear(shape.width, characters)
        self.halfway = nn.Sequential(nn.LayerNorm(shape.width), nn.Linear(shape.width, phones))
        self.told = nn.Linear(phones, shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of the head's own vocabulary."""
        return self.learning(hidden)[0]

    def learning(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, and logits of characters from the last block, of phones from the middle one."""
        hidden = self.dropout(self.norm(hidden))
        x = self.enter(torch.cat((hidden[:, :-1:PAIR], hidden[:, 1::PAIR]), dim=2))
        middle = len(self.blocks) // 2
        for block in self.blocks[:middle]:
            x = block(x)
        phones = self.halfway(x)
        x = x + self.told(phones.float().softmax(dim=-1))
        for block in self.blocks[middle:]:
            x = block(x)
        x = self.last(x)
        return self.leave(x), self.beside(x), phones


class Block(nn.Module):
    """A convolution over three frames and a layer over channels; added to its input.

    The convolution is a linear layer over three frames side by side: on a processor that is
    twice as fast to train as a convolution.
    """

    def __init__(self, width: int, back: int, ahead: int, dropout: float) -> None:
        super().__init__()
        self.back = back
        self.ahead = ahead
        self.norm = nn.LayerNorm(width)
        self.convolve = nn.Linear(3 * width, width)
        self.mix = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) in and out."""
        frames = x.shape[1]
        around = nn.functional.pad(self.norm(x), (0, 0, self.back, self.ahead))
        near = (around[:, :frames], around[:, self.back : self.back + frames])
        after = around[:, self.back + self.ahead :]
        inner = nn.functional.relu(self.convolve(torch.cat((*near, after), dim=2)))
        return x + self.mix(self.dropout(inner))


class Dropout(nn.Module):
    """Leaves the same channels of an utterance out in all its frames.

    Drawing once an utterance costs nothing; drawing for every value was a third of a step.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, channels) in and out."""
        if not self.training:
            return x
        kept = torch.rand(x.shape[0], 1, x.shape[2]) >= self.chance
        return x * (kept / (1 - self.chance)).to(x.dtype)
