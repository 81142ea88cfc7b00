"""What the checkpoint's feature extractor does to samples, as a bundle states it.

The facts are read from ``preprocessor_config.json`` alone. What it leaves out has the default of
the extractor that it names.
"""

import dataclasses
from dataclasses import dataclass, replace
from typing import Any, Final

from streamscribe.features import MelFrontEnd
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.families import CheckpointFamily, Geometry

SAMPLE_RATE: Final = 16_000

_SCALED: Final[dict[str, Any]] = {
    "low_hz": 0.0, "high_hz": SAMPLE_RATE / 2, "normalize_mean": True, "normalize_deviation": True,
}  # fmt: skip


_KALDI: Final = MelFrontEnd(
    mels=80,
    window="povey",
    window_len=400,
    hop_len=160,
    fft_len=512,
    centred=False,
    gain=32768.0,
    remove_offset=True,
    preemphasis=0.97,
    preemphasis_over="frame",
    power=2,
    mel_scale="htk",
    triangles_over_mel=True,
    least=1.192092955078125e-07,
    added=0.0,
    deviation="population",
    added_to_variance=0.0,
    added_to_deviation=0.0,
    stack=1,
    **_SCALED | {"low_hz": 20.0},
)
"""The filter bank of Kaldi, which several extractors scale each in their own way."""


@dataclass(frozen=True, slots=True)
class FrontEndFacts:
    """The front-end, but for the frames that follow it."""

    normalize: bool
    """Waveforms only: to zero mean and unit variance over the window."""
    mel: MelFrontEnd | None

    def as_json(self, geometry: Geometry) -> dict[str, Any]:
        """The object ``front_end`` of a bundle."""
        facts: dict[str, Any] = {
            "features": "waveform" if self.mel is None else "log-mel",
            "receptive_field_len": geometry.receptive_field_len,
            "stride_len": geometry.stride_len,
        }
        if self.mel is None:
            return facts | {"normalize": self.normalize}
        return facts | {"mel": dataclasses.asdict(self.mel)}


def read_front_end(fields: dict[str, Any], family: CheckpointFamily) -> FrontEndFacts:
    """The facts in a ``preprocessor_config.json``."""
    rate = fields.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise UnsupportedCheckpoint(
            f"the checkpoint hears {rate} samples a second; allowed: {SAMPLE_RATE}"
        )
    if not family.takes_features:
        extractor, normalizes = _WAVEFORM.get(family.ears, _USUAL_WAVEFORM)
        _expect(fields, extractor, family)
        return FrontEndFacts(normalize=bool(fields.get("do_normalize", normalizes)), mel=None)
    extractor, read = _MEL[family.ears]
    _expect(fields, extractor, family)
    return FrontEndFacts(normalize=False, mel=read(fields))


def _expect(fields: dict[str, Any], extractor: str, family: CheckpointFamily) -> None:
    got = fields.get("feature_extractor_type", extractor)
    if got != extractor:
        raise UnsupportedCheckpoint(
            f"a checkpoint of the family {family.architecture} has a {got}; allowed: {extractor}"
        )


def _allow_only(fields: dict[str, Any], name: str, allowed: object) -> None:
    """Refuse any other value than the extractor's default."""
    got = fields.get(name, allowed)
    if got != allowed:
        raise UnsupportedCheckpoint(f"{name} is {got!r}; allowed: {allowed!r}")


def _mctct(fields: dict[str, Any]) -> MelFrontEnd:
    _allow_only(fields, "win_function", "hamming_window")
    window_len = fields.get("win_length", 25) * SAMPLE_RATE // 1000
    return MelFrontEnd(
        mels=fields.get("feature_size", 80),
        window="hamming",
        window_len=window_len,
        hop_len=fields.get("hop_length", 10) * SAMPLE_RATE // 1000,
        fft_len=1 << (window_len - 1).bit_length(),
        centred=False,
        gain=float(fields.get("frame_signal_scale", 32768.0)),
        remove_offset=False,
        preemphasis=float(fields.get("preemphasis_coeff", 0.97)),
        preemphasis_over="frame",
        power=1,
        mel_scale="htk",
        triangles_over_mel=False,
        least=float(fields.get("mel_floor", 1.0)),
        added=0.0,
        deviation="population",
        added_to_variance=0.0,
        added_to_deviation=0.0,
        stack=1,
        **_SCALED
        | {
            "normalize_mean": bool(fields.get("normalize_means", True)),
            "normalize_deviation": bool(fields.get("normalize_vars", True)),
        },
    )


def _seamless(fields: dict[str, Any]) -> MelFrontEnd:
    return replace(
        _KALDI,
        mels=fields.get("num_mel_bins", 80),
        deviation="sample",
        added_to_variance=1e-7,
        stack=fields.get("stride", 2),
    )


def _parakeet(fields: dict[str, Any]) -> MelFrontEnd:
    return MelFrontEnd(
        mels=fields.get("feature_size", 80),
        window="hann",
        window_len=fields.get("win_length", 400),
        hop_len=fields.get("hop_length", 160),
        fft_len=fields.get("n_fft", 512),
        centred=True,
        gain=1.0,
        remove_offset=False,
        preemphasis=float(fields.get("preemphasis", 0.97) or 0.0),
        preemphasis_over="signal",
        power=2,
        mel_scale="slaney",
        triangles_over_mel=False,
        least=0.0,
        added=2.0**-24,
        deviation="sample",
        added_to_variance=0.0,
        added_to_deviation=1e-5,
        stack=1,
        **_SCALED,
    )


def whisper_mel(fields: dict[str, Any]) -> MelFrontEnd:
    """The extractor of Whisper, as its ``preprocessor_config.json`` states it."""
    _allow_only(fields, "feature_extractor_type", "WhisperFeatureExtractor")
    _allow_only(fields, "sampling_rate", SAMPLE_RATE)
    _allow_only(fields, "dither", 0.0)
    _allow_only(fields, "padding_value", 0.0)
    fft_len = fields.get("n_fft", 400)
    return MelFrontEnd(
        mels=fields.get("feature_size", 80),
        window="hann",
        window_len=fft_len,
        hop_len=fields.get("hop_length", 160),
        fft_len=fft_len,
        centred=True,
        gain=1.0,
        remove_offset=False,
        preemphasis=0.0,
        preemphasis_over="frame",
        power=2,
        mel_scale="slaney",
        triangles_over_mel=False,
        least=1e-10,
        added=0.0,
        deviation="population",
        added_to_variance=0.0,
        added_to_deviation=0.0,
        stack=1,
        periodic=True,
        padding="reflect",
        logarithm="decimal",
        dynamic_range=8.0,
        shift=4.0,
        divisor=4.0,
        **_SCALED | {"normalize_mean": False, "normalize_deviation": False},
    )


def speech_to_text_mel(fields: dict[str, Any]) -> MelFrontEnd:
    """The extractor of Speech2Text, as its ``preprocessor_config.json`` states it."""
    _allow_only(fields, "feature_extractor_type", "Speech2TextFeatureExtractor")
    _allow_only(fields, "sampling_rate", SAMPLE_RATE)
    _allow_only(fields, "dither", 0.0)
    scales = bool(fields.get("do_ceptral_normalize", True))
    return replace(
        _KALDI,
        mels=fields.get("num_mel_bins", 80),
        normalize_mean=scales and bool(fields.get("normalize_means", True)),
        normalize_deviation=scales and bool(fields.get("normalize_vars", True)),
    )


_USUAL_WAVEFORM: Final = ("Wav2Vec2FeatureExtractor", True)
_WAVEFORM: Final = {"speecht5": ("SpeechT5FeatureExtractor", False)}
"""By architecture: the extractor, and whether it scales samples where its file doesn't say."""
_MEL: Final = {
    "mctct": ("MCTCTFeatureExtractor", _mctct),
    "wav2vec2-bert": ("SeamlessM4TFeatureExtractor", _seamless),
    "parakeet": ("ParakeetFeatureExtractor", _parakeet),
    "speech-to-text": ("Speech2TextFeatureExtractor", speech_to_text_mel),
}
