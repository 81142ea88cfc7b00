"""The benchmark of thread settings, on scripted models."""

import os
import threading

import pytest
from bench.thread_setups import SETUPS, Played, Setup, Spin, _spinning, play
from bench.threads import SHIPPED, judged, recorded, rotated, thinned

from fakes import make_recognizer, talk
from streamscribe import onnx_graph
from streamscribe.model import DecodeResult, Step

HEARD = [talk(1, 20), talk(21, 40)]


@pytest.fixture
def steps() -> list[Step]:
    return recorded(make_recognizer(), HEARD)


def test_the_steps_of_all_sessions_come_in_the_order_in_which_they_fall_due(
    steps: list[Step],
) -> None:
    due = [step.due_at for step in steps]
    assert due == sorted(due)
    assert len(steps) == 2 * len(recorded(make_recognizer(), HEARD[:1]))


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_every_set_up_computes_every_step_once(setup: Setup, steps: list[Step]) -> None:
    played = play(setup, [make_recognizer() for _ in range(setup.workers)], steps)
    assert sorted(played.results) == sorted(played.latencies_s) == list(range(len(steps)))


def test_neither_cores_nor_niceness_outlive_a_set_up(steps: list[Step]) -> None:
    cores = os.sched_getaffinity(0)
    play(Setup("hard", workers=2, pinned=True, nice=5), [make_recognizer()] * 2, steps)
    assert os.sched_getaffinity(0) == cores
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == os.nice(0)


@pytest.mark.parametrize(
    ("spin", "entries"),
    [
        (Spin.STOPPED, {"session.force_spinning_stop": "1"}),
        (Spin.OFF, {"session.intra_op.allow_spinning": "0"}),
        (Spin.ON, {"session.intra_op.allow_spinning": "1"}),
    ],
)
def test_graphs_spin_as_the_set_up_says_and_afterwards_as_they_ship(
    spin: Spin, entries: dict[str, str]
) -> None:
    with _spinning(spin):
        assert entries == onnx_graph.SPINNING
    assert onnx_graph.SPINNING == {"session.force_spinning_stop": "1"}


def test_steps_are_left_out_evenly(steps: list[Step]) -> None:
    few = thinned(steps, 5)
    assert (len(few), few[0], few[-1]) == (5, steps[0], steps[-1])
    assert [id(step) for step in thinned(steps, len(steps) * 2)] == [id(step) for step in steps]


def test_every_round_begins_with_another_set_up() -> None:
    orders = [rotated(SETUPS, turn) for turn in range(len(SETUPS))]
    assert len({order[0].name for order in orders}) == len(SETUPS)
    assert all(set(order) == set(SETUPS) for order in orders)


def test_the_set_up_that_ships_is_one_of_them() -> None:
    [shipped] = [setup for setup in SETUPS if setup.name == SHIPPED]
    assert (shipped.workers, shipped.threads, shipped.spin, shipped.batch) == (1, 2, "stopped", 1)


def run(wall_s: float, token: int = 1) -> Played:
    result = DecodeResult((token,), (0.0,), True)
    return Played(wall_s, wall_s, {0: wall_s}, {0: result}, [0.001])


def test_ratios_are_of_the_same_round() -> None:
    figures = judged([run(1.0), run(4.0), run(3.0)], [run(2.0), run(2.0), run(3.0)])
    assert figures["steps_per_s_times_shipped"] == 1.0
    assert figures["step_p95_ms_times_shipped_range"] == [0.5, 2.0]


def test_another_text_is_counted() -> None:
    assert judged([run(1.0, token=2)], [run(1.0)])["steps_with_another_text"] == 1
