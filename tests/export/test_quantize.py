"""int8 products: close to float, and no frame knows of any other."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from streamscribe_export.quantize import WeightRange, quantize_int8, weight_range

Array = npt.NDArray[np.float32]
FULL = WeightRange(8, "")
WIDTH = 64


def two_products() -> tuple[Any, Array]:
    """A graph of two products in a row, and both weights multiplied."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(0, 1, (WIDTH, WIDTH)).astype(np.float32) for _ in range(2))
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["middle"], name="a"),
        helper.make_node("MatMul", ["middle", "second"], ["y"], name="b"),
    ]
    shape = ["batch", "frames", WIDTH]
    graph = helper.make_graph(
        nodes, "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8), first @ second


def run(model: Any, x: Array) -> Array:  # noqa: ANN401
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, {"x": x})
    return np.asarray(y)


def frames(count: int, seed: int = 1) -> Array:
    noise = np.random.default_rng(seed).normal(1, 1, (1, count, WIDTH))
    return noise.astype(np.float32)


def test_all_products_but_the_last_are_quantised() -> None:
    model, _ = two_products()
    assert quantize_int8(model, FULL) == 1
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("MatMulIntegerToFloat"), kinds.count("MatMul"), kinds[-1]) == (
        1,
        1,
        "MatMul",
    )
    assert {weight.name for weight in model.graph.initializer} >= {"second", "int8/middle/weights"}
    assert "first" not in {weight.name for weight in model.graph.initializer}


@pytest.mark.parametrize(("bits", "allowed"), [(8, 0.01), (7, 0.02)])
def test_products_stay_close_to_float(bits: int, allowed: float) -> None:
    model, product = two_products()
    quantize_int8(model, WeightRange(bits, ""))
    x = frames(40)
    expected = x @ product
    assert np.sqrt(np.square(run(model, x) - expected).mean()) < allowed * expected.std()


def test_a_loud_neighbour_changes_nothing() -> None:
    model, _ = two_products()
    quantize_int8(model, FULL)
    quiet, loud = frames(20), 1_000 * frames(20, seed=2)
    alone = run(model, quiet)
    assert np.array_equal(run(model, np.concatenate([quiet, loud]))[:1], alone)
    assert np.array_equal(run(model, np.concatenate([quiet, loud], axis=1))[:, :20], alone)


def test_a_frame_of_zeros_stays_zero() -> None:
    model, _ = two_products()
    quantize_int8(model, FULL)
    assert not run(model, np.zeros((1, 3, WIDTH), dtype=np.float32)).any()


@pytest.mark.parametrize(
    ("flags", "machine", "bits"),
    [
        ("flags : avx2 avx512_vnni", "x86_64", 8),
        ("flags : avx2 avx_vnni", "x86_64", 8),
        ("flags : avx2 avx512f", "x86_64", 7),
        ("", "AMD64", 7),
        ("", "aarch64", 8),
    ],
)
def test_weights_use_their_whole_range_only_where_sums_can_not_overflow(
    flags: str, machine: str, bits: int, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    assert weight_range(tmp_path / "cpuinfo", machine).bits == bits


def test_where_nothing_is_known_of_the_processor_weights_keep_to_the_safe_range(
    tmp_path: Path,
) -> None:
    assert weight_range(tmp_path / "missing", "x86_64").top == 63
