"""The digits that checkpoints are trained and judged on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bench.corpus import Clip
from bench.digits_audio import TRAINING, Digits, Manner, digit_errors
from bench.digits_training import recipe
from bench.scoring import Errors

SECOND = 16_000
TONE = np.sin(np.arange(SECOND // 2) * 0.3).astype(np.float32)
NOISE = np.random.default_rng(0).standard_normal(2 * SECOND).astype(np.float32)
CLIPS = [Clip("a", "", "one", TONE), Clip("b", "", "two", 0.1 * TONE)]
PLAIN = Manner(gap_s=(0.5, 0.5), level_db=(0, 0), snr_db=(60, 60))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("seconds", [0.3, 0.5, 1.0, 7.3])
def test_a_recording_has_the_length_asked_for_and_at_least_one_digit(seconds: float) -> None:
    joined = Digits(CLIPS, [NOISE]).join(rng(), seconds, TRAINING)
    assert len(joined.samples) == round(seconds * SECOND)
    assert joined.text.split() and set(joined.text.split()) <= {"one", "two"}


def test_a_recording_holds_as_many_digits_as_fit_with_their_gaps() -> None:
    joined = Digits(CLIPS, [NOISE]).join(rng(), 3.0, PLAIN)
    assert len(joined.text.split()) == 3


def test_the_same_seed_gives_the_same_recording() -> None:
    digits = Digits(CLIPS, [NOISE])
    first, again = (digits.join(rng(), 2.0, TRAINING) for _ in range(2))
    assert first.text == again.text and np.array_equal(first.samples, again.samples)


def test_digits_are_brought_to_one_level_before_they_are_given_another() -> None:
    samples = Digits(CLIPS, [NOISE]).join(rng(), 3.0, PLAIN).samples
    loudness = [np.sqrt(np.mean(samples[at : at + SECOND // 4] ** 2)) for at in (9_000, 25_000)]
    assert loudness[0] == pytest.approx(loudness[1], rel=0.05)


def test_the_second_half_is_quieter_where_the_manner_says_so() -> None:
    manner = replace(PLAIN, loud_then_quiet_db=20)
    samples = Digits(CLIPS, [NOISE]).join(rng(), 6.0, manner).samples
    half = 3 * SECOND
    assert samples[:half].std() > 5 * samples[half + SECOND :].std()


def test_the_speaker_held_out_is_not_learned_from(tmp_path: Path) -> None:
    for folder in ("commands", "noise"):
        (tmp_path / folder).mkdir()
        names = {"a.flac": "train", "b.flac": "heldout"}
        lines = [{"audio": name, "text": name[0], "split": split} for name, split in names.items()]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / folder / "manifest.jsonl").write_text(text)
        for name in names:
            soundfile.write(tmp_path / folder / name, TONE, SECOND)
    for held_out, said in ((False, {"a"}), (True, {"b"})):
        joined = Digits.load(tmp_path, held_out=held_out).join(rng(), 4.0, PLAIN)
        assert set(joined.text.split()) == said


def test_digits_are_compared_one_by_one() -> None:
    assert digit_errors("one two three", "one three three") == Errors(3, 1, 0, 0)
    assert digit_errors("one two", "onetwo") == Errors(2, 1, 1, 0)


def test_a_recipe_outlives_its_file() -> None:
    facts = recipe(100)
    assert json.loads(json.dumps(facts)) == facts != recipe(200)
