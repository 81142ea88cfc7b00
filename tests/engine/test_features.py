"""Log-mel features: facts that need nothing else, and equality with the original extractors."""

import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from streamscribe.errors import BrokenModel
from streamscribe.features import MelFrontEnd, log_mel, mel_front_end
from streamscribe.json_fields import JsonObject
from streamscribe.model import Samples

Extract: TypeAlias = Callable[..., Any]

TOLERANCE = 1e-4
"""Of features that are scaled to a deviation of 1."""

COMMON: dict[str, Any] = {
    "mels": 80, "window_len": 400, "hop_len": 160, "fft_len": 512, "low_hz": 0.0,
    "high_hz": 8_000.0, "preemphasis": 0.97, "normalize_mean": True, "normalize_deviation": True,
}  # fmt: skip
MCTCT: dict[str, Any] = COMMON | {
    "window": "hamming", "centred": False, "gain": 32768.0, "remove_offset": False,
    "preemphasis_over": "frame", "power": 1, "mel_scale": "htk", "triangles_over_mel": False,
    "least": 1.0, "added": 0.0, "deviation": "population", "added_to_variance": 0.0,
    "added_to_deviation": 0.0, "stack": 1,
}  # fmt: skip
SEAMLESS: dict[str, Any] = COMMON | {
    "window": "povey", "centred": False, "gain": 32768.0, "remove_offset": True,
    "preemphasis_over": "frame", "power": 2, "mel_scale": "htk", "triangles_over_mel": True,
    "low_hz": 20.0, "least": 1.192092955078125e-07, "added": 0.0, "deviation": "sample",
    "added_to_variance": 1e-7, "added_to_deviation": 0.0, "stack": 2,
}  # fmt: skip
PARAKEET: dict[str, Any] = COMMON | {
    "window": "hann", "centred": True, "gain": 1.0, "remove_offset": False,
    "preemphasis_over": "signal", "power": 2, "mel_scale": "slaney", "triangles_over_mel": False,
    "least": 0.0, "added": 2.0**-24, "deviation": "sample", "added_to_variance": 0.0,
    "added_to_deviation": 1e-5, "stack": 1,
}  # fmt: skip
SPEECH_TO_TEXT: dict[str, Any] = SEAMLESS | {
    "deviation": "population", "added_to_variance": 0.0, "stack": 1,
}  # fmt: skip
ALL = {
    "mctct": MCTCT, "seamless": SEAMLESS, "parakeet": PARAKEET, "speech-to-text": SPEECH_TO_TEXT,
}  # fmt: skip
WHISPER: dict[str, Any] = PARAKEET | {
    "fft_len": 400, "preemphasis": 0.0, "least": 1e-10, "added": 0.0, "normalize_mean": False,
    "normalize_deviation": False, "periodic": True, "padding": "reflect", "logarithm": "decimal",
    "dynamic_range": 8.0, "shift": 4.0, "divisor": 4.0,
}  # fmt: skip

LENGTHS = [1_000, 8_001, 16_000, 16_159, 16_160, 33_333]


def noise(length: int, seed: int = 0) -> Samples:
    samples = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    samples[: length // 3] *= 0.01
    return samples


def tone(hz: float, length: int = 16_000) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(length) / 16_000)).astype(np.float32)


def read(fields: dict[str, Any]) -> MelFrontEnd:
    return mel_front_end(JsonObject(Path("bundle.json"), "front_end.mel", fields))


def raw(fields: dict[str, Any]) -> MelFrontEnd:
    """The same without scaling over the window."""
    return read(fields | {"normalize_mean": False, "normalize_deviation": False, "stack": 1})


@pytest.fixture(params=ALL)
def fields(request: pytest.FixtureRequest) -> dict[str, Any]:
    return ALL[request.param]


def test_a_frame_is_there_when_its_last_sample_is() -> None:
    mel = read(MCTCT)
    assert [mel.frames(length) for length in (399, 400, 559, 560)] == [0, 1, 1, 2]
    assert len(log_mel(noise(560), mel)) == 2


def test_a_centred_extractor_has_one_frame_for_every_hop() -> None:
    mel = read(PARAKEET)
    assert [len(log_mel(noise(length), mel)) for length in (159, 160, 1_600)] == [0, 1, 10]


def test_stacked_frames_lie_beside_each_other_and_an_odd_one_is_dropped() -> None:
    single = log_mel(noise(16_000), read(SEAMLESS | {"stack": 1}))
    stacked = log_mel(noise(16_000), read(SEAMLESS))
    assert (len(single), stacked.shape) == (98, (49, 160))
    assert np.array_equal(stacked.reshape(98, 80), single)
    assert log_mel(noise(16_160), read(SEAMLESS)).shape == (49, 160)


def test_a_louder_signal_has_higher_bands(fields: dict[str, Any]) -> None:
    quiet, loud = (log_mel(gain * noise(16_000), raw(fields)) for gain in (0.1, 1.0))
    step = fields["power"] * np.log(10)
    assert np.median(loud - quiet) == pytest.approx(step, rel=1e-3)


@pytest.mark.parametrize("hz", [300.0, 1_000.0, 3_000.0, 6_000.0])
def test_a_tone_is_loudest_in_the_band_of_its_pitch(fields: dict[str, Any], hz: float) -> None:
    loudest = log_mel(tone(hz), raw(fields)).mean(axis=0).argmax()
    above = log_mel(tone(hz * 1.25), raw(fields)).mean(axis=0).argmax()
    assert 0 <= loudest < above < 80


def test_each_band_has_zero_mean_and_unit_deviation_over_the_window(fields: dict[str, Any]) -> None:
    features = log_mel(noise(32_000), read(fields | {"stack": 1}))
    assert abs(features.mean(axis=0)).max() < 1e-5
    assert features.std(axis=0) == pytest.approx(1, abs=0.01)


def test_digital_silence_is_all_zeros(fields: dict[str, Any]) -> None:
    features = log_mel(np.zeros(16_000, dtype=np.float32), read(fields))
    assert features.size and np.isfinite(features).all()
    assert abs(features).max() < 1e-3


def test_a_window_too_short_for_a_deviation_is_finite(fields: dict[str, Any]) -> None:
    for length in range(0, 900, 50):
        assert np.isfinite(log_mel(noise(length), read(fields))).all()


def test_features_are_float32(fields: dict[str, Any]) -> None:
    assert log_mel(noise(8_000), read(fields)).dtype == np.float32


def test_a_manifest_may_not_leave_a_parameter_out(fields: dict[str, Any]) -> None:
    for name in fields:
        with pytest.raises(BrokenModel, match=f"front_end.mel.{name}"):
            read({key: value for key, value in fields.items() if key != name})


def test_a_manifest_may_leave_out_what_has_a_default() -> None:
    named = {
        "periodic": False, "padding": "zeros", "logarithm": "natural", "dynamic_range": 0.0,
        "shift": 0.0, "divisor": 1.0,
    }  # fmt: skip
    assert read(MCTCT) == read(MCTCT | named)


def test_a_band_lies_no_further_below_the_loudest_than_the_range() -> None:
    features = log_mel(np.append(tone(1_000.0), np.zeros(8_000, dtype=np.float32)), read(WHISPER))
    assert features.max() - features.min() == pytest.approx(8.0 / 4.0)


def test_digital_silence_is_the_least_there_is() -> None:
    features = log_mel(np.zeros(16_000, dtype=np.float32), read(WHISPER))
    assert features == pytest.approx((-10.0 + 4.0) / 4.0)


def test_the_mirror_is_as_loud_as_the_audio() -> None:
    from_its_peak = tone(1_000.0)[4:]
    features = log_mel(from_its_peak, read(WHISPER)).max(axis=1)
    zeros = log_mel(from_its_peak, read(WHISPER | {"padding": "zeros"})).max(axis=1)
    assert features[0] == pytest.approx(features[10], abs=1e-3)
    assert zeros[0] < features[0] - 0.1
    assert np.array_equal(zeros[2:-1], features[2:-1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", "boxcar"),
        ("window_len", 513),
        ("power", 3),
        ("high_hz", 8_001),
        ("extra", 1),
        ("periodic", 1),
        ("padding", "edge"),
        ("logarithm", "binary"),
        ("dynamic_range", -1.0),
        ("shift", None),
        ("divisor", 0.0),
    ],
)
def test_a_parameter_that_is_not_allowed_is_refused(name: str, value: object) -> None:
    with pytest.raises(BrokenModel, match=f"front_end.mel.{name}"):
        read(MCTCT | {name: value})


def test_the_parameters_survive_json(fields: dict[str, Any]) -> None:
    assert read(json.loads(json.dumps(fields))) == read(fields)


@pytest.mark.parametrize("length", LENGTHS)
def test_equal_to_the_original_of_m_ctc_t(length: int) -> None:
    pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.models.deprecated.mctct import MCTCTFeatureExtractor
    build: Extract = MCTCTFeatureExtractor
    theirs = build()(noise(length), sampling_rate=16_000).input_features[0]
    assert_equal(log_mel(noise(length), read(MCTCT)), np.asarray(theirs))


@pytest.mark.parametrize("length", LENGTHS)
def test_equal_to_the_original_of_seamless_m4t(length: int) -> None:
    pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import SeamlessM4TFeatureExtractor
    build: Extract = SeamlessM4TFeatureExtractor
    out = build()(noise(length), sampling_rate=16_000, return_tensors="np")
    heard = int(out.attention_mask[0].sum())  # a frame filled up with padding is masked out
    assert_equal(log_mel(noise(length), read(SEAMLESS)), out.input_features[0, :heard])


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("length", LENGTHS)
def test_equal_to_the_original_of_parakeet(
    length: int, mels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    extractor = parakeet_extractor(mels, monkeypatch)
    out = extractor([noise(length)], sampling_rate=16_000)
    heard = int(out.attention_mask[0].sum())
    theirs = out.input_features[0, :heard].numpy()
    assert_equal(log_mel(noise(length), read(PARAKEET | {"mels": mels})), theirs)


def parakeet_extractor(mels: int, monkeypatch: pytest.MonkeyPatch) -> Extract:
    """The original, with the same filters from a library that is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.audio_utils import mel_filter_bank

        original = import_module("transformers.models.parakeet.feature_extraction_parakeet")

    def filters(
        *, sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, norm: str
    ) -> npt.NDArray[np.float32]:
        bank = mel_filter_bank(
            num_frequency_bins=n_fft // 2 + 1, num_mel_filters=n_mels, norm=norm,
            min_frequency=fmin, max_frequency=fmax, sampling_rate=sr, mel_scale="slaney",
        )  # fmt: skip
        return np.asarray(bank.T, dtype=np.float32)

    librosa = SimpleNamespace(filters=SimpleNamespace(mel=filters))
    monkeypatch.setattr(original, "librosa", librosa, raising=False)
    extract: Extract = original.ParakeetFeatureExtractor(feature_size=mels)
    return extract


def assert_equal(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32]) -> None:
    assert ours.shape == theirs.shape
    assert abs(ours - theirs).max() <= TOLERANCE * max(1.0, float(abs(theirs).max()))
