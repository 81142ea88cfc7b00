"""Everything the engine raises on purpose.

::

    StreamscribeError
    ├── AudioError                 the caller's audio
    │   ├── UnsupportedEncoding
    │   ├── UnsupportedRate
    │   ├── UnsupportedChannels
    │   ├── IncompleteSample       the stream ended inside a sample
    │   ├── InvalidSample          NaN or infinite
    │   └── BacklogExceeded        more audio than may wait
    ├── OptionError                a setting outside what is allowed
    │   └── UnsupportedLanguage
    ├── DeviceUnavailable          what a model was to run on
    └── BundleError                the model's files
        ├── UnknownModel
        ├── ModelMissing           known, but not on this machine
        ├── HashMismatch
        ├── UnsupportedSchema      made for a later version
        ├── ConverterMissing       a model with a recipe, and nothing installed that follows it
        ├── NoRoom                 it does not fit on the disk
        └── BrokenModel            the files are there and can't be used

Each message says what was wrong, what was got and what is allowed. ``code`` is the stable
name that goes over the wire.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar


class StreamscribeError(Exception):
    """Base of all errors that the engine raises on purpose."""

    code: ClassVar[str] = "internal"


class AudioError(StreamscribeError):
    """The caller's audio can't be used."""

    code = "invalid_audio"


class UnsupportedEncoding(AudioError):
    """The declared encoding is not one of ours."""

    code = "unsupported_encoding"

    def __init__(self, *, got: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"encoding {got!r} is not supported; allowed: {', '.join(allowed)}")


class UnsupportedRate(AudioError):
    """The declared sample rate is outside the range."""

    code = "unsupported_rate"

    def __init__(self, *, got_hz: object, allowed_hz: tuple[int, int]) -> None:
        low, high = allowed_hz
        super().__init__(f"sample rate {got_hz!r} Hz is not supported; allowed: {low} to {high} Hz")


class UnsupportedChannels(AudioError):
    """The declared channel count is not one of ours."""

    code = "unsupported_channels"

    def __init__(self, *, got: object, allowed: tuple[int, ...]) -> None:
        choices = " or ".join(str(count) for count in allowed)
        super().__init__(f"{got!r} channels are not supported; allowed: {choices}")


class IncompleteSample(AudioError):
    """The stream ended in the middle of a sample."""

    code = "incomplete_sample"

    def __init__(self, *, left_bytes: int, frame_bytes: int) -> None:
        super().__init__(
            f"the audio ended inside a sample: {left_bytes} bytes are left over,"
            f" but one sample of every channel takes {frame_bytes}"
        )


class InvalidSample(AudioError):
    """A float sample is NaN or infinite."""

    code = "invalid_sample"

    def __init__(self, *, got: float, at: int) -> None:
        super().__init__(f"sample {at} is {got}; allowed: finite numbers, nominally in [-1, 1]")


class BacklogExceeded(AudioError):
    """More audio arrived than may wait to be transcribed."""

    code = "backlog_exceeded"

    def __init__(self, *, got_len: int, allowed_len: int) -> None:
        super().__init__(
            f"{got_len} samples of audio would be waiting; allowed: {allowed_len} samples at 16 kHz"
        )


class OptionError(StreamscribeError):
    """A setting is outside what is allowed."""

    code = "invalid_option"

    def __init__(self, *, name: str, got: object, allowed: str) -> None:
        super().__init__(f"option {name!r} is {got!r}; allowed: {allowed}")


class UnsupportedLanguage(OptionError):
    """The model does not know the language."""

    code = "unsupported_language"

    def __init__(self, *, got: str, allowed: Sequence[str], model: str) -> None:
        known = f"{', '.join(allowed)}: the languages of {model}"
        super().__init__(name="language", got=got, allowed=known)


class DeviceUnavailable(StreamscribeError):
    """What the model was to run on can't be had here. Nothing else is taken in its place."""

    code = "device_unavailable"

    def __init__(self, *, device: str, why: str, there: str, mend: str) -> None:
        super().__init__(f"device {device} can't be used: {why}; here are {there}; {mend}")


class BundleError(StreamscribeError):
    """The model's files can't be used."""

    code = "model_unavailable"


class UnknownModel(BundleError):
    """No model has this name."""

    code = "unknown_model"

    def __init__(self, *, got: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"no model is called {got!r}; known: {', '.join(allowed)}")


class ModelMissing(BundleError):
    """A known model's files are not on this machine."""

    code = "model_missing"


class HashMismatch(BundleError):
    """A model file is not the file that the bundle names."""

    code = "hash_mismatch"

    def __init__(self, *, path: str, got: str, expected: str) -> None:
        super().__init__(f"{path} has sha256 {got}, but the bundle expects {expected}")


class UnsupportedSchema(BundleError):
    """A bundle was written for a later version of this program."""

    code = "unsupported_schema"

    def __init__(self, manifest: str, *, got: int, newest: int) -> None:
        super().__init__(
            f"{manifest} has schema {got}; allowed: up to {newest};"
            " a newer streamscribe may read it"
        )


class ConverterMissing(BundleError):
    """What a recipe's converter needs is not installed."""

    code = "converter_missing"


class NoRoom(BundleError):
    """The model does not fit on the disk."""

    code = "no_room"

    def __init__(self, *, name: str, folder: Path, free: int, needed: int) -> None:
        super().__init__(
            f"no room for {name}: {free / 1e6:.0f} MB are free in {folder}; making it may need"
            f" {needed / 1e6:.0f} MB there for a while"
        )


class BrokenModel(BundleError):
    """The model's files are there, but the runtime can't load them."""

    code = "broken_model"
