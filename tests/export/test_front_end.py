"""Front-ends of encoder-decoder checkpoints: equal to the originals, on speech too."""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamscribe.features import log_mel, mel_front_end
from streamscribe.json_fields import JsonObject
from streamscribe.model import Samples
from streamscribe_export.checkpoint import quiet
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.front_end import speech_to_text_mel, whisper_mel
from streamscribe_export.signals import babble, speech_sample

TOLERANCE = 1e-4
EXACT = 1e-6
"""Of an original that computes in double precision too."""

LENGTHS = [1_000, 8_001, 16_000, 16_159, 16_160, 33_333]


def speech() -> Samples:
    samples = speech_sample()
    assert samples is not None
    return samples


def tone_over_hiss() -> Samples:
    """A loud tone and bands that are 80 dB quieter: hard for single precision."""
    tone = 0.9 * np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    hiss = np.random.default_rng(0).normal(0, 1e-4, 16_000)
    return np.asarray(tone + hiss, dtype=np.float32)


def silence_then_speech() -> Samples:
    return np.concatenate([np.zeros(8_000, dtype=np.float32), speech()[:24_001]])


SIGNALS: dict[str, Callable[[], Samples]] = {
    "speech": speech, "silence then speech": silence_then_speech,
} | {f"babble of {length}": partial(babble, length) for length in LENGTHS}  # fmt: skip


@pytest.fixture(params=SIGNALS)
def samples(request: pytest.FixtureRequest) -> Samples:
    return SIGNALS[request.param]()


def whisper(**asked: Any) -> Any:  # noqa: ANN401
    with quiet():
        from transformers import WhisperFeatureExtractor

        return WhisperFeatureExtractor(**asked)


def speech_to_text(**asked: Any) -> Any:  # noqa: ANN401
    with quiet():
        from transformers import Speech2TextFeatureExtractor

        return Speech2TextFeatureExtractor(**asked)


def distance(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> float:
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    return float(abs(ours - theirs).max())


@pytest.mark.parametrize("mels", [80, 128])
def test_equal_to_whispers_own_in_numpy(samples: Samples, mels: int) -> None:
    extractor = whisper(feature_size=mels)
    (theirs,) = extractor._np_extract_fbank_features(samples[np.newaxis], "cpu")
    assert distance(log_mel(samples, whisper_mel(extractor.to_dict())), theirs.T) < EXACT


@pytest.mark.parametrize("length", [160, 199, 200, 201, 320])
def test_equal_to_whispers_own_where_the_mirror_is_as_long_as_the_audio(length: int) -> None:
    samples = babble(length)
    (theirs,) = whisper()._np_extract_fbank_features(samples[np.newaxis], "cpu")
    assert distance(log_mel(samples, whisper_mel({})), theirs.T) < EXACT


def test_equal_to_whispers_own_where_bands_are_far_apart() -> None:
    samples, extractor = tone_over_hiss(), whisper()
    (theirs,) = extractor._np_extract_fbank_features(samples[np.newaxis], "cpu")
    assert distance(log_mel(samples, whisper_mel({})), theirs.T) < EXACT


@pytest.mark.parametrize("mels", [80, 128])
def test_equal_to_whispers_own_as_it_is_called(samples: Samples, mels: int) -> None:
    extractor = whisper(feature_size=mels)
    heard = extractor(samples, sampling_rate=16_000, padding=False, return_tensors="np")
    ours = log_mel(samples, whisper_mel(extractor.to_dict()))
    assert distance(ours, heard.input_features[0].T) < TOLERANCE


def test_equal_to_whispers_own_with_silence_up_to_its_window() -> None:
    samples = speech()
    extractor = whisper()
    heard = extractor(samples, sampling_rate=16_000, return_tensors="np").input_features[0].T
    tail = np.zeros(30 * 16_000 - len(samples), dtype=np.float32)
    ours = log_mel(np.concatenate([samples, tail]), whisper_mel({}))
    assert distance(ours, heard) < TOLERANCE


@pytest.mark.parametrize(
    "asked",
    [{}, {"num_mel_bins": 40, "feature_size": 40}, {"normalize_means": False},
     {"normalize_vars": False}, {"do_ceptral_normalize": False}],
)  # fmt: skip
def test_equal_to_speech_to_texts_own(samples: Samples, asked: dict[str, Any]) -> None:
    extractor = speech_to_text(**asked)
    heard = extractor(samples, sampling_rate=16_000, return_tensors="np")
    theirs = heard.input_features[0]
    ours = log_mel(samples, speech_to_text_mel(extractor.to_dict()))
    assert distance(ours, theirs) < TOLERANCE * max(1.0, float(abs(theirs).max()))


def test_what_a_configuration_leaves_out_has_the_extractors_default() -> None:
    assert whisper_mel({}) == whisper_mel(whisper().to_dict())
    assert speech_to_text_mel({}) == speech_to_text_mel(speech_to_text().to_dict())


@pytest.mark.parametrize(
    ("name", "value"),
    [("feature_extractor_type", "Other"), ("sampling_rate", 8_000), ("dither", 1.0)],
)
def test_what_is_not_done_is_refused(name: str, value: object) -> None:
    for read in (whisper_mel, speech_to_text_mel):
        with pytest.raises(UnsupportedCheckpoint, match=name):
            read({name: value})


def test_a_window_filled_up_with_anything_but_silence_is_refused() -> None:
    with pytest.raises(UnsupportedCheckpoint, match="padding_value"):
        whisper_mel({"padding_value": 1.0})


def test_a_bundle_states_the_same_front_end() -> None:
    for mel in (whisper_mel({"feature_size": 128}), speech_to_text_mel({})):
        fields = json.loads(json.dumps(dataclasses.asdict(mel)))
        assert mel_front_end(JsonObject(Path("bundle.json"), "front_end.mel", fields)) == mel
