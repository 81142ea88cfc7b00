"""When there is room for one more stream, with a clock of our own."""

import pytest

from streamscribe_server.load import MOST_DEMAND, Load

PRIOR = 0.05
STREAMS = 16


def loaded(busy: float, *, workers: int = 2, skipped: int = 0, rigid: bool = False) -> Load:
    """After a minute in which workers were busy for this part of the time."""
    load = Load(workers, 0.0, PRIOR)
    load.open(0.0, STREAMS)
    for tenth in range(600):
        load.computed(tenth / 10, busy * workers / 10)
        load.partial(tenth / 10, rigid=rigid)
        load.skipped(tenth / 10, skipped)
    return load


def test_an_idle_machine_has_room() -> None:
    assert Load(2, 0.0, PRIOR).has_room(0.0)


def test_busy_is_a_part_of_all_workers_time() -> None:
    assert loaded(0.6).busy(60.0) == pytest.approx(0.6, rel=0.05)


def test_what_was_busy_is_forgotten() -> None:
    assert loaded(0.6).busy(120.0) < 0.01


def test_partials_left_out_stretch_the_hop() -> None:
    assert loaded(1.0, skipped=1).stretch == pytest.approx(2.0)


def test_a_machine_that_computes_finals_alone_has_no_room() -> None:
    load = Load(2, 0.0, PRIOR)
    load.open(0.0, STREAMS)
    for tenth in range(600):
        load.computed(tenth / 10, 0.2)
        load.skipped(tenth / 10, 1)
    assert not load.has_room(60.0)


def test_a_machine_that_is_busy_throughout_but_leaves_nothing_out_has_room() -> None:
    assert loaded(1.0).has_room(60.0)


def test_a_machine_that_leaves_out_every_second_partial_has_none() -> None:
    assert not loaded(1.0, skipped=1).has_room(60.0)


def test_steps_that_can_not_be_left_out_need_room_before_the_machine_is_full() -> None:
    assert loaded(0.7, rigid=True).has_room(60.0)
    assert not loaded(0.9, rigid=True).has_room(60.0)


def test_those_that_come_at_once_are_counted_before_they_are_felt() -> None:
    load = Load(2, 0.0, PRIOR)
    admitted = 0
    while load.has_room(0.0):
        admitted += 1
        load.open(0.0, admitted)
    assert admitted == int(MOST_DEMAND / PRIOR)


def test_what_those_took_who_have_gone_is_there_for_others() -> None:
    load = loaded(0.6)
    load.open(60.0, 0)
    for admitted in range(STREAMS):
        assert load.has_room(60.0 + admitted / 10)
        load.open(60.0 + admitted / 10, admitted + 1)


def test_a_thousand_who_say_nothing_cost_nothing() -> None:
    load = Load(2, 0.0, PRIOR)
    admitted = 0
    for second in range(60):
        for _ in range(40):
            if load.has_room(float(second)):
                admitted += 1
                load.open(float(second), admitted)
    assert admitted > 1_000
