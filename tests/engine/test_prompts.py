"""What a sequence begins with."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.families import EncoderDecoderFacts, PromptFacts
from streamscribe.model import Wish
from streamscribe.options import Task
from streamscribe.prompts import Prompts
from streamscribe.seq2seq import Rules
from streamscribe.tokens import PieceTable

BYTES = [bytes([byte]) for byte in range(256)]
PIECES = [*BYTES, b" a", b" ab", b"", b"ab", b" ab"]
START, EN, DE, TRANSCRIBE, TRANSLATE, END, PREVIOUS = range(300, 307)
MULTILINGUAL = PromptFacts(
    start=(START,),
    languages={"en": EN, "de": DE},
    tasks={"transcribe": TRANSCRIBE, "translate": TRANSLATE},
    end=(END,),
    previous=PREVIOUS,
    no_speech=None,
)
PLAIN = PromptFacts((START,), {}, {}, (), None, None)


def prompts(prompt: PromptFacts = MULTILINGUAL, positions: int | None = 12) -> Prompts:
    facts = EncoderDecoderFacts(prompt, Rules(0), 6.5, 1, 1, 1, positions, 0)
    return Prompts(facts, PieceTable(PIECES))


def test_language_and_task_stand_between_start_and_end() -> None:
    assert prompts().start(Wish("de")) == (START, DE, TRANSCRIBE, END)


def test_the_task_is_told() -> None:
    assert prompts().start(Wish("en", Task.TRANSLATE)) == (START, EN, TRANSLATE, END)


def test_earlier_text_comes_first_behind_a_token_that_says_so() -> None:
    wish = Wish("en", context=(5, 6))
    assert prompts().start(wish) == (PREVIOUS, 5, 6, START, EN, TRANSCRIBE, END)


def test_without_earlier_text_nothing_says_that_it_follows() -> None:
    assert PREVIOUS not in prompts().start(Wish("en"))


def test_a_language_that_nobody_told_is_left_out() -> None:
    assert prompts().start(Wish()) == (START, TRANSCRIBE, END)


@pytest.mark.parametrize("wish", [Wish(), Wish("en", Task.TRANSLATE, (5, 6))])
def test_a_model_that_has_no_choice_is_told_the_start_alone(wish: Wish) -> None:
    assert prompts(PLAIN).start(wish) == (START,)


def test_a_start_of_several_tokens_is_kept_whole() -> None:
    several = replace(PLAIN, start=(7, 8), end=(9, 10))
    assert prompts(several).start(Wish()) == (7, 8, 9, 10)


@given(context=st.lists(st.integers(0, 255), max_size=20), positions=st.integers(2, 40))
def test_of_earlier_text_the_newest_is_kept_and_leaves_half_of_the_positions(
    context: list[int], positions: int
) -> None:
    told = prompts(positions=positions)
    start = told.start(Wish("en", context=tuple(context)))
    kept = start[1 : start.index(START)]
    assert kept == tuple(context[len(context) - len(kept) :])
    assert len(kept) == min(len(context), told.longest)
    assert len(kept) + 1 <= positions // 2


@pytest.mark.parametrize(
    ("prompt", "positions"),
    [
        pytest.param(PLAIN, 12, id="no token for it"),
        pytest.param(MULTILINGUAL, None, id="unknown positions"),
        pytest.param(MULTILINGUAL, 3, id="too few positions"),
    ],
)
def test_some_models_take_no_earlier_text(prompt: PromptFacts, positions: int | None) -> None:
    told = prompts(prompt, positions)
    assert told.longest == 0
    assert told.encode("ab") == ()
    assert told.start(Wish(context=(5, 6)))[0] == START


@pytest.mark.parametrize("text", ["ab", " ab", "  ab\n"])
def test_earlier_text_begins_with_one_space(text: str) -> None:
    assert prompts().encode(text) == (257,)


def test_of_tokens_with_the_same_text_the_first_is_taken() -> None:
    assert prompts().encode("ab ab") == (257, 257)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_no_text_has_no_tokens(text: str) -> None:
    assert prompts().encode(text) == ()
