"""The default model's results depend on nothing but their own audio and text.

On the real model, bit for bit: products with weights are sums of bytes, which are exact, and the
sums of floats that are left add up in an order that hangs on nothing else in the call. Skipped
where the model's files are not.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pytest
import soundfile

from streamscribe.converting import ready_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import BundleError
from streamscribe.model import DecodeResult, DecodeStep, Samples, StepKind
from streamscribe.passes import Audio, Row, TokenCache
from streamscribe.seq2seq import Answer, Ask
from streamscribe.timeline import SAMPLE_RATE

SAMPLE = Path(__file__).parents[2] / "cli/streamscribe_cli/samples/jfk.flac"
BOS: Final = 1


@pytest.fixture(scope="module")
def model() -> EncoderDecoderModel:
    try:
        return EncoderDecoderModel(ready_bundle(), threads=1)
    except BundleError as error:
        pytest.skip(f"the default model is not here: {error}")


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    return np.asarray(samples, dtype=np.float32)


@pytest.fixture(scope="module")
def text(model: EncoderDecoderModel, speech: Samples) -> tuple[int, ...]:
    """What is said in the recording, after the begin of the sequence."""
    return BOS, *model.decode(step(speech)).tokens


def step(samples: Samples, draft: tuple[int, ...] = ()) -> DecodeStep:
    return DecodeStep(samples, (), draft, 80, StepKind.FINAL, len(samples))


def ask(model: EncoderDecoderModel, *asked: tuple[Audio, Ask[TokenCache]]) -> Answer[TokenCache]:
    """The answer to the first row, with the others beside it."""
    return model.passes.run([Row(audio, one) for audio, one in asked])[0]


def difference(one: Audio, other: Audio) -> float:
    return max(float(abs(one[name] - other[name]).max()) for name in one)


def test_audio_of_equal_length_beside_it_does_not_change_what_is_heard(
    model: EncoderDecoderModel, speech: Samples
) -> None:
    quiet, loud = speech[:64_000] * np.float32(0.1), speech[64_000:128_000] * np.float32(3)
    [alone] = model.encode([step(quiet)])
    [among, _] = model.encode([step(quiet), step(loud)])
    assert difference(alone, among) == 0


def test_rows_beside_it_do_not_change_an_answer(
    model: EncoderDecoderModel, speech: Samples, text: tuple[int, ...]
) -> None:
    short, whole, rest = model.encode([step(speech[:48_000]), step(speech), step(speech[99_999:])])
    alone = ask(model, (short, Ask(text[:5])))
    past = ask(model, (whole, Ask(text[:11])))
    among = ask(
        model, (short, Ask(text[:5])), (whole, Ask(text[11:], past.cache)), (rest, Ask((BOS,)))
    )
    assert abs(alone.logits - among.logits).max() == 0
    assert all(
        abs(ours - theirs).max() == 0 for ours, theirs in zip(alone.cache, among.cache, strict=True)
    )


def test_what_fills_a_row_up_does_not_change_its_answer(
    model: EncoderDecoderModel, speech: Samples, text: tuple[int, ...]
) -> None:
    short, whole = model.encode([step(speech[:16_000]), step(speech)])
    alone = ask(model, (short, Ask(text[:2])))
    filled = ask(model, (short, Ask(text[:2])), (whole, Ask(text)))  # far longer in everything
    assert abs(alone.logits - filled.logits).max() == 0


def test_later_tokens_do_not_change_the_answer_to_earlier_ones(
    model: EncoderDecoderModel, speech: Samples, text: tuple[int, ...]
) -> None:
    [audio] = model.encode([step(speech)])
    right = ask(model, (audio, Ask(text))).logits
    for known in (1, 2, len(text) // 2):
        alone = ask(model, (audio, Ask(text[:known]))).logits
        wrong = (*text[:known], *reversed(text[known:]))
        drafted = ask(model, (audio, Ask(wrong))).logits
        assert abs(alone - right[:known]).max() == 0
        assert abs(alone - drafted[:known]).max() == 0


def test_a_sequence_in_one_pass_is_that_sequence_token_by_token(
    model: EncoderDecoderModel, speech: Samples, text: tuple[int, ...]
) -> None:
    [audio] = model.encode([step(speech)])
    at_once = ask(model, (audio, Ask(text))).logits
    cache: TokenCache | None = None
    for at, token in enumerate(text):
        answer = ask(model, (audio, Ask((token,), cache)))
        cache = answer.cache
        assert abs(answer.logits[0] - at_once[at]).max() == 0


def test_sixteen_streams_in_one_call_say_what_each_says_alone(
    model: EncoderDecoderModel, speech: Samples
) -> None:
    steps = [step(speech[at * 6_000 : at * 6_000 + 40_000 + 4_000 * at]) for at in range(16)]
    together = model.run(steps)
    assert [texts(result) for result in together] == [texts(model.decode(one)) for one in steps]


def texts(result: object) -> tuple[int, ...]:
    assert isinstance(result, DecodeResult)
    return result.tokens


def test_a_step_that_goes_on_from_the_last_one_gives_the_same_as_one_that_does_not(
    model: EncoderDecoderModel, speech: Samples
) -> None:
    front = None
    for end in range(SAMPLE_RATE, len(speech), 7_919):
        afresh = model.decode(step(speech[:end]))
        goes_on = model.decode(
            DecodeStep(speech[:end], (), (), 80, StepKind.FINAL, end, front=front)
        )
        assert goes_on == afresh  # scores too, bit for bit
        front = goes_on.front
