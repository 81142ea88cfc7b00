"""Which utterances are learned from together, and how their frames are disturbed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamscribe_export.ctc_head.encoder import FRAMES_PER_S
from streamscribe_export.ctc_head.store import Store, Utterance
from streamscribe_export.ctc_head.vocabulary import Spelling

Item = tuple[Store, Utterance]


@dataclass(frozen=True, slots=True)
class Targets:
    """What the utterances of a batch say, as tokens."""

    ids: Tensor
    """Of all utterances in a row."""
    lens: Tensor
    """(utterances,)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Utterances of similar length, padded to the longest."""

    hidden: Tensor
    """(utterances, frames, WIDTH) float32."""
    frames: Tensor
    """(utterances,): how many of them are real."""
    targets: Sequence[Targets]
    """In each of the spellings asked for."""


def weighted(
    items: Sequence[Item], weights: Mapping[str, float], rng: np.random.Generator
) -> list[Item]:
    """One epoch: each item as often as its source weighs, fractions by chance."""
    chosen: list[Item] = []
    for item in items:
        weight = weights.get(item[1].source, 1.0)
        chosen += [item] * (int(weight) + int(rng.random() < weight % 1))
    return chosen


def batches(
    items: Sequence[Item],
    spellings: Sequence[Spelling],
    most_frames: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """``items`` in batches of at most ``most_frames`` padded frames, in random order."""
    # Lengths are blurred, so that epochs don't always batch the same utterances.
    blurred = [utterance.frames * rng.uniform(0.9, 1.1) for _, utterance in items]
    order = np.argsort(blurred, kind="stable")
    groups: list[list[Item]] = [[]]
    longest = 0
    for index in order:
        item = items[int(index)]
        longest = max(longest, item[1].frames)
        if groups[-1] and longest * (len(groups[-1]) + 1) > most_frames:
            groups.append([])
            longest = item[1].frames
        groups[-1].append(item)
    for number in rng.permutation(len(groups)):
        yield collate(groups[int(number)], spellings)


def collate(items: Sequence[Item], spellings: Sequence[Spelling]) -> Batch:
    """One padded batch."""
    pieces = [torch.from_numpy(np.array(store.hidden(utterance))) for store, utterance in items]
    texts = [utterance.text for _, utterance in items]
    return Batch(
        hidden=torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True).float(),
        frames=torch.tensor([len(piece) for piece in pieces]),
        targets=[_targets(texts, spelling) for spelling in spellings],
    )


def _targets(texts: Sequence[str], spelling: Spelling) -> Targets:
    tokens = [spelling.ids(text) for text in texts]
    return Targets(
        ids=torch.tensor([token for ids in tokens for token in ids]),
        lens=torch.tensor([len(ids) for ids in tokens]),
    )


@dataclass(frozen=True, slots=True)
class Masking:
    """Stretches of time and channels that the head must do without."""

    time_masks_per_s: float = 0.6
    time_frames: int = 12
    channel_masks: int = 2
    channels: int = 36
    noise: float = 0.2
    """Gaussian noise, relative to the typical deviation of a channel."""

    def apply(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """A disturbed copy of ``batch.hidden``."""
        hidden = batch.hidden + torch.randn(
            batch.hidden.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31)))
        ) * (self.noise * float(batch.hidden.std()))
        for row, length in zip(hidden, batch.frames.tolist(), strict=True):
            for _ in range(rng.poisson(self.time_masks_per_s * length / FRAMES_PER_S)):
                start = int(rng.integers(0, length))
                row[start : start + int(rng.integers(1, self.time_frames + 1))] = 0
            for _ in range(self.channel_masks):
                first = int(rng.integers(0, hidden.shape[2]))
                row[:, first : first + int(rng.integers(0, self.channels + 1))] = 0
        return hidden
