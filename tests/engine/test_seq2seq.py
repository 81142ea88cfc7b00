"""Draft verification is greedy decoding, only with fewer passes.

The decoder here is tiny: its logits are a pure function of the tokens so far, and its cache is
those tokens.
"""

import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.model import DecodeResult, DecodeStep, StepKind
from streamscribe.seq2seq import GreedySearch, Logits

VOCABULARY = 40
BOS, EOS = 1, 2
TOKENS = st.lists(st.integers(0, VOCABULARY - 1), max_size=12).map(tuple)
TEXT = st.lists(st.integers(3, VOCABULARY - 1), max_size=12).map(tuple)

Prefix = tuple[int, ...]
Edit = tuple[int, int, Prefix]
"""Where, how many tokens are taken out there, and what is put in their place."""
EDITS = st.tuples(st.integers(0, 11), st.integers(0, 2), TOKENS)


def logits_after(prefix: Prefix, seed: int) -> Logits:
    rng = np.random.default_rng((seed, zlib.crc32(bytes(prefix))))
    logits = rng.normal(size=VOCABULARY).astype(np.float32)
    logits[EOS] += 1  # so that sequences get a few tokens long
    return logits


class PrefixDecoder:
    """Counts its passes; refuses to roll forward."""

    def __init__(self, seed: int) -> None:
        self.passes = 0
        self.rolled_back_to: list[int] = []
        self._seed = seed

    def start(self, tokens: Prefix) -> tuple[Logits, Prefix]:
        return self.extend(tokens, ())

    def extend(self, tokens: Prefix, cache: Prefix) -> tuple[Logits, Prefix]:
        assert tokens, "a pass over nothing"
        self.passes += 1
        prefixes = [cache + tokens[: n + 1] for n in range(len(tokens))]
        return np.stack([logits_after(p, self._seed) for p in prefixes]), cache + tokens

    def roll_back(self, cache: Prefix, length: int) -> Prefix:
        assert 0 < length < len(cache)
        self.rolled_back_to.append(length)
        return cache[:length]


def step(forced: Prefix = (), draft: Prefix = (), max_new_tokens: int = 20) -> DecodeStep:
    return DecodeStep(np.zeros(0, np.float32), forced, draft, max_new_tokens, StepKind.PARTIAL, 0)


def search(wanted: DecodeStep, seed: int = 0) -> tuple[DecodeResult, PrefixDecoder]:
    decoder = PrefixDecoder(seed)
    return GreedySearch(decoder, bos=BOS, eos=EOS).decode(wanted), decoder


def greedy(forced: Prefix, max_new_tokens: int, seed: int = 0) -> Prefix:
    """Token by token, without a cache or a draft."""
    tokens: Prefix = ()
    while len(tokens) < max_new_tokens:
        token = int(logits_after((BOS, *forced, *tokens), seed).argmax())
        if token == EOS:
            break
        tokens += (token,)
    return tokens


@given(forced=TEXT, draft=TOKENS, max_new_tokens=st.integers(1, 12), seed=st.integers(0, 30))
def test_with_any_draft_the_result_is_the_greedy_one(
    forced: Prefix, draft: Prefix, max_new_tokens: int, seed: int
) -> None:
    result, _ = search(step(forced, draft, max_new_tokens), seed)
    assert result.tokens == greedy(forced, max_new_tokens, seed)


@given(kept=st.integers(0, 12), wrong=TOKENS, seed=st.integers(0, 30))
def test_a_draft_that_begins_right_gives_the_greedy_result(
    kept: int, wrong: Prefix, seed: int
) -> None:
    truth = greedy((), 12, seed)
    result, _ = search(step(draft=truth[:kept] + wrong, max_new_tokens=12), seed)
    assert result.tokens == truth


@given(edits=st.lists(EDITS, max_size=4), seed=st.integers(0, 30))
def test_an_edited_draft_gives_the_greedy_result_in_no_more_passes(
    edits: list[Edit], seed: int
) -> None:
    truth = greedy((), 12, seed)
    draft = truth
    for place, removed, inserted in edits:
        draft = draft[:place] + inserted + draft[place + removed :]
    result, decoder = search(step(draft=draft, max_new_tokens=12), seed)
    assert result.tokens == truth
    assert decoder.passes <= 2 + len(truth)


@given(draft=TOKENS, seed=st.integers(0, 30))
def test_log_probabilities_do_not_depend_on_the_draft(draft: Prefix, seed: int) -> None:
    result, _ = search(step(draft=draft), seed)
    alone, _ = search(step(), seed)
    assert result.log_probs == pytest.approx(alone.log_probs)


@given(forced=TEXT, draft=TOKENS, seed=st.integers(0, 30))
def test_every_token_has_the_log_probability_that_the_logits_give_it(
    forced: Prefix, draft: Prefix, seed: int
) -> None:
    result, _ = search(step(forced, draft), seed)
    text = (BOS, *forced, *result.tokens)
    for index, (token, log_prob) in enumerate(zip(result.tokens, result.log_probs, strict=True)):
        logits = logits_after(text[: 1 + len(forced) + index], seed).astype(np.float64)
        expected = logits[token] - np.log(np.exp(logits).sum())
        assert log_prob == pytest.approx(expected, abs=1e-5)


LONG_SEED = next(seed for seed in range(1_000) if len(set(greedy((), 10, seed))) == 10)
LONG = greedy((), 10, LONG_SEED)
ENDING_SEED = next(seed for seed in range(100) if 3 <= len(greedy((), 10, seed)) <= 6)
ENDING = greedy((), 10, ENDING_SEED)


def test_without_a_draft_each_token_takes_a_pass() -> None:
    _, decoder = search(step(), ENDING_SEED)
    assert decoder.passes == 1 + len(ENDING)


def test_a_right_draft_takes_one_pass_more_than_the_start() -> None:
    result, decoder = search(step(draft=ENDING), ENDING_SEED)
    assert result.tokens == ENDING
    assert decoder.passes == 2


def test_a_right_draft_of_the_longest_length_takes_no_further_pass() -> None:
    result, decoder = search(step(draft=LONG, max_new_tokens=10), LONG_SEED)
    assert result.tokens == LONG
    assert decoder.passes == 2


UNSAID = next(token for token in range(3, VOCABULARY) if token not in LONG)


def test_only_what_follows_the_first_disagreement_is_decoded_again() -> None:
    draft = (*LONG[:6], UNSAID)
    result, decoder = search(step(draft=draft, max_new_tokens=10), LONG_SEED)
    assert result.tokens == LONG
    assert decoder.passes == 2 + 3  # tokens 7, 8 and 9; token 6 came with the draft


@pytest.mark.parametrize(
    ("draft", "passes"),
    [
        pytest.param((*LONG[:3], UNSAID, *LONG[3:]), 3, id="a token too many"),
        pytest.param((*LONG[:3], UNSAID, UNSAID, *LONG[3:]), 3, id="two tokens too many"),
        pytest.param((*LONG[:3], *LONG[4:]), 4, id="a token missing"),
        pytest.param((*LONG[:3], UNSAID, *LONG[4:]), 4, id="another token"),
        pytest.param((UNSAID, *LONG[1:4], UNSAID, *LONG[5:]), 6, id="two other tokens"),
    ],
)
def test_behind_a_revised_word_the_draft_is_believed_again(draft: Prefix, passes: int) -> None:
    result, decoder = search(step(draft=draft, max_new_tokens=10), LONG_SEED)
    assert (result.tokens, decoder.passes) == (LONG, passes)


def test_the_cache_is_rolled_back_to_the_first_disagreement() -> None:
    _, decoder = search(step(draft=(*LONG[:6], UNSAID), max_new_tokens=10), LONG_SEED)
    assert decoder.rolled_back_to == [1 + 6]


def test_the_cache_is_rolled_back_to_behind_the_forced_tokens() -> None:
    forced = LONG[:4]
    _, decoder = search(step(forced, (UNSAID,), 6), LONG_SEED)
    assert decoder.rolled_back_to == [1 + 4]


def test_a_right_draft_rolls_nothing_back() -> None:
    _, decoder = search(step(draft=LONG[:5], max_new_tokens=10), LONG_SEED)
    assert decoder.rolled_back_to == []


def test_forced_tokens_are_not_part_of_the_result() -> None:
    result, _ = search(step(LONG[:4], (), 6), LONG_SEED)
    assert result.tokens == LONG[4:]


def test_forced_tokens_are_kept_however_unlikely() -> None:
    forced = tuple(3 if token != 3 else 4 for token in LONG[:4])
    result, _ = search(step(forced), LONG_SEED)
    assert result.tokens == greedy(forced, 20, LONG_SEED)


def test_a_result_of_the_longest_length_has_not_ended() -> None:
    result, _ = search(step(max_new_tokens=10), LONG_SEED)
    assert (len(result.tokens), result.ended) == (10, False)


def test_a_result_that_the_model_ends_has_ended() -> None:
    result, _ = search(step(), ENDING_SEED)
    assert result.ended


def test_a_draft_never_says_more_than_the_model() -> None:
    result, _ = search(step(draft=(*ENDING, EOS, UNSAID)), ENDING_SEED)
    assert (result.tokens, result.ended) == (ENDING, True)


def test_a_draft_longer_than_allowed_is_cut() -> None:
    result, _ = search(step(draft=LONG, max_new_tokens=4), LONG_SEED)
    assert (result.tokens, result.ended) == (LONG[:4], False)


def test_the_scripts_differ_in_their_tokens() -> None:
    assert any(a != b for a, b in pairwise(LONG))
