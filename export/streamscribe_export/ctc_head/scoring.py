"""How well a head spells: greedy decoding, and edit distances to what was said."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from streamscribe_export.ctc_head.batches import Item
from streamscribe_export.ctc_head.encoder import Hidden
from streamscribe_export.ctc_head.network import BLANK
from streamscribe_export.ctc_head.vocabulary import Vocabulary

Spell = Callable[[Tensor], Tensor]
"""A head, or a part of it that has logits of its own: (1, frames, WIDTH) to logits."""


@torch.no_grad()
def transcript(spell: Spell, vocabulary: Vocabulary, hidden: Hidden) -> str:
    """What a head writes for one utterance: the best token of each frame, repeats collapsed."""
    logits = spell(torch.from_numpy(np.array(hidden, dtype=np.float32))[None])[0]
    return vocabulary.text(collapse(logits.argmax(dim=-1).tolist()))


def collapse(best: Sequence[int]) -> list[int]:
    """Tokens of a path: a run of the same one counts once, blanks don't count."""
    return [
        token
        for index, token in enumerate(best)
        if token != BLANK and (index == 0 or best[index - 1] != token)
    ]


def error_rates(spell: Spell, vocabulary: Vocabulary, items: Sequence[Item]) -> tuple[float, float]:
    """Character and word errors of all ``items`` together, in percent."""
    letters = words = letter_errors = word_errors = 0
    for store, utterance in items:
        said = transcript(spell, vocabulary, store.hidden(utterance))
        letters += len(utterance.text)
        words += len(utterance.text.split())
        letter_errors += distance(utterance.text, said)
        word_errors += distance(utterance.text.split(), said.split())
    return 100 * letter_errors / max(1, letters), 100 * word_errors / max(1, words)


def distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions from one to the other."""
    row = list(range(len(hypothesis) + 1))
    for index, symbol in enumerate(reference, 1):
        diagonal, row[0] = row[0], index
        for place, other in enumerate(hypothesis, 1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (symbol != other)),
            )
    return row[-1]
