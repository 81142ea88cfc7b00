"""Numbers in bytes that saturate: their sums are the numbers; loud channels coarsen no others."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from streamscribe_export.drawing import Drawing
from streamscribe_export.quantize import WeightRange, quantize_int8
from streamscribe_export.saturating import ROOM, SHARE, Bytes, Range, plan

Array = npt.NDArray[Any]
CHANNELS: Final = 64
FULL: Final = WeightRange(8, "")


def uneven() -> Range:
    """Quiet channels, and one in sixteen that is three times louder, on one side only."""
    low = np.full(CHANNELS, -1, dtype=np.float32)
    high = np.ones(CHANNELS, dtype=np.float32)
    high[::16], low[::16] = 3, -0.5
    return Range(low, high)


def written(bytes_: Bytes, x: Array) -> Array:
    """Levels of all bytes of ``x`` (frames, channels)."""
    shifted = x + bytes_.shift
    rest = shifted[:, bytes_.channels] - bytes_.centres
    return np.clip(np.rint(np.concatenate([shifted, rest], axis=1) / bytes_.step), -128, 127)


def test_the_bytes_of_a_channel_add_up_to_what_it_is_over_its_whole_range() -> None:
    known = uneven()
    bytes_ = plan(known)
    middle, half = (known.high + known.low) / 2, (known.high - known.low) / 2 * ROOM
    x = middle + np.linspace(-1, 1, 1_001, dtype=np.float32)[:, np.newaxis] * half
    each = np.eye(CHANNELS, dtype=np.float32)
    rows = bytes_.rows(each.astype(np.int8)).astype(np.float32)
    read = written(bytes_, x) @ rows * bytes_.step + bytes_.lacking(each)
    assert abs(read - x).max() < 0.51 * bytes_.step


def test_loud_channels_do_not_coarsen_the_step() -> None:
    known = uneven()
    bytes_ = plan(known)
    assert 1.0 <= bytes_.step * 255 / (2 * ROOM) < 1.1
    assert set(bytes_.channels) == set(range(0, CHANNELS, 16))
    assert len(bytes_.channels) <= CHANNELS / SHARE


def test_what_is_beyond_the_range_saturates() -> None:
    bytes_ = plan(uneven())
    levels = written(bytes_, np.full((1, CHANNELS), 1e6, dtype=np.float32))
    assert (levels == 127).all()


def normalised_product() -> tuple[Any, Array, Array]:
    """A normalisation with uneven gains and a product, with both weights."""
    rng = np.random.default_rng(0)
    gain = np.where(np.arange(CHANNELS) % 16, 0.3, 1).astype(np.float32)
    weight = rng.normal(0, 1, (CHANNELS, CHANNELS)).astype(np.float32)
    nodes = [
        helper.make_node("LayerNormalization", ["x", "gain"], ["normal"], name="n", axis=-1),
        helper.make_node("MatMul", ["normal", "weight"], ["y"], name="p"),
    ]
    shape = ["batch", "frames", CHANNELS]
    graph = helper.make_graph(
        nodes, "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(gain, "gain"), numpy_helper.from_array(weight, "weight")],
    )  # fmt: skip
    return (
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        (gain),
        weight,
    )


def run(model: Any, **inputs: Array) -> Array:  # noqa: ANN401
    import onnxruntime

    graph = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = graph.run(None, inputs)
    return np.asarray(y)


def test_a_product_of_known_range_is_close_to_float_and_no_frame_knows_of_any_other() -> None:
    model, gain, weight = normalised_product()
    x = np.random.default_rng(1).normal(0, 1, (2, 30, CHANNELS)).astype(np.float32)
    normal = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * gain
    known = Range(normal.min(axis=(0, 1)), normal.max(axis=(0, 1)))
    quantize_int8(model, FULL, head=False, known={"normal": known})
    together = run(model, x=x)
    expected = normal @ weight
    assert np.sqrt(np.square(together - expected).mean()) < 0.015 * expected.std()
    assert np.array_equal(run(model, x=x[:1, 7:9]), together[:1, 7:9])


def test_a_normalisation_that_shifts_already_is_refused() -> None:
    model, gain, _ = normalised_product()
    model.graph.node[0].input.append("gain")
    with pytest.raises(ValueError, match="n has a shift already"):
        quantize_int8(model, FULL, head=False, known={"normal": Range(-gain, gain)})


@pytest.mark.parametrize("stepped", [True, False])
def test_weights_with_a_step_stay_what_they_are_in_blocks_if_asked(stepped: bool) -> None:
    levels = np.random.default_rng(0).integers(-120, 120, (8, CHANNELS))
    weight = (levels * np.float32(0.01)).astype(np.float32)
    weight[:, 0] = 1.27
    drawing = Drawing(32, stepped=stepped)
    drawing.output(drawing.product(drawing.input("x", ["n", CHANNELS]), weight), "y", ["n", 8])
    stored = {one.name: numpy_helper.to_array(one) for one in drawing.model().graph.initializer}
    whole, scale = stored.values()
    read = (whole.astype(np.float32) - 128) * scale[..., np.newaxis]
    error = abs(read.reshape(weight.shape) - weight).max()
    assert (error < 1e-5) == stepped
