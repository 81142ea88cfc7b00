"""The part of an encoder that hears each sample once: its first layers, in blocks that are kept.

Windows of one stream that begin at the same sample share their first blocks. A block is always
computed from the same number of samples, from the same place in the window on; what lies behind the
window is silence, which reaches no frame that counts. So a frame's numbers are the same bit for
bit, whether they were computed now or hops ago, and however the audio came.

::

    samples   |--------- block ---------|--------- block ---------|----- rest ~ silence -----|
    fine      a frame every 64 samples, of 127                      kept: those of whole blocks
    coarse    a frame every 3 fine ones, of 7

The first block is whole when the samples of its last coarse frame are there, which reach a little
into the next.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.errors import BrokenModel
from streamscribe.model import FrontState, Samples
from streamscribe.onnx_graph import Graph

Array: TypeAlias = npt.NDArray[Any]

FINE_STRIDE: Final = 64
FINE_FIELD: Final = 127
"""In samples."""
COARSE_STRIDE: Final = 3
COARSE_FIELD: Final = 7
"""In fine frames."""
KEPT_BLOCKS: Final = 32
"""Of 480 ms and 92 KB with the default model."""
OUTPUTS: Final = ("convolved", "moments")


@dataclass(frozen=True, slots=True)
class Front:
    """What an encoder's graph is given for one window."""

    convolved: Array
    """(coarse frames, channels)"""
    moments: Array
    """(1, 2): means over the window."""
    state: FrontState
    """The blocks of these that a longer window can go on from."""

    @property
    def inputs(self) -> dict[str, Array]:
        """By the names of the graph's inputs."""
        return {"convolved": self.convolved, "moments": self.moments}


class FrontBlocks:
    """Runs the front graph of one model.

    Raises ``BrokenModel`` for a graph of another shape.
    """

    def __init__(self, graph: Graph, model: str) -> None:
        self._graph = graph
        shapes = {value.name: value.shape for value in graph.get_outputs()}
        [taken] = [value.shape for value in graph.get_inputs()]
        coarse = shapes.get(OUTPUTS[0], [0])[0]
        self._coarse_len = coarse
        self._fine_len = COARSE_STRIDE * coarse
        fine = self._fine_len + COARSE_FIELD - COARSE_STRIDE
        self._given_len = FINE_STRIDE * (fine + 1)
        if taken != [1, self._given_len] or shapes.get(OUTPUTS[1]) != [fine, 2]:
            raise BrokenModel(f"the front graph of {model} takes {taken} and gives {shapes}")

    def hear(self, samples: Samples, known: FrontState | None = None) -> Front:
        """The window ``samples``, of 895 samples or more; ``known`` is of its beginning."""
        fine = (len(samples) - FINE_FIELD) // FINE_STRIDE + 1
        coarse = (fine - COARSE_FIELD) // COARSE_STRIDE + 1
        block_len = FINE_STRIDE * self._fine_len
        # The samples that no coarse frame of the blocks before reaches count for the moments.
        needed, whole = -(-fine // self._fine_len), coarse // self._coarse_len
        blocks = list(known.blocks[:whole]) if known is not None else []
        for block in range(len(blocks), needed):
            heard = samples[block * block_len :][: self._given_len]
            given = np.zeros((1, self._given_len), dtype=np.float32)
            given[0, : len(heard)] = heard
            convolved, moments = self._graph.run(OUTPUTS, {"samples": given})
            blocks.append((convolved, moments[: self._fine_len]))
        return Front(
            np.concatenate([convolved for convolved, _ in blocks])[:coarse],
            _mean(np.concatenate([moments for _, moments in blocks])[:fine]),
            FrontState(tuple(blocks[: min(whole, KEPT_BLOCKS)])),
        )


def _mean(moments: Array) -> Array:
    """(1, 2); here, because in a graph its rounding hangs on what else is in the call."""
    mean: Array = moments.mean(axis=0, dtype=np.float64, keepdims=True).astype(np.float32)
    return mean
