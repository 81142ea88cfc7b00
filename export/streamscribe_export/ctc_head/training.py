"""Learning: CTC loss, one cycle of the learning rate, averaged weights.

The matrices of the blocks learn with Muon (Jordan et al., 2024), which took half as much audio to
the same loss as AdamW; everything else learns with AdamW.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from streamscribe_export.ctc_head.batches import Batch, Item, Masking, Targets, batches, weighted
from streamscribe_export.ctc_head.network import BLANK, PAIR, Head
from streamscribe_export.ctc_head.vocabulary import Spelling

GRADIENT_NORM_MAX: Final = 2.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast is learned."""

    epochs: int = 4
    most_frames: int = 4500
    """Of one batch, padding included: nearly 2 minutes of audio."""
    top_rate: float = 1.2e-3
    """Learning rate of AdamW."""
    matrix_rate: float = 1e-2
    """Learning rate of Muon."""
    rising: float = 0.05
    """Part of all steps in which the learning rates rise to the top; they fall in the others."""
    weight_decay: float = 0.02
    average: float = 0.998
    """How much of the averaged weights each step keeps."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often an epoch has each encoding of a source; 1 where not stated."""
    late_weights: Mapping[str, float] = field(default_factory=dict)
    """The same for the last epochs."""
    late_epochs: int = 0
    loss_weights: tuple[float, float, float] = (0.7, 0.3, 0.3)
    """Of the head's own tokens, of characters beside them, and of phones halfway."""
    masking: Masking = Masking()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What one epoch reached."""

    epoch: int
    loss: float
    """Mean over batches, per token."""
    character_errors: float
    """Percent of the validation set, with the averaged weights."""
    word_errors: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learned, and who judges it."""

    spellings: tuple[Spelling, Spelling, Spelling]
    """The head's own tokens, characters and phones."""
    items: Sequence[Item]
    judge: Callable[[Head], tuple[float, float]]
    """Character and word errors of a head in validation, in percent."""


class Watcher(Protocol):
    """Is told how the training goes."""

    def step_done(self, step: int, steps: int, loss: float) -> None:
        """A step out of about ``steps``; ``loss`` is per token."""
        ...

    def epoch_done(self, reached: Progress) -> None:
        """Everything was learned from once more."""
        ...


def train(
    head: Head, lesson: Lesson, schedule: Schedule, checkpoint: Path, watcher: Watcher
) -> Head:
    """The averaged head of the epoch that validates best; of equals, the latest.

    It is in ``checkpoint``, too, from the first epoch on.
    """
    rng = np.random.default_rng(schedule.seed)
    trainer = _Trainer(head, schedule)
    best = (float("inf"), float("inf"))
    for epoch in range(schedule.epochs):
        late = epoch >= schedule.epochs - schedule.late_epochs
        weights = schedule.late_weights if late else schedule.weights
        chosen = weighted(lesson.items, weights, rng)
        frames = sum(utterance.frames for _, utterance in chosen)
        losses, seen = [], 0
        head.train()
        for batch in batches(chosen, lesson.spellings, schedule.most_frames, rng):
            done = (epoch + seen / frames) / schedule.epochs
            losses.append(trainer.step(batch, schedule.masking.apply(batch, rng), done))
            seen += int(batch.frames.sum())
            done = (epoch + seen / frames) / schedule.epochs
            watcher.step_done(trainer.steps, round(trainer.steps / done), losses[-1])
        characters, words = lesson.judge(trainer.averaged)
        if (words, characters) <= best:
            best = words, characters
            torch.save(trainer.averaged.state_dict(), checkpoint)
        watcher.epoch_done(Progress(epoch + 1, float(np.mean(losses)), characters, words))
    trainer.averaged.load_state_dict(torch.load(checkpoint))
    return trainer.averaged


class _Trainer:
    """A head, its optimizers, and the mean of its latest weights."""

    def __init__(self, head: Head, schedule: Schedule) -> None:
        self.averaged = copy.deepcopy(head).eval()
        self.steps = 0
        self._head = head
        self._schedule = schedule
        matrices = [p for p in head.blocks.parameters() if p.ndim == 2] + [head.enter.weight]
        others = [p for p in head.parameters() if all(p is not matrix for matrix in matrices)]
        decay = schedule.weight_decay
        self._optimizers: list[tuple[float, torch.optim.Optimizer]] = [
            (schedule.top_rate, torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=decay)),
            (schedule.matrix_rate, torch.optim.Muon(matrices, weight_decay=decay)),
        ]

    def step(self, batch: Batch, hidden: Tensor, done: float) -> float:
        """Learn from one batch, after ``done`` of all training; the first loss that counts."""
        for top, optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = top * _cycle(done, self._schedule.rising)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self._head.learning(hidden)
        total, said = torch.zeros(()), 0.0
        for weight, logits, targets in zip(
            self._schedule.loss_weights, outputs, batch.targets, strict=True
        ):
            if weight:
                loss = _ctc(logits, batch.frames // PAIR, targets)
                said = said or float(loss.detach())
                total = total + weight * loss
        self._head.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self._head.parameters(), GRADIENT_NORM_MAX)
        for _, optimizer in self._optimizers:
            optimizer.step()
        self.steps += 1
        self._average(min(self._schedule.average, self.steps / (self.steps + 10)))
        return said

    @torch.no_grad()
    def _average(self, kept: float) -> None:
        pairs = zip(self.averaged.parameters(), self._head.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 1 - kept)


def _ctc(logits: Tensor, frames: Tensor, targets: Targets) -> Tensor:
    log_probs = logits.float().log_softmax(dim=-1).transpose(0, 1)
    total = nn.functional.ctc_loss(
        log_probs, targets.ids, frames, targets.lens, BLANK, reduction="sum", zero_infinity=True
    )
    return total / targets.lens.sum()


def _cycle(part: float, rising: float) -> float:
    """The learning rate after ``part`` of all training, as a part of the top."""
    if part < rising:
        return 0.04 + 0.96 * part / rising
    return 0.002 + 0.998 * 0.5 * float(1 + np.cos(np.pi * (part - rising) / (1 - rising)))
