"""How far the channels of normalised tensors go: measured on sounds that are made here.

The gains of a normalisation make few channels far louder than the others, and always the same ones,
whatever is heard. So any sound that is somewhat like a voice tells them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamscribe.model import Samples
from streamscribe_export.front_end import SAMPLE_RATE
from streamscribe_export.moonshine.front import BLOCK, KERNELS, STRIDES
from streamscribe_export.saturating import Range
from streamscribe_export.signals import babble

OnnxModel = Any
Arrays = dict[str, npt.NDArray[Any]]

SOUNDS: Final = 6
"""Of each kind."""
SOUND_LEN: Final = 5 * SAMPLE_RATE
TOKENS: Final = 48
"""Of the text that the decoder is given with each sound."""
_HIDDEN: Final = -1e9
_PIECE_LEN: Final = SAMPLE_RATE // 10
_BANDS: Final = 16


def hear(front: OnnxModel, encoder: OnnxModel) -> tuple[dict[str, Range], list[Arrays]]:
    """Ranges of the encoder's normalised tensors, and what it makes of each sound."""
    names = _normalised(encoder)
    first, rest = _open(front, ()), _open(encoder, names)
    runs = [_run(rest, _front_inputs(first, sound)) for sound in _sounds()]
    facts = [{name: run[name] for name in run if name not in names} for run in runs]
    return _ranges(names, runs), facts


def say(decoder: OnnxModel, heard: Iterable[Arrays], vocabulary_size: int) -> dict[str, Range]:
    """The range of the decoder's last normalised tensor, with words by chance."""
    names = _normalised(decoder)[-1:]
    graph = _open(decoder, names)
    shapes = {one.name: one.shape for one in graph.get_inputs()}
    rng = np.random.default_rng(0)
    order = np.arange(TOKENS)
    runs = []
    for audio in heard:
        heads, frames = audio["cross_key_0"].shape[1:3]
        empty = {
            name: np.zeros((1, heads, 0, shape[3]), dtype=np.float32)
            for name, shape in shapes.items()
            if name.startswith("past_")
        }
        runs.append(_run(graph, {
            "tokens": rng.integers(3, vocabulary_size, (1, TOKENS)),
            "positions": order[np.newaxis],
            "self_bias": np.where(order > order[:, np.newaxis], _HIDDEN, 0)
                .astype(np.float32)[np.newaxis, np.newaxis],
            "cross_bias": np.zeros((1, 1, TOKENS, frames), dtype=np.float32),
            **audio, **empty,
        }))  # fmt: skip
    return _ranges(names, runs)


def _sounds() -> Iterable[Samples]:
    for seed in range(SOUNDS):
        yield babble(SOUND_LEN, seed)
        yield _chatter(SOUND_LEN, seed)
    yield np.random.default_rng(0).normal(0, 0.03, SOUND_LEN).astype(np.float32)


def _chatter(length: int, seed: int) -> Samples:
    """Pieces of voice, of noise and of nothing, each in a colour of its own, one into the next."""
    rng = np.random.default_rng(seed)
    voice, noise = babble(length, seed), rng.normal(0, 0.05, length)
    window = np.hanning(2 * _PIECE_LEN)
    heard = np.zeros(length)
    for at in range(0, length - 2 * _PIECE_LEN + 1, _PIECE_LEN):
        here = slice(at, at + 2 * _PIECE_LEN)
        spectrum = np.fft.rfft((voice if rng.random() < 0.65 else noise)[here])
        if rng.random() < 0.15:
            continue
        tilt = np.linspace(0, 1.5, _BANDS) * (rng.random() < 0.6)
        bands = rng.normal(0, 1.5, _BANDS) - tilt
        places = np.linspace(0, _BANDS - 1, len(spectrum))
        colour = np.exp(np.interp(places, np.arange(_BANDS), bands))
        piece = np.fft.irfft(spectrum * colour, len(window)) * window
        heard[here] += piece * rng.uniform(0.2, 1)
    return np.asarray(heard / abs(heard).max() / 2, dtype=np.float32)


def _front_inputs(front: Any, sound: Samples) -> Arrays:  # noqa: ANN401
    """What the encoder is given of whole blocks of ``sound``."""
    hop, thirds, _ = STRIDES
    take, step = hop * (thirds * BLOCK + KERNELS[1] - thirds + 1), hop * thirds * BLOCK
    blocks = [
        front.run(["convolved", "moments"], {"samples": sound[np.newaxis, at : at + take]})
        for at in range(0, len(sound) - take + 1, step)
    ]
    convolved, moments = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return {
        "convolved": convolved[np.newaxis],
        "moments": moments.mean(axis=0, keepdims=True)[np.newaxis],
    }


def _normalised(model: OnnxModel) -> list[str]:
    return [node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"]


def _open(model: OnnxModel, names: Sequence[str]) -> Any:  # noqa: ANN401
    """The graph, which also gives ``names`` out."""
    import onnx
    import onnxruntime

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    for name in names:
        shown.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        shown.SerializeToString(), options, ["CPUExecutionProvider"]
    )


def _run(graph: Any, inputs: Arrays) -> Arrays:  # noqa: ANN401
    names = [one.name for one in graph.get_outputs()]
    return dict(zip(names, graph.run(names, inputs), strict=True))


def _ranges(names: Sequence[str], runs: Sequence[Arrays]) -> dict[str, Range]:
    return {
        name: Range(
            np.min([run[name].min(axis=(0, 1)) for run in runs], axis=0),
            np.max([run[name].max(axis=(0, 1)) for run in runs], axis=0),
        )
        for name in names
    }
