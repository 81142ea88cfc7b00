"""What counts as lost and as repeated where two texts differ."""

import pytest
from bench.losses import Losses, compare

REFERENCE = "the quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize(
    ("got", "found"),
    [
        (REFERENCE, Losses((), (), 0)),
        ("the quick brown dog", Losses((("fox", "jumps", "over", "the", "lazy"),), (), 0)),
        ("the quick fox jumps over the lazy dog", Losses((), (), 1)),
        ("the thick brown box jumps over the lazy dog", Losses((), (), 2)),
        ("the quick brown fox the fox jumps over the lazy dog", Losses((), (), 2)),
        ("jumps over the lazy dog", Losses((("the", "quick", "brown", "fox"),), (), 0)),
        ("", Losses((tuple(REFERENCE.split()),), (), 0)),
    ],
)
def test_three_words_in_a_row_are_a_run_and_fewer_are_not(got: str, found: Losses) -> None:
    losses = compare(REFERENCE.split(), got.split())
    assert losses == found
    assert losses.none == (not found.lost_runs)


def test_a_phrase_said_twice_is_a_repeated_run() -> None:
    got = "the quick brown fox jumps quick brown fox jumps over the lazy dog"
    losses = compare(REFERENCE.split(), got.split())
    assert [sorted(run) for run in losses.repeated_runs] == [["brown", "fox", "jumps", "quick"]]
    assert (losses.lost_runs, losses.other, losses.none) == ((), 0, False)


def test_of_each_run_it_is_said_what_stands_in_its_place() -> None:
    losses = compare(REFERENCE.split(), ["the", "quick", "dog"])
    assert losses.places == ((("brown", "fox", "jumps", "over", "the", "lazy"), ()),)


def test_a_run_in_other_words_is_neither_lost_nor_repeated() -> None:
    got = "the quick crown socks dump over the lazy dog"
    losses = compare(REFERENCE.split(), got.split())
    assert (losses.lost_runs, losses.repeated_runs, losses.other) == ((), (), 3)


def test_nothing_compared_with_nothing_is_no_loss() -> None:
    assert compare([], []) == Losses((), (), 0)
