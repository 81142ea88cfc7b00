"""Prefix beam search: without pruning, exactly the best text there is."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from streamscribe.beam import BeamDecoder
from streamscribe.ctc import GreedyDecoder
from streamscribe.hotwords import Hotwords
from streamscribe.language_model import LanguageModel, LanguageWeights, load_language_model
from streamscribe.model import LogProbs
from streamscribe.prefixes import BeamLimits
from streamscribe.tokens import ByteTokenTable

PIECES = [b"<b>", b" ", b"a", b"b"]
TABLE = ByteTokenTable(PIECES)
BLANK = 0
EVERYTHING = BeamLimits(width=10**6, margin=math.inf, token_log_prob=-math.inf)

ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-9 <s> -0.1
-1.5 </s>
-0.4 a -0.3
-1.1 ab -0.2
-0.9 ba -0.1

\\2-grams:
-0.1 a ba
-0.2 ab a

\\end\\
"""


@pytest.fixture
def language_model(tmp_path: Path) -> LanguageModel:
    path = tmp_path / "tiny.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return load_language_model(path)


def noise(frames: int, seed: int, *, peaky: float = 2.0, size: int = len(PIECES)) -> LogProbs:
    logits = np.random.default_rng(seed).normal(size=(frames, size)) * peaky
    log_probs: LogProbs = (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).astype(
        np.float32
    )
    return log_probs


def text_of(tokens: tuple[int, ...]) -> str:
    return b"".join(TABLE.token_bytes(token) for token in tokens).decode()


def all_texts(log_probs: LogProbs) -> dict[tuple[int, ...], float]:
    """The log-probability of every sequence of tokens, over all ways to say it."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        log_prob = sum(float(row[token]) for row, token in zip(log_probs, path, strict=True))
        found[tokens] = np.logaddexp(found.get(tokens, -math.inf), log_prob)
    return found


def said(decoder: BeamDecoder, log_probs: LogProbs) -> tuple[int, ...]:
    decoder.receive(log_probs)
    return tuple(spike.token for spike in decoder.finish())


@pytest.mark.parametrize("seed", range(20))
def test_alone_it_finds_the_likeliest_text(seed: int) -> None:
    log_probs = noise(6, seed)
    texts = all_texts(log_probs)
    assert said(BeamDecoder(TABLE, BLANK, limits=EVERYTHING), log_probs) == max(
        texts, key=texts.__getitem__
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_language_model_counts_every_word_that_ended(
    seed: int, language_model: LanguageModel
) -> None:
    log_probs = noise(6, seed)
    weights = LanguageWeights(scale=0.8, word=0.5, unknown=-2.0, unknown_character=-0.5)

    def total(tokens: tuple[int, ...], log_prob: float) -> float:
        context = language_model.start
        for word in text_of(tokens).split():
            score = language_model.score(context, word)
            context = score.context
            log_prob += 0.8 * score.log_prob + 0.5 if score.known else -2.0 - 0.5 * len(word)
        return log_prob

    texts = {tokens: total(tokens, score) for tokens, score in all_texts(log_probs).items()}
    decoder = BeamDecoder(
        TABLE, BLANK, limits=EVERYTHING, language_model=language_model, weights=weights
    )
    found = said(decoder, log_probs)
    assert texts[found] == pytest.approx(max(texts.values()), abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_a_phrase_that_is_said_whole_gains_its_boost(seed: int) -> None:
    log_probs = noise(6, seed)
    hotwords = Hotwords(["ab", "b a"], TABLE, len(PIECES), boost=1.0)

    def total(tokens: tuple[int, ...], log_prob: float) -> float:
        text = f" {text_of(tokens)} "
        return log_prob + 2.0 * text.count(" ab ") + 3.0 * text.count(" b a ")

    texts = {tokens: total(tokens, score) for tokens, score in all_texts(log_probs).items()}
    found = said(BeamDecoder(TABLE, BLANK, limits=EVERYTHING, hotwords=hotwords), log_probs)
    assert texts[found] == pytest.approx(max(texts.values()), abs=1e-4)


def test_a_token_said_twice_needs_a_blank_between() -> None:
    sure = np.full((4, 4), -20.0, dtype=np.float32)
    for frame, token in enumerate([2, 2, 0, 2]):
        sure[frame, token] = 0.0
    decoder = BeamDecoder(TABLE, BLANK)
    decoder.receive(sure)
    assert [(s.token, s.start, s.end, s.log_prob) for s in decoder.finish()] == [
        (2, 0, 2, 0.0),
        (2, 3, 4, 0.0),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_where_the_model_is_sure_it_says_what_greedy_says_at_the_same_times(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.full((200, 4), -30.0, dtype=np.float32)
    log_probs[np.arange(200), rng.integers(0, 4, 200)] = -1e-4
    greedy = GreedyDecoder(BLANK)
    greedy.receive(log_probs)
    beam = BeamDecoder(TABLE, BLANK)
    beam.receive(log_probs)
    assert beam.finish() == greedy.finish()


def test_a_hotword_that_the_language_model_has_not_seen_is_no_unknown_word(
    language_model: LanguageModel,
) -> None:
    log_probs = np.log(np.full((3, 4), 1e-6, dtype=np.float32))
    log_probs[[0, 1, 2], [3, 0, 3]] = np.log(0.5)  # bb, or maybe ba
    log_probs[2, 2] = np.log(0.4)
    weights = LanguageWeights(scale=0.0, word=0.0, unknown=-5.0, unknown_character=0.0)
    plain = BeamDecoder(TABLE, BLANK, language_model=language_model, weights=weights)
    assert text_of(said(plain, log_probs)) == "ba"
    helped = BeamDecoder(
        TABLE,
        BLANK,
        language_model=language_model,
        weights=weights,
        hotwords=Hotwords(["bb"], TABLE, len(PIECES), boost=0.1),
    )
    assert text_of(said(helped, log_probs)) == "bb"


def test_new_hotwords_count_from_the_next_word_on() -> None:
    log_probs = np.log(np.full((3, 4), 0.01, dtype=np.float32))
    log_probs[0, 3] = np.log(0.97)
    log_probs[1, 1] = np.log(0.97)
    log_probs[2, [2, 3]] = np.log([0.6, 0.38])
    phrases = Hotwords(["b"], TABLE, len(PIECES), boost=2.0)
    for frame, expected in ((0, "b b"), (1, "b b"), (2, "b b"), (3, "b a")):
        decoder = BeamDecoder(TABLE, BLANK)
        decoder.receive(log_probs[:frame])
        decoder.hotwords = phrases
        decoder.receive(log_probs[frame:])
        assert text_of(tuple(spike.token for spike in decoder.finish())) == expected


def test_taking_hotwords_away_keeps_what_they_have_gained_and_no_more() -> None:
    log_probs = np.log(np.full((2, 4), 0.01, dtype=np.float32))
    log_probs[0, [2, 3]] = np.log([0.6, 0.38])
    log_probs[1, [0, 1]] = np.log([0.01, 0.97])
    decoder = BeamDecoder(TABLE, BLANK, hotwords=Hotwords(["ba"], TABLE, len(PIECES), boost=3.0))
    decoder.receive(log_probs[:1])
    decoder.hotwords = None
    decoder.receive(log_probs[1:])
    assert text_of(tuple(spike.token for spike in decoder.finish())) == "a "


def test_an_old_choice_between_equals_is_made_when_patience_ends() -> None:
    log_probs = np.log(np.full((64, 4), 1e-6, dtype=np.float32))
    log_probs[:, BLANK] = np.log(0.99)
    log_probs[4, [BLANK, 2, 3]] = np.log([0.01, 0.49, 0.49])
    decoder = BeamDecoder(TABLE, BLANK, limits=BeamLimits(patience=20))
    settled: list[int] = []
    for frame in log_probs:
        decoder.receive(frame[np.newaxis])
        settled.append(decoder.settled)
    assert settled.index(1) == 32  # the first look at frame 16 * n that is 20 after the token


def test_unknown_words_do_not_run_together(language_model: LanguageModel) -> None:
    log_probs = np.log(np.full((9, 4), 1e-4, dtype=np.float32))
    log_probs[range(9), [3, 0, 3, 1, 3, 0, 3, 1, 2]] = np.log(0.99)  # bb bb a
    decoder = BeamDecoder(TABLE, BLANK, language_model=language_model)
    assert text_of(said(decoder, log_probs)) == "bb bb a"
