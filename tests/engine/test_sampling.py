"""Searches with an answer for everything they ask: a beam, drawing by chance, and the greedy one.

The decoder's logits are a pure function of the tokens so far, so that a search can be compared with
what comes out when every text is looked at.
"""

from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes_search import (
    Prefix,
    Scores,
    SearchRun,
    random_scores,
    rows_of,
    scripted_scores,
    step,
)
from streamscribe.model import DecodeStep
from streamscribe.sampling import beam, sample
from streamscribe.seq2seq import Answer, Ask, Hypothesis, Logits, Rules, Search, greedy

Kind: TypeAlias = Callable[[DecodeStep, Prefix, Rules, Answer[Prefix] | None], Search[Prefix]]

EOS = 0
START = (1, 2)
RULES = Rules(EOS)
SEARCHES: dict[str, Kind] = {
    "greedy": greedy,
    "beam": lambda wanted, start, rules, begun: beam(wanted, start, rules, 3, begun),
    "sample": lambda wanted, start, rules, begun: sample(wanted, start, rules, 1.0, begun),
}
KINDS = pytest.mark.parametrize("kind", SEARCHES)
SEEDS = st.integers(0, 300)


def found(
    kind: str,
    scores: Scores,
    wanted: DecodeStep,
    rules: Rules = RULES,
    begun: Answer[Prefix] | None = None,
) -> Hypothesis:
    return SearchRun(scores).finish(SEARCHES[kind](wanted, START, rules, begun))


def log_prob_of(scores: Scores, prefix: Prefix, token: int, rules: Rules = RULES) -> float:
    logits = scores(prefix).astype(np.float64)
    logits[list(rules.suppressed)] = -np.inf
    return float(logits[token] - np.log(np.exp(logits).sum()))


def best_of_all(scores: Scores, vocabulary: int, longest: int) -> tuple[Prefix, bool]:
    """The text with the best mean log-probability, and whether it has ended."""
    texts = [
        (*text, EOS)
        for length in range(longest)
        for text in product(range(1, vocabulary), repeat=length)
    ]
    texts += product(range(1, vocabulary), repeat=longest)
    best = max(texts, key=lambda text: mean_log_prob(scores, text))
    return (best[:-1], True) if best[-1] == EOS else (best, False)


def mean_log_prob(scores: Scores, text: Prefix) -> float:
    log_probs = [log_prob_of(scores, START + text[:at], token) for at, token in enumerate(text)]
    return sum(log_probs) / len(log_probs)


@settings(max_examples=30)
@given(vocabulary=st.integers(2, 4), longest=st.integers(1, 3), seed=SEEDS)
def test_a_beam_that_has_room_for_every_text_finds_the_best(
    vocabulary: int, longest: int, seed: int
) -> None:
    scores = random_scores(vocabulary, seed)
    search: Search[Prefix] = beam(step(max_new_tokens=longest), START, RULES, 60)
    got = SearchRun(scores).finish(search)
    assert (got.tokens, got.ended) == best_of_all(scores, vocabulary, longest)


def test_a_beam_finds_a_text_that_begins_unlikely() -> None:
    def scores(prefix: Prefix) -> Logits:
        """4 is likelier than 3 as the first, but nobody knows how to go on after it."""
        after_start = [-9, -9, -9, 1.0, 1.1, -9]
        sure = [9, -9, -9, -9, -9, -9]
        logits = after_start if prefix == START else sure if prefix[-1] == 3 else [0] * 6
        return np.array(logits, dtype=np.float32)

    assert found("beam", scores, step()).tokens == (3,)
    assert found("greedy", scores, step()).tokens[0] == 4


@given(forced=st.lists(st.integers(1, 9), max_size=3), longest=st.integers(1, 8), seed=SEEDS)
def test_a_beam_of_one_text_is_the_greedy_search(
    forced: list[int], longest: int, seed: int
) -> None:
    scores, wanted = random_scores(10, seed), step(forced, max_new_tokens=longest)
    alone = SearchRun(scores).finish(beam(wanted, START, RULES, 1))
    likeliest = found("greedy", scores, wanted)
    assert (alone.tokens, alone.ended) == (likeliest.tokens, likeliest.ended)
    assert alone.log_probs == pytest.approx(likeliest.log_probs, abs=1e-5)


def test_texts_of_a_beam_share_a_call() -> None:
    run = SearchRun(random_scores(10, seed=1))
    run.finish(beam(step(), START, Rules(EOS, suppressed=(EOS,)), 4))
    assert [len(asked) for asked in run.asked[1:]] == [4] * 12


@KINDS
@given(forced=st.lists(st.integers(1, 9), max_size=3), longest=st.integers(1, 8), seed=SEEDS)
def test_every_search_says_how_likely_each_token_was(
    kind: str, forced: list[int], longest: int, seed: int
) -> None:
    scores = random_scores(10, seed)
    got = found(kind, scores, step(forced, max_new_tokens=longest))
    before = (*START, *forced)
    expected = [
        log_prob_of(scores, before + got.tokens[:at], token) for at, token in enumerate(got.tokens)
    ]
    assert got.log_probs == pytest.approx(expected, abs=1e-5)


@KINDS
@given(
    forced=st.lists(st.integers(1, 9), max_size=3),
    draft=st.lists(st.integers(0, 9), max_size=6),
    longest=st.integers(1, 8),
    seed=SEEDS,
)
def test_every_search_gives_the_rows_that_chose_each_token(
    kind: str, forced: list[int], draft: list[int], longest: int, seed: int
) -> None:
    scores = random_scores(10, seed)
    got = found(kind, scores, step(forced, draft, longest))
    said = (*forced, *got.tokens, *([EOS] if got.ended else []))
    assert got.attention is not None
    assert got.attention.tolist() == rows_of(START, said).tolist()


@KINDS
@given(draft=st.integers(0, 6), seed=SEEDS)
def test_a_draft_that_is_right_leaves_the_rows_as_they_are(
    kind: str, draft: int, seed: int
) -> None:
    scores = random_scores(10, seed)
    alone = found(kind, scores, step())
    got = found(kind, scores, step(draft=alone.tokens[:draft]))
    assert got.attention is not None and alone.attention is not None
    assert got.attention.tolist() == alone.attention.tolist()


@KINDS
def test_without_alignment_heads_there_are_no_rows(kind: str) -> None:
    run = SearchRun(random_scores(10, seed=0), attends=False)
    assert run.finish(SEARCHES[kind](step((3,)), START, RULES, None)).attention is None


@KINDS
@given(forced=st.lists(st.integers(1, 9), max_size=3), seed=SEEDS)
def test_a_beginning_that_was_asked_alone_changes_nothing(
    kind: str, forced: list[int], seed: int
) -> None:
    scores, wanted = random_scores(10, seed), step(forced, (5, 6))
    begun = SearchRun(scores).answer(Ask(START))
    got, whole = found(kind, scores, wanted, begun=begun), found(kind, scores, wanted)
    assert (got.tokens, got.log_probs, got.ended) == (whole.tokens, whole.log_probs, whole.ended)
    assert got.attention is not None and whole.attention is not None
    assert got.attention.tolist() == whole.attention.tolist()


@KINDS
def test_forced_tokens_are_followed_and_not_said_again(kind: str) -> None:
    got = found(kind, scripted_scores(10, 7, 8, 9, 5), step((7, 8, 9)))
    assert (got.tokens, got.ended) == ((5,), True)
    assert found(kind, scripted_scores(10, 7, 8, 9, 5), step((7, 8, 8))).tokens == ()


@KINDS
@given(longest=st.integers(1, 8), seed=SEEDS)
def test_no_search_says_more_than_it_may(kind: str, longest: int, seed: int) -> None:
    scores = random_scores(10, seed)
    got = found(kind, scores, step(max_new_tokens=longest))
    assert len(got.tokens) <= longest
    assert got.ended or len(got.tokens) == longest
    assert len(got.log_probs) == len(got.tokens)


@KINDS
@given(
    missing=st.sets(st.integers(0, 9), max_size=4),
    longest=st.integers(1, 8),
    forced=st.integers(0, 3),
)
def test_no_search_asks_about_more_tokens_than_may_be_said(
    kind: str, missing: set[int], longest: int, forced: int
) -> None:
    """A decoder has positions for no more; and a draft that lacks words ends later than it."""
    text = range(1, 14)
    draft = [token for at, token in enumerate(text[forced:]) if at not in missing]
    run = SearchRun(scripted_scores(20, *text))
    wanted = step(text[:forced], draft[: longest - 1], longest)
    run.finish(SEARCHES[kind](wanted, START, RULES, None))
    assert run.most_tokens <= len(START) + forced + longest


SUPPRESSED = Rules(EOS, suppressed=(3, 4, 5), suppressed_first=(EOS, 6, 7))


@KINDS
@given(seed=SEEDS)
def test_what_must_not_be_said_is_not_said(kind: str, seed: int) -> None:
    got = found(kind, random_scores(10, seed, spread=3), step(), SUPPRESSED)
    assert not {3, 4, 5}.intersection(got.tokens)
    assert got.tokens and got.tokens[0] not in (6, 7)


@KINDS
def test_behind_forced_tokens_a_text_goes_on_with_what_it_may_not_begin_with(kind: str) -> None:
    scores = scripted_scores(10, 9, 6)
    assert found(kind, scores, step((9,), max_new_tokens=1), SUPPRESSED).tokens == (6,)


@given(temperature=st.floats(0.1, 2.0), seed=SEEDS)
def test_chance_draws_the_same_text_of_the_same_audio(temperature: float, seed: int) -> None:
    scores = random_scores(10, seed)
    first, again = (
        SearchRun(scores).finish(sample(step(), START, RULES, temperature)) for _ in range(2)
    )
    assert (first.tokens, first.log_probs) == (again.tokens, again.log_probs)


@given(seed=SEEDS)
def test_chance_that_is_as_good_as_none_is_the_greedy_search(seed: int) -> None:
    scores = random_scores(10, seed)
    drawn = SearchRun(scores).finish(sample(step(), START, RULES, 1e-6))
    assert drawn.tokens == found("greedy", scores, step()).tokens


def test_chance_draws_other_texts_than_the_likeliest() -> None:
    wanted = step(max_new_tokens=5)
    differs = [
        found("sample", random_scores(10, seed), wanted).tokens
        != found("greedy", random_scores(10, seed), wanted).tokens
        for seed in range(20)
    ]
    assert sum(differs) > 10


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_chance_draws_tokens_as_often_as_they_are_likely(temperature: float) -> None:
    logits = np.array([-np.inf, 0, 1, 2], dtype=np.float32)
    wanted = step(max_new_tokens=3_000)
    run = SearchRun(lambda prefix: logits.copy(), attends=False)
    drawn = run.finish(_without_caches(sample(wanted, START, RULES, temperature)))
    shares = np.bincount(drawn.tokens, minlength=4) / len(drawn.tokens)
    expected = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    assert shares == pytest.approx(expected, abs=0.03)


def _without_caches(search: Search[Prefix]) -> Search[Prefix]:
    """The same search, of a decoder that forgets what was said."""
    asked = next(search)
    while True:
        answers = yield [Ask(ask.tokens) for ask in asked]
        try:
            asked = search.send(answers)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
