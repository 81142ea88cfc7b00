from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe_server.rates import Rates


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_minutes_worth_may_come_at_once_and_then_none() -> None:
    rates = Rates(6, Clock())
    assert [rates.take("ada") for _ in range(7)] == [0] * 6 + [10]


def test_whoever_waits_as_long_as_told_may_come() -> None:
    clock = Clock()
    rates = Rates(6, clock)
    while (wait_s := rates.take("ada")) == 0:
        pass
    clock.now_s += wait_s - 0.5
    assert rates.take("ada") == 1
    clock.now_s += 0.5
    assert rates.take("ada") == 0


def test_asking_in_vain_costs_nothing() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    for _ in range(1_000):
        rates.take("ada")
    clock.now_s += 1
    assert rates.take("ada") == 0


def test_one_does_not_use_up_what_another_may() -> None:
    rates = Rates(1, Clock())
    assert (rates.take("ada"), rates.take("ada"), rates.take("grace")) == (0, 60, 0)


def test_a_rest_does_not_save_up_more_than_a_minutes_worth() -> None:
    clock = Clock()
    rates = Rates(3, clock)
    rates.take("ada")
    clock.now_s += 86_400
    assert [rates.take("ada") for _ in range(4)] == [0, 0, 0, 20]


def test_however_many_come_few_are_remembered_and_the_busiest_last_are_not_forgotten() -> None:
    rates = Rates(1, Clock(), max_known=3)
    for number in range(100):
        rates.take(f"passer-by {number}")
        rates.take("ada")
    assert len(rates._buckets) == 3
    assert rates.take("ada") == 60


@given(
    per_minute=st.integers(1, 600),
    pauses_s=st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_never_more_pass_than_the_bucket_held_and_got(
    per_minute: int, pauses_s: list[float]
) -> None:
    clock = Clock()
    rates = Rates(per_minute, clock)
    passed = 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        passed += rates.take("ada") == 0
    assert passed <= per_minute + sum(pauses_s) * per_minute / 60 + 1e-6


@pytest.mark.parametrize("per_minute", [0, -1])
def test_a_rate_that_allows_nothing_is_our_own_mistake(per_minute: int) -> None:
    with pytest.raises(AssertionError, match="allows nothing"):
        Rates(per_minute, Clock())
