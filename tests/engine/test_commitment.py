"""What of a hypothesis may be promised."""

from collections.abc import Sequence

import pytest

from fakes import LetterTable, WordTable
from streamscribe.commitment import (
    AGREEING_LOOKS,
    AGREEMENTS,
    ALIGNMENTS,
    PATIENT_LOOKS,
    SURE_LOG_PROB,
    Agreement,
    Alignment,
    Evidence,
    commitment_of,
)
from streamscribe.model import TokenTable
from streamscribe.options import CommitBy, Latency

LETTERS = LetterTable()


def spelled(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def agreed(
    tokens: Sequence[int], log_probs: Sequence[float], ages: Sequence[int], table: TokenTable
) -> int:
    unknown = [None] * len(tokens)
    return Agreement().stable_len(Evidence(tokens, log_probs, ages, unknown, 0), table)


def aligned(
    attended_at: Sequence[int | None],
    heard_until_at: int,
    text: str,
    *,
    log_prob: float = 0.0,
    age: int = 2,
) -> str:
    tokens = spelled(text)
    evidence = Evidence(
        tokens, [log_prob] * len(tokens), [age] * len(tokens), attended_at, heard_until_at
    )
    return text[: Alignment(100, 400).stable_len(evidence, LETTERS)]


def test_of_sure_and_old_words_all_but_the_last_are_stable() -> None:
    old = [AGREEING_LOOKS] * 3
    assert agreed((1, 2, 3), [SURE_LOG_PROB] * 3, old, WordTable()) == 2


def test_one_word_alone_is_never_stable() -> None:
    assert agreed((1,), [0.0], [PATIENT_LOOKS], WordTable()) == 0


def test_no_text_is_stable() -> None:
    assert agreed((), (), (), WordTable()) == 0


def test_younger_words_are_not_stable() -> None:
    young = [AGREEING_LOOKS - 1] * 3
    assert agreed((1, 2, 3), [0.0] * 3, young, WordTable()) == 0


def test_a_word_that_the_model_is_unsure_of_holds_up_what_follows() -> None:
    log_probs = [0.0, SURE_LOG_PROB - 0.01, 0.0, 0.0]
    old = [AGREEING_LOOKS] * 4
    assert agreed((1, 2, 3, 4), log_probs, old, WordTable()) == 0


def test_patience_makes_up_for_doubt() -> None:
    log_probs = [SURE_LOG_PROB - 5] * 3
    assert agreed((1, 2, 3), log_probs, [PATIENT_LOOKS] * 3, WordTable()) == 2


@pytest.mark.parametrize(
    ("text", "stable", "promised"),
    [
        (" ab cd ef", 0, ""),
        (" ab cd ef", 3, ""),  # "ab" is whole, but nothing confirms it
        (" ab cd ef", 5, ""),  # half of the next word is not enough
        (" ab cd ef", 6, " ab"),
        (" ab cd ef", 9, " ab cd"),
        (" ab, cd ef", 3, ""),  # its comma is not settled
        (" ab, cd ef", 7, " ab,"),
    ],
)
def test_whole_words_are_promised_up_to_the_last_that_is_confirmed(
    text: str, stable: int, promised: str
) -> None:
    ages = [AGREEING_LOOKS] * stable + [1] * (len(text) - stable)
    got = agreed(spelled(text), [0.0] * len(text), ages, LETTERS)
    assert text[:got] == promised


def test_local_agreement_asks_for_two_looks_and_for_nothing_else() -> None:
    evidence = Evidence((1, 2), (-3.0, -3.0), (2, 2), (None, None), 0)
    assert AGREEMENTS[Latency.MINIMAL].stable_len(evidence, WordTable()) == 1


def test_aligned_words_are_promised_once_another_one_follows() -> None:
    at = [10] * 3 + [200] * 3
    assert aligned(at, 150, " ab cd") == " ab"


def test_a_word_that_rests_on_the_end_of_the_audio_is_not_promised() -> None:
    at = [10, 10, 60] + [200] * 3
    assert aligned(at, 150, " ab cd") == ""


def test_the_last_word_is_not_promised_however_old_it_is() -> None:
    assert aligned([10] * 6, 9_000, " ab cd") == " ab"


def test_a_doubtful_word_waits_longer() -> None:
    at = [10] * 3 + [200] * 3
    assert aligned(at, 150, " ab cd", log_prob=-1.0) == ""
    assert aligned(at, 450, " ab cd", log_prob=-1.0) == " ab"


def test_a_word_that_was_said_once_is_not_promised() -> None:
    assert aligned([10] * 3 + [200] * 3, 150, " ab cd", age=1) == ""


def test_without_alignment_nothing_is_promised() -> None:
    assert aligned([None] * 6, 9_000, " ab cd") == ""


@pytest.mark.parametrize("commit_by", list(CommitBy))
@pytest.mark.parametrize("latency", list(Latency))
def test_every_preset_has_a_way_to_tell(commit_by: CommitBy, latency: Latency) -> None:
    wanted = ALIGNMENTS if commit_by is CommitBy.ALIGNMENT else AGREEMENTS
    assert commitment_of(commit_by, latency) == wanted[latency]
