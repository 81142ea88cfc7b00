"""Seq2seq models on scripted graphs: prompts, searches, second thoughts, and where words lie."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from fakes_graphs import (
    DE,
    EN,
    END,
    EOS,
    FIRST_WORD,
    NO_SPEECH,
    POSITIONS,
    PREVIOUS,
    START,
    STRIDE_LEN,
    TRANSCRIBE,
    TRANSLATE,
    VOCABULARY_SIZE,
    Prefix,
    Scripted,
    make_scripted,
    says,
)
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import BrokenModel
from streamscribe.guards import REWIND_LEN
from streamscribe.model import DecodeResult, DecodeStep, Samples, StepKind, Wish
from streamscribe.options import Search, Task
from streamscribe.seq2seq import Logits

Make: TypeAlias = Callable[..., EncoderDecoderModel]
SEARCHES = pytest.mark.parametrize("search", Search)
TOLD = (START, EN, TRANSCRIBE, END)
WORDS = range(FIRST_WORD, VOCABULARY_SIZE)
A, B, C, D = WORDS[:4]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda script, **changed: make_scripted(tmp_path, script, monkeypatch, **changed)


def text_of(prefix: Prefix) -> Prefix:
    """What was said behind the prompt."""
    return prefix[prefix.index(END) + 1 :] if END in prefix else ()


def saying(*text: int, sure: float = 0.9) -> Scripted:
    """Says ``text``, and of everything else the end."""

    def scores(heard: float, prefix: Prefix) -> Logits:
        said = text_of(prefix)
        goes_on = said == text[: len(said)] and len(said) < len(text)
        return says({text[len(said)] if goes_on else EOS: sure})

    return Scripted(scores)


def samples(frames: int = 30, heard: float = 0.1) -> Samples:
    return np.full(frames * STRIDE_LEN, heard, dtype=np.float32)


def step(
    audio: Samples | None = None,
    forced: Sequence[int] = (),
    draft: Sequence[int] = (),
    max_new_tokens: int = 30,
    language: str | None = "en",
    **wish: Any,  # noqa: ANN401
) -> DecodeStep:
    return DecodeStep(
        samples() if audio is None else audio, tuple(forced), tuple(draft), max_new_tokens,
        StepKind.FINAL, 0, wish=Wish(language, **wish),
    )  # fmt: skip


# --- prompts and languages


@SEARCHES
def test_every_search_begins_with_what_the_model_is_told(make: Make, search: Search) -> None:
    script = saying(A, B)
    wanted = step(search=search, temperature=0.01, task=Task.TRANSLATE, context=(C, D))
    assert make(script).decode(wanted).tokens == (A, B)
    assert script.calls[0] == [(PREVIOUS, C, D, START, EN, TRANSLATE, END)]


def test_a_beginning_that_must_be_alone_is_fed_alone(make: Make) -> None:
    script = saying(A, B)
    make(script, prompt={"alone": True}).decode(step(draft=(A, B)))
    assert script.calls == [[TOLD], [(A, B)]]


def detecting(heard: float, prefix: Prefix) -> Logits:
    """Hears English in what is loud and says A, else German and says B."""
    if prefix == (START,):
        return says({EN if heard > 0.5 else DE: 0.3, NO_SPEECH: 0.6})
    if not text_of(prefix):
        return says({A if EN in prefix else B: 0.9})
    return says({EOS: 0.9})


@pytest.mark.parametrize(("heard", "language", "token"), [(0.9, "en", A), (0.1, "de", B)])
def test_a_language_that_nobody_told_is_detected_and_reported(
    make: Make, heard: float, language: str, token: int
) -> None:
    got = make(Scripted(detecting)).decode(step(samples(heard=heard), language=None))
    assert (got.language, got.tokens) == (language, (token,))


def test_a_language_that_was_told_is_not_detected(make: Make) -> None:
    script = Scripted(detecting)
    got = make(script).decode(step(samples(heard=0.9), language="de"))
    assert (got.language, got.tokens) == (None, (B,))
    assert [(START,)] not in script.calls


def test_a_model_of_one_language_detects_none(make: Make) -> None:
    got = make(saying(A), prompt={"languages": {}}).decode(step(language=None))
    assert (got.language, got.tokens) == (None, (A,))


# --- searches


def test_a_beam_that_is_asked_for_finds_what_greed_misses(make: Make) -> None:
    def scores(heard: float, prefix: Prefix) -> Logits:
        said = text_of(prefix)
        if not said:
            return says({A: 0.5, B: 0.45})
        return says({EOS: 0.9}) if said == (B,) else says({EOS: 0.1})

    model = make(Scripted(scores))
    assert model.decode(step(search=Search.BEAM)).tokens == (B,)
    assert model.decode(step(search=Search.BEAM, beam_size=1)).tokens == (A,)
    assert model.decode(step()).tokens == (A,)


def test_a_temperature_of_0_draws_nothing(make: Make) -> None:
    got = make(saying(A, B, C, sure=0.3)).decode(step(search=Search.SAMPLE, temperature=0.0))
    assert (got.tokens, got.ended) == ((A, B, C), True)


@SEARCHES
@pytest.mark.parametrize("known", [0, 5, POSITIONS - 5, POSITIONS - 4, POSITIONS + 3])
def test_a_text_ends_where_the_positions_do(make: Make, search: Search, known: int) -> None:
    model = make(Scripted(lambda heard, prefix: says({WORDS[len(prefix) % 5]: 0.99})))
    wanted = step(forced=[D] * known, max_new_tokens=90, search=search, temperature=1.0)
    got = model.decode(wanted)
    assert len(got.tokens) == max(0, POSITIONS - 4 - known)
    assert not got.ended


def test_earlier_text_gives_way_where_positions_are_few(make: Make) -> None:
    script = saying(A)
    known = POSITIONS - 4 - 10  # which leaves as many as may be said, and none for earlier text
    make(script).decode(step(forced=[D] * (known - 2), context=(B, C, D), max_new_tokens=10))
    assert script.calls[0] == [(PREVIOUS, D, START, EN, TRANSCRIBE, END, *[D] * (known - 2))]
    script.calls.clear()
    make(script).decode(step(forced=[D] * known, context=(B, C, D), max_new_tokens=10))
    assert script.calls[0] == [(START, EN, TRANSCRIBE, END, *[D] * known)]


def test_without_a_limit_a_text_may_be_as_long_as_it_is_allowed_to_be(make: Make) -> None:
    script = Scripted(lambda heard, prefix: says({WORDS[len(prefix) % 5]: 0.99}))
    model = make(script, decoder={"positions": 0})
    assert len(model.decode(step(max_new_tokens=90)).tokens) == 90


# --- second thoughts


LONG = 24
"""So many words that a loop can be told by how much they shrink."""


def two_ways(after_a: Callable[[int], Logits], after_b: Callable[[int], Logits]) -> Scripted:
    """A is a little likelier than B; after either come other words, by how many were said."""

    def scores(heard: float, prefix: Prefix) -> Logits:
        said = text_of(prefix)
        if prefix == (START,):
            return says({NO_SPEECH: 0.3})
        if not said:
            return says({A: 0.46, B: 0.44})
        if len(said) == LONG:
            return says({EOS: 0.9})
        return (after_a if said[0] == A else after_b)(len(said))

    return Scripted(scores)


def in_order(sure: float) -> Callable[[int], Logits]:
    """One word after the other."""
    return lambda said: says({WORDS[said + 1]: sure})


def the_same(sure: float) -> Callable[[int], Logits]:
    """The same word again and again."""
    return lambda said: says({C: sure})


WRONG = pytest.mark.parametrize(
    "wrong", [pytest.param(in_order(0.2), id="unlikely"), pytest.param(the_same(0.99), id="loop")]
)


@WRONG
def test_a_text_that_looks_wrong_is_drawn_until_one_looks_right(
    make: Make, wrong: Callable[[int], Logits]
) -> None:
    model = make(two_ways(wrong, in_order(0.9)))
    got = model.decode(step(thorough=True))
    assert got.tokens == (B, *WORDS[2 : LONG + 1])
    assert got.mean_log_prob > -1


@WRONG
def test_nobody_thinks_again_who_was_not_asked_to(
    make: Make, wrong: Callable[[int], Logits]
) -> None:
    got = make(two_ways(wrong, in_order(0.9))).decode(step())
    assert got.tokens[0] == A


def test_a_text_that_looks_right_is_not_drawn_again(make: Make) -> None:
    script = two_ways(in_order(0.9), in_order(0.9))
    model = make(script)
    assert model.decode(step(thorough=True)).tokens[0] == A
    assert len(script.calls) == LONG + 1


def test_where_none_looks_right_the_likeliest_is_kept(make: Make) -> None:
    got = make(two_ways(in_order(0.1), in_order(0.3))).decode(step(thorough=True))
    assert got.tokens == (B, *WORDS[2 : LONG + 1])
    again = make(two_ways(in_order(0.3), in_order(0.1))).decode(step(thorough=True))
    assert again.tokens == (A, *WORDS[2 : LONG + 1])


def doubting(no_speech: float, sure: float, first: float | None = None) -> Scripted:
    """Believes so much in silence, and is so sure of its words, or of the first one."""

    def scores(heard: float, prefix: Prefix) -> Logits:
        said = text_of(prefix)
        if prefix == (START,):
            return says({NO_SPEECH: no_speech})
        now = first if first is not None and not said else sure
        return says({WORDS[len(said)]: now}) if len(said) < 3 else says({EOS: 0.9})

    return Scripted(scores)


NO_WORDS: Prefix = ()
THREE = tuple(WORDS[:3])


@pytest.mark.parametrize(
    ("no_speech", "sure", "text"),
    [
        pytest.param(0.9, 0.2, NO_WORDS, id="silence, and unlikely words"),
        pytest.param(0.3, 0.2, THREE, id="some silence, and unlikely words"),
        pytest.param(0.9, 0.9, THREE, id="silence, and words that are sure"),
    ],
)
def test_unlikely_words_in_what_is_thought_to_be_silence_are_none(
    make: Make, no_speech: float, sure: float, text: Prefix
) -> None:
    got = make(doubting(no_speech, sure)).decode(step(thorough=True))
    assert (got.tokens, got.ended) == (text, True)


@pytest.mark.parametrize(("no_speech", "text"), [(0.36, NO_WORDS), (0.34, THREE)])
def test_words_that_begin_unlikely_are_none_where_silence_is_likelier(
    make: Make, no_speech: float, text: Prefix
) -> None:
    script = doubting(no_speech, 0.95, first=0.1)
    assert make(script).decode(step(thorough=True)).tokens == text
    assert make(script).decode(step(thorough=False)).tokens == THREE


def test_behind_words_that_are_settled_there_was_speech(make: Make) -> None:
    script = doubting(0.9, 0.2)
    assert make(script).decode(step(forced=(A,), thorough=True)).tokens == (B, C)
    assert [(START,)] not in script.calls


def test_a_model_that_cannot_tell_silence_is_not_asked(make: Make) -> None:
    script = doubting(0.9, 0.2)
    model = make(script, prompt={"no_speech": None})
    assert model.decode(step(thorough=True)).tokens == THREE
    assert [(START,)] not in script.calls


# --- where words lie


def looking(*frames: int) -> Scripted:
    """Says a word for each of these places, and looks at it."""
    script = saying(*WORDS[: len(frames)])
    script.looks = lambda prefix: [*frames, 10_000][len(text_of(prefix))]
    return script


def test_words_lie_where_the_model_looked(make: Make) -> None:
    got = make(looking(6, 16, 26)).decode(step(samples(40)))
    attended = [one.attended_len / STRIDE_LEN for one in got.spoken]
    assert attended == pytest.approx([6, 16, 26], abs=5)
    spans = [(one.start_len / STRIDE_LEN, one.end_len / STRIDE_LEN) for one in got.spoken]
    assert [start for start, _ in spans] == pytest.approx([0, 11, 21], abs=3)
    assert [end for _, end in spans] == pytest.approx([11, 21, 33], abs=3)


def test_forced_words_have_no_place_in_the_result(make: Make) -> None:
    model = make(looking(6, 16, 26))
    whole, rest = model.decode(step()), model.decode(step(forced=(A,)))
    assert (rest.tokens, rest.spoken) == (whole.tokens[1:], whole.spoken[1:])


def test_what_says_the_audio_again_is_left_out(make: Make) -> None:
    far = REWIND_LEN // STRIDE_LEN + 40
    ahead, again = (10, far, far), (10, 10, 10, 10)
    got = make(looking(*ahead, *again)).decode(step(samples(far + 30)))
    assert got.tokens == (A, B, C)
    assert len(got.spoken) == len(got.log_probs) == 3
    behind_forced = make(looking(*ahead, *again)).decode(step(samples(far + 30), forced=(A, B, C)))
    assert behind_forced.tokens == ()


# --- several steps


def run(model: EncoderDecoderModel, *steps: DecodeStep) -> list[DecodeResult]:
    results = model.run(steps)
    assert all(isinstance(result, DecodeResult) for result in results)
    return [result for result in results if isinstance(result, DecodeResult)]


def test_steps_share_the_decoders_calls_and_get_what_they_get_alone(make: Make) -> None:
    def scores(heard: float, prefix: Prefix) -> Logits:
        said = len(text_of(prefix))
        if prefix == (START,):
            return says({DE: 0.5})
        return says({WORDS[said + round(10 * heard)]: 0.9} if said < 4 else {EOS: 0.9})

    script = Scripted(scores)
    model = make(script)
    steps = [
        step(samples(30, 0.1)),
        step(samples(12, 0.2), language=None),
        step(samples(30, 0.3), forced=(A,), draft=(WORDS[4], WORDS[5])),
        step(samples(9, 0.4), search=Search.BEAM, context=(C, D)),
    ]
    together = run(model, *steps)
    calls = len(script.calls)
    alone = [model.decode(one) for one in steps]
    assert together == alone
    assert [one.tokens for one in alone if one.language] == [tuple(WORDS[2:6])]
    assert calls < (len(script.calls) - calls) / 2


def test_a_graph_that_cannot_hide_anything_is_asked_one_by_one(make: Make) -> None:
    script = saying(A, B)
    script.hidden_inputs = ("self_bias", "cross_bias", "positions")
    model = make(script)
    first, second = run(model, step(), step(samples(12), draft=(A, C)))
    assert (first, second.tokens) == (model.decode(step()), (A, B))
    assert all(len(call) == 1 for call in script.calls)


def test_audio_too_short_for_a_frame_says_nothing(make: Make) -> None:
    script = saying(A)
    short = samples()[: STRIDE_LEN - 1]
    got, other = run(make(script), step(short), step())
    assert (got.tokens, got.ended) == ((), True)
    assert other.tokens == (A,)
    assert run(make(saying(A)), step(short)) == [got]


def test_a_step_that_fails_changes_nothing_for_the_next(make: Make) -> None:
    broken = [False]
    usual = saying(A, B)

    def scores(heard: float, prefix: Prefix) -> Logits:
        if broken[0] and text_of(prefix):
            raise RuntimeError("out of memory")
        return usual.scores(heard, prefix)

    model = make(Scripted(scores))
    expected = run(model, step(), step(samples(12)))
    broken[0] = True
    with pytest.raises(RuntimeError):
        run(model, step(), step(samples(12)))
    broken[0] = False
    assert run(model, step(), step(samples(12))) == expected


# --- graphs that are something else


def test_a_decoder_with_other_inputs_than_stated_is_refused(make: Make) -> None:
    with pytest.raises(BrokenModel, match="no input past_key_1, past_value_1.* states 2 layers"):
        make(saying(A), decoder={"layers": 2})


def test_an_encoder_with_another_input_than_stated_is_refused(make: Make) -> None:
    script = saying(A)
    script.encoder_input = "input_features"
    with pytest.raises(BrokenModel, match="takes input_features; its bundle states input_values"):
        make(script)
