from itertools import islice

import pytest

from streamscribe_client.outage import Outage, waits_s


def test_waits_double_until_they_are_5_s() -> None:
    assert list(islice(waits_s(), 8)) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_jitter_spreads_each_wait_over_its_second_half() -> None:
    assert Outage(0.0, 60.0).wait_s(0.0, 0.0, None) == 0.05
    assert Outage(0.0, 60.0).wait_s(0.0, 0.999, None) == pytest.approx(0.1, abs=0.001)


def test_the_server_is_not_tried_before_it_wants_to_be() -> None:
    assert Outage(0.0, 60.0).wait_s(0.0, 0.5, retry_after_s=7) == 7


def test_what_the_server_asks_for_does_not_shorten_a_wait() -> None:
    outage = Outage(0.0, 600.0)
    waits = [outage.wait_s(0.0, 0.0, retry_after_s=1) for _ in range(7)]
    assert waits == [1, 1, 1, 1, 1, 1.6, 2.5]


def test_the_last_attempt_is_made_when_patience_ends_and_then_it_is_given_up() -> None:
    outage = Outage(100.0, 10.0)
    for _ in range(7):
        outage.wait_s(100.0, 0.0, None)
    assert outage.wait_s(109.0, 0.0, None) == 1.0
    assert outage.wait_s(110.0, 0.0, None) is None


def test_a_server_that_wants_to_be_left_alone_for_longer_is_given_up_at_once() -> None:
    assert Outage(100.0, 10.0).wait_s(101.0, 0.0, retry_after_s=30) is None
