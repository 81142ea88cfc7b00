"""What an encoder's graph is given: samples, or features of them."""

from typing import Final, Protocol

import numpy as np

from streamscribe.errors import BrokenModel
from streamscribe.features import MelFrontEnd, log_mel
from streamscribe.model import Features, Samples

VARIANCE_FLOOR: Final = 1e-7
"""What the extractors of waveforms add to the variance."""


class Preparation(Protocol):
    """The part of a front-end that says what becomes of samples."""

    @property
    def normalize(self) -> bool:
        """Whether samples are scaled to zero mean and unit variance."""
        ...

    @property
    def mel(self) -> MelFrontEnd | None:
        """The features; None: samples are taken as they are."""
        ...


def encoder_input(samples: Samples, preparation: Preparation) -> Samples | Features:
    """What the encoder takes for one window, (n,)."""
    if preparation.mel is not None:
        return log_mel(samples, preparation.mel)
    if preparation.normalize:
        scaled: Samples = (samples - samples.mean()) / np.sqrt(samples.var() + VARIANCE_FLOOR)
        return scaled
    return samples


def input_name(preparation: Preparation, inputs: set[str], model: str) -> str:
    """The graph's input for it. Raises ``BrokenModel`` if ``inputs`` has no such."""
    wanted = "input_values" if preparation.mel is None else "input_features"
    if wanted not in inputs:
        raise BrokenModel(
            f"the encoder of {model} takes {', '.join(sorted(inputs))}; its bundle states {wanted}"
        )
    return wanted
