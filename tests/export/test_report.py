"""What is compared, and what a user is told."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from streamscribe.model import Samples
from streamscribe_export.errors import ParityFailed
from streamscribe_export.exporting import Report
from streamscribe_export.families import Geometry
from streamscribe_export.parity import Logits, Parity, Run, check_frames, judge
from streamscribe_export.report import warnings
from streamscribe_export.speed import Speed

SAME = Parity(
    windows=4, frames=1_000, largest_difference=1e-6, agreement=1.0, ties=0, batch_difference=0.0,
    texts=4, real_speech=True,
)  # fmt: skip


def parity(**found: Any) -> Parity:  # noqa: ANN401
    return dataclasses.replace(SAME, **found)


def report(quantize: str, *, float32_s: float, bundle_s: float) -> Report:
    medians = {"torch": 3.0, "float32": float32_s, "bundle": bundle_s}
    speed = Speed(10.0, medians, repetitions=5)
    return Report("name", quantize, "", 1, 1, SAME, (speed,), threads=2, peak_memory_bytes=0)


def test_int8_that_is_slower_is_warned_about_loudly() -> None:
    (said,) = warnings(report("int8", float32_s=1.0, bundle_s=2.0))
    assert "int8 is SLOWER than float32 on this machine: 0.50 times its speed" in said


def test_int8_that_is_faster_is_not() -> None:
    assert not warnings(report("int8", float32_s=2.0, bundle_s=1.0))


def test_the_real_time_factor_is_compute_for_a_second_of_audio() -> None:
    assert report("none", float32_s=1.0, bundle_s=2.0).speeds[0].rtf("bundle") == 0.2


def test_ties_count_as_the_same_in_float32_alone() -> None:
    judge(parity(agreement=0.998, ties=2), "none")
    with pytest.raises(ParityFailed, match=r"same in 99\.70 % of 1000 frames"):
        judge(parity(agreement=0.996, ties=1), "none")
    with pytest.raises(ParityFailed, match=r"same in 89\.00 %"):
        judge(parity(agreement=0.89, ties=110), "int8")


def test_a_neighbour_in_the_batch_may_change_nothing() -> None:
    with pytest.raises(ParityFailed, match="a window in a batch differs by up to 0.01"):
        judge(parity(batch_difference=0.01), "int8")


def graph_of(geometry: Geometry) -> Run:
    def run(samples: Samples) -> Logits:
        return np.zeros((1, geometry.frames(samples.shape[1]), 32), dtype=np.float32)

    return run


def test_the_number_of_frames_is_checked_on_both_sides_of_a_step() -> None:
    check_frames(graph_of(Geometry(400, 320)), Geometry(400, 320))
    for wrong in (Geometry(401, 320), Geometry(399, 320), Geometry(400, 319)):
        with pytest.raises(ParityFailed, match="by the configuration's windows it should be"):
            check_frames(graph_of(wrong), Geometry(400, 320))
