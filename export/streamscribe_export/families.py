"""The families of checkpoints: how each is recognised, and how it cuts samples into frames.

Every family's frames come from a chain of windows, each over the output of the one before:
convolutions, the mel front-end, stacking, subsampling. Such a chain is again one window with one
stride, so two numbers say which frame hears which samples (:func:`geometry`). Padding widens what
a window is given, which is the same as a shorter window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from streamscribe.features import MelFrontEnd
from streamscribe_export.errors import NoCtcHead, UnknownFamily

Config: TypeAlias = Any
"""A checkpoint's configuration object; its classes share no useful base."""
Window: TypeAlias = tuple[int, int]
"""Length, less the padding of both sides, and stride."""


@dataclass(frozen=True, slots=True)
class CheckpointFamily:
    """What checkpoints of one ``model_type`` have in common."""

    architecture: str
    """As a bundle states it."""
    model_class: str
    """In transformers."""
    windows: Callable[[Config], list[Window]]
    """What follows the samples, or the features where there are some."""
    takes_features: bool = False

    @property
    def has_ctc_head(self) -> bool:
        """Whether every frame says a token; else a decoder writes."""
        return self.model_class.endswith("ForCTC")

    @property
    def ears(self) -> str:
        """The architecture whose feature extractor it has."""
        return self.architecture

    @property
    def input_name(self) -> str:
        """The graph's only input."""
        return "input_features" if self.takes_features else "input_values"


def _convolutions(config: Config) -> list[Window]:
    """The feature encoder; SEW squeezes in between, but unfolds to the same frames again."""
    windows = list(zip(config.conv_kernel, config.conv_stride, strict=True))
    return windows + _adapter(config, padding=1)


def _adapter(config: Config, padding: int) -> list[Window]:
    if not getattr(config, "add_adapter", False):
        return []
    window = config.adapter_kernel_size - 2 * padding, config.adapter_stride
    return [window] * config.num_adapter_layers


def _mctct(config: Config) -> list[Window]:
    """All padding is put around the first of them."""
    windows = list(zip(config.conv_kernel, config.conv_stride, strict=True))
    padding = sum(kernel // 2 for kernel in config.conv_kernel)
    (kernel, stride), *rest = windows
    return [(kernel - 2 * padding, stride), *rest]


def _wav2vec2_bert(config: Config) -> list[Window]:
    padding = config.adapter_stride // 2 if config.add_adapter else 0
    return _adapter(config, padding)


def _parakeet(config: Config) -> list[Window]:
    encoder = config.encoder_config
    kernel, stride = encoder.subsampling_conv_kernel_size, encoder.subsampling_conv_stride
    layers = encoder.subsampling_factor.bit_length() - 1
    return [(kernel - 2 * ((kernel - 1) // 2), stride)] * layers


FAMILIES: Final = {
    "wav2vec2": CheckpointFamily("wav2vec2", "Wav2Vec2ForCTC", _convolutions),
    "wav2vec2-conformer": CheckpointFamily(
        "wav2vec2-conformer", "Wav2Vec2ConformerForCTC", _convolutions
    ),
    "hubert": CheckpointFamily("hubert", "HubertForCTC", _convolutions),
    "sew": CheckpointFamily("sew", "SEWForCTC", _convolutions),
    "sew-d": CheckpointFamily("sew-d", "SEWDForCTC", _convolutions),
    "wavlm": CheckpointFamily("wavlm", "WavLMForCTC", _convolutions),
    "unispeech": CheckpointFamily("unispeech", "UniSpeechForCTC", _convolutions),
    "unispeech-sat": CheckpointFamily("unispeech-sat", "UniSpeechSatForCTC", _convolutions),
    "data2vec-audio": CheckpointFamily("data2vec-audio", "Data2VecAudioForCTC", _convolutions),
    "mctct": CheckpointFamily("mctct", "MCTCTForCTC", _mctct, takes_features=True),
    "wav2vec2-bert": CheckpointFamily(
        "wav2vec2-bert", "Wav2Vec2BertForCTC", _wav2vec2_bert, takes_features=True
    ),
    "parakeet_ctc": CheckpointFamily("parakeet", "ParakeetForCTC", _parakeet, takes_features=True),
}
"""By ``model_type``."""


def detect(config: dict[str, Any]) -> CheckpointFamily:
    """The family that a ``config.json`` states."""
    model_type = config.get("model_type")
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        raise UnknownFamily(got=model_type, known=sorted(FAMILIES))
    stated = config.get("architectures")
    architectures = [str(name) for name in stated] if isinstance(stated, list) else []
    if family.model_class not in architectures:
        raise NoCtcHead(got=architectures, allowed=family.model_class)
    return family


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which samples a frame of log-probabilities hears at least."""

    receptive_field_len: int
    """Samples that the first frame needs."""
    stride_len: int
    """Samples between the starts of two frames."""

    def frames(self, sample_len: int) -> int:
        """Frames that ``sample_len`` samples give."""
        return max(0, (sample_len - self.receptive_field_len) // self.stride_len + 1)

    def samples(self, frames: int) -> int:
        """The fewest samples that give ``frames``, at least 1."""
        return self.receptive_field_len + (frames - 1) * self.stride_len


def geometry(family: CheckpointFamily, config: Config, mel: MelFrontEnd | None) -> Geometry:
    """The whole chain, from samples to log-probabilities, as one window."""
    windows = family.windows(config)
    if mel is not None:
        first = mel.hop_len if mel.centred else mel.window_len
        windows = [(first, mel.hop_len), (mel.stack, mel.stack), *windows]
    return _chained(windows)


def _chained(windows: Sequence[Window]) -> Geometry:
    length, stride = 1, 1
    for window_len, window_stride in windows:
        length += (window_len - 1) * stride
        stride *= window_stride
    return Geometry(length, stride)
