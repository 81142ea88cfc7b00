"""Promised words, found again in what was heard anew."""

import pytest

from streamscribe.matching import Match, match, said_of


@pytest.mark.parametrize(
    ("promised", "heard", "found"),
    [
        ("and so", "and so my fellow", Match(2, True)),
        ("and so", "and so", Match(2, True)),
        ("and so my fellow", "and so", Match(2, False)),
        ("and so", "", Match(0, False)),
        ("", "and so", Match(0, True)),
        ("And so, my", "and so my fellow", Match(3, True)),
        ("and so my fellow Americans", "and so my fellow american ask not", Match(5, True)),
        ("and so my fellow Americans", "and my fellow americans ask", Match(4, True)),
        ("and so my", "and so now my fellow", Match(4, True)),
        ("and so my fellow Americans", "and so my yellow", Match(4, False)),
        ("no no no no", "no no", Match(2, False)),
        ("it was the best it was the worst", "it was the best it was the", Match(7, False)),
    ],
)
def test_the_words_that_say_the_promised_ones_are_found(
    promised: str, heard: str, found: Match
) -> None:
    assert match(promised.split(), heard.split()) == found


def test_a_last_word_that_is_heard_otherwise_leaves_it_open_whether_all_was_said() -> None:
    assert match(["my", "fellow"], ["my", "fell"]) == Match(2, False)


@pytest.mark.parametrize(
    ("heard", "said"), [("", 0), ("and so", 2), ("and so mine", 3), ("so my fellow", 4)]
)
def test_how_far_the_audio_has_come_is_told_by_what_was_heard(heard: str, said: int) -> None:
    assert said_of(["and", "so", "my", "fellow", "americans"], heard.split()) == said
