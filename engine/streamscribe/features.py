"""Log-mel features, as the checkpoints' own feature extractors compute them, in numpy alone.

A window of samples is cut into overlapping frames; each frame's spectrum is summed into bands that
lie as far apart as the ear hears them, and the logarithm is scaled over the window. Extractors
differ in every detail of that, and an encoder works only with the one it was trained with. So
:class:`MelFrontEnd` has a field for each difference, and a bundle states them all.

Highest value, mean and deviation are those of the window: the same audio in a longer window has
other features. Before that is :func:`log_bands`, where a frame depends on what it hears alone.
"""

from dataclasses import MISSING, dataclass, replace
from dataclasses import fields as fields_of
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from streamscribe.json_fields import JsonObject
from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE

Features: TypeAlias = npt.NDArray[np.float32]
"""(frames, mels * stack)."""
Bands: TypeAlias = npt.NDArray[np.float64]
"""(frames, mels): logarithms, not scaled yet."""
_Array: TypeAlias = npt.NDArray[np.float64]
_Signal: TypeAlias = npt.NDArray[np.floating]

WINDOWS: Final = ("hamming", "hann", "povey")
SCALES: Final = ("htk", "slaney")
SCOPES: Final = ("frame", "signal")
DEVIATIONS: Final = ("population", "sample")
PADDINGS: Final = ("zeros", "reflect")
LOGARITHMS: Final = ("natural", "decimal")

_ROUNDING: Final = 1e-9
"""Equal values may seem to deviate so far from their mean."""


BLOCK_ROWS: Final = 16
"""Few enough for a product that is not worth threads."""


@dataclass(frozen=True, slots=True)
class MelFrontEnd:
    """Every parameter of a log-mel extractor."""

    mels: int
    """Bands."""
    window: str
    """Shape of the window; ``povey`` is ``hann`` to the power of 0.85."""
    window_len: int
    """Samples of one frame."""
    hop_len: int
    """Samples between the starts of two frames."""
    fft_len: int
    centred: bool
    """Whether frame i is centred on sample ``i * hop_len``; otherwise it begins there."""
    gain: float
    """What samples are multiplied by; 32768 for extractors that expect 16-bit numbers."""
    remove_offset: bool
    """Whether each frame's mean is subtracted from it."""
    preemphasis: float
    """How much of the sample before is subtracted from each."""
    preemphasis_over: str
    """``frame``: the first sample of a frame has itself before it; ``signal``: it has none."""
    power: int
    """1 to sum magnitudes into bands, 2 to sum their squares."""
    mel_scale: str
    """``slaney``: linear below 1 kHz, and each band divided by its width."""
    triangles_over_mel: bool
    """Whether bands are triangles over mels; otherwise over hertz."""
    low_hz: float
    high_hz: float
    least: float
    """No band counts as less."""
    added: float
    """Added to each band before the logarithm."""
    normalize_mean: bool
    """Whether each band has zero mean over the window."""
    normalize_deviation: bool
    """Whether each band has unit deviation over the window."""
    deviation: str
    """``population``: over all frames; ``sample``: over one less."""
    added_to_variance: float
    added_to_deviation: float
    stack: int
    """Frames put beside each other into one; those left over at the end are dropped."""
    periodic: bool = False
    """Whether the window's shape would repeat after ``window_len``; otherwise it is symmetric."""
    padding: str = "zeros"
    """What centred frames hear outside the audio; ``reflect``: the audio, mirrored at its ends."""
    logarithm: str = "natural"
    """``decimal``: to the base of 10."""
    dynamic_range: float = 0.0
    """No value of a window lies further below its highest; 0 for any distance."""
    shift: float = 0.0
    """Added to each value when all else is done, before the division."""
    divisor: float = 1.0

    @property
    def lead_len(self) -> int:
        """Samples that frame i hears before sample ``i * hop_len``."""
        return self.window_len // 2 if self.centred else 0

    def frames(self, sample_len: int) -> int:
        """Frames before stacking."""
        if self.centred:
            return sample_len // self.hop_len
        return max(0, (sample_len - self.window_len) // self.hop_len + 1)


_DEFAULTS: Final[dict[str, object]] = {
    field.name: field.default for field in fields_of(MelFrontEnd) if field.default is not MISSING
}
"""What a manifest may leave out."""


def mel_front_end(fields: JsonObject) -> MelFrontEnd:
    """The object ``front_end.mel`` of a bundle; ``BrokenModel`` for what is not allowed."""
    fields.only(list(MelFrontEnd.__dataclass_fields__))
    fields = replace(fields, values=_DEFAULTS | fields.values)
    fft_len = fields.integer("fft_len", 2, 1 << 16)
    return MelFrontEnd(
        mels=fields.integer("mels", 1, 1_000),
        window=fields.choice("window", WINDOWS),
        window_len=fields.integer("window_len", 2, fft_len),
        hop_len=fields.integer("hop_len", 1, 1 << 16),
        fft_len=fft_len,
        centred=fields.flag("centred"),
        gain=fields.number("gain", 1e-6, 1e6),
        remove_offset=fields.flag("remove_offset"),
        preemphasis=fields.number("preemphasis", 0.0, 1.0),
        preemphasis_over=fields.choice("preemphasis_over", SCOPES),
        power=fields.integer("power", 1, 2),
        mel_scale=fields.choice("mel_scale", SCALES),
        triangles_over_mel=fields.flag("triangles_over_mel"),
        low_hz=fields.number("low_hz", 0.0, SAMPLE_RATE / 2),
        high_hz=fields.number("high_hz", 1.0, SAMPLE_RATE / 2),
        least=fields.number("least", 0.0, 1e6),
        added=fields.number("added", 0.0, 1e6),
        normalize_mean=fields.flag("normalize_mean"),
        normalize_deviation=fields.flag("normalize_deviation"),
        deviation=fields.choice("deviation", DEVIATIONS),
        added_to_variance=fields.number("added_to_variance", 0.0, 1.0),
        added_to_deviation=fields.number("added_to_deviation", 0.0, 1.0),
        stack=fields.integer("stack", 1, 100),
        periodic=fields.flag("periodic"),
        padding=fields.choice("padding", PADDINGS),
        logarithm=fields.choice("logarithm", LOGARITHMS),
        dynamic_range=fields.number("dynamic_range", 0.0, 1e3),
        shift=fields.number("shift", -1e3, 1e3),
        divisor=fields.number("divisor", 1e-3, 1e3),
    )


def log_mel(samples: Samples, mel: MelFrontEnd) -> Features:
    """Features of one window, (n,) float32 in [-1, 1] at 16 kHz.

    Always finite: of a window too short for a deviation, and of digital silence, all are 0.
    """
    return scaled(log_bands(samples, mel), mel)


def log_bands(samples: Samples, mel: MelFrontEnd, first: int = 0, end: int | None = None) -> Bands:
    """Frames of one window from ``first`` up to and without ``end``: (end - first, mels).

    A frame that reaches beyond no end of the window is the same in every window that has it, but
    for the last bits, and but for preemphasis over the signal.
    """
    end = mel.frames(len(samples)) if end is None else end
    if end <= first:
        return np.zeros((0, mel.mels))
    spectrum = np.fft.rfft(_windowed(samples, mel, first, end), mel.fft_len)
    if mel.power == 2:
        strength = np.square(spectrum.real) + np.square(spectrum.imag)
    else:
        strength = np.abs(spectrum)
    bands = np.maximum(_in_blocks(strength, _filter_bank(mel)), mel.least) + mel.added
    log = np.log10 if mel.logarithm == "decimal" else np.log
    return np.asarray(log(bands, out=bands))


def _in_blocks(left: _Array, right: _Array) -> _Array:
    """``left @ right``, a few rows at a time.

    A larger product is shared out by numpy's library to threads of its own. They wait for more for
    a while, and take the cores away from the model, whose call comes next.
    """
    whole = len(left) - len(left) % BLOCK_ROWS
    blocks = left[:whole].reshape(-1, BLOCK_ROWS, left.shape[1])
    product = (blocks @ right).reshape(whole, right.shape[1])
    return np.concatenate((product, left[whole:] @ right))


def scaled(bands: Bands, mel: MelFrontEnd) -> Features:
    """Features of the window that has these frames."""
    whole = len(bands) - len(bands) % mel.stack
    if not whole:
        return np.zeros((0, mel.mels * mel.stack), dtype=np.float32)
    if mel.dynamic_range:
        bands = np.maximum(bands, bands.max() - mel.dynamic_range)
    values = (_normalized(bands, mel) + mel.shift) / mel.divisor
    return values[:whole].reshape(whole // mel.stack, -1).astype(np.float32)


def _windowed(samples: Samples, mel: MelFrontEnd, first: int, end: int) -> _Array:
    """(end - first, window_len): what each frame hears, in the window's shape."""
    heard = _heard(_emphasized(samples, mel), mel, first, end).astype(np.float64) * mel.gain
    cut = np.lib.stride_tricks.sliding_window_view(heard, mel.window_len)[:: mel.hop_len]
    if mel.remove_offset:
        cut = cut - cut.mean(axis=1, keepdims=True)
    if mel.preemphasis and mel.preemphasis_over == "frame":
        cut = cut - mel.preemphasis * np.concatenate([cut[:, :1], cut[:, :-1]], axis=1)
    return cut * _window(mel.window, mel.window_len, mel.periodic)


def _emphasized(samples: Samples, mel: MelFrontEnd) -> _Signal:
    if not mel.preemphasis or mel.preemphasis_over == "frame":
        return samples
    signal = samples.astype(np.float64)
    return np.append(signal[:1], signal[1:] - mel.preemphasis * signal[:-1])


def _heard(signal: _Signal, mel: MelFrontEnd, first: int, end: int) -> _Signal:
    """The samples from the beginning of frame ``first`` to the end of the last one."""
    start_at = first * mel.hop_len - mel.lead_len
    end_at = (end - 1) * mel.hop_len - mel.lead_len + mel.window_len
    before = _outside(signal, np.arange(start_at, 0), mel)
    after = _outside(signal, np.arange(max(start_at, len(signal)), end_at), mel)
    return np.concatenate([before, signal[max(0, start_at) : end_at], after])


def _outside(signal: _Signal, positions: npt.NDArray[np.int_], mel: MelFrontEnd) -> _Signal:
    """(positions,): what is heard where no audio is."""
    if mel.padding == "zeros":
        return np.zeros(len(positions), dtype=signal.dtype)
    period = max(1, 2 * (len(signal) - 1))
    folded = np.abs(positions) % period
    return np.asarray(signal[np.minimum(folded, period - folded)])


def _normalized(logs: _Array, mel: MelFrontEnd) -> _Array:
    if mel.normalize_mean:
        logs = logs - logs.mean(axis=0)
    if mel.normalize_deviation:
        free = len(logs) - (mel.deviation == "sample")
        squares = np.square(logs - logs.mean(axis=0)).sum(axis=0)
        variance = squares / max(1, free) + mel.added_to_variance
        deviation = np.sqrt(variance) + mel.added_to_deviation
        logs = logs / np.where(deviation > _ROUNDING, deviation, 1.0)
    return logs


@lru_cache(maxsize=8)
def _window(shape: str, length: int, periodic: bool) -> _Array:
    points = length + periodic
    if shape == "hamming":
        return np.hamming(points)[:length]
    return np.power(np.hanning(points), 0.85 if shape == "povey" else 1.0)[:length]


@lru_cache(maxsize=8)
def _filter_bank(mel: MelFrontEnd) -> _Array:
    """(fft_len // 2 + 1, mels): how much each bin of the spectrum adds to each band."""
    ends = _hz_to_mel(np.array([mel.low_hz, mel.high_hz]), mel.mel_scale)
    edges = np.linspace(ends[0], ends[1], mel.mels + 2)
    edges_hz = _mel_to_hz(edges, mel.mel_scale)
    bins = np.linspace(0.0, SAMPLE_RATE / 2, mel.fft_len // 2 + 1)
    if mel.triangles_over_mel:
        bins = _hz_to_mel(bins, mel.mel_scale)
    else:
        edges = edges_hz
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, np.newaxis] - low) / (centre - low)
    falling = (high - bins[:, np.newaxis]) / (high - centre)
    bank: _Array = np.maximum(0.0, np.minimum(rising, falling))
    if mel.mel_scale == "slaney":
        bank *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return bank


# The Slaney scale: 200/3 Hz a step up to 1 kHz, then 27 steps for each factor of 6.4.
_KNEE_HZ: Final = 1_000.0
_KNEE_MEL: Final = 15.0
_STEPS_PER_E: Final = 27.0 / np.log(6.4)


def _hz_to_mel(hz: _Array, scale: str) -> _Array:
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = _KNEE_MEL + np.log(np.maximum(hz, _KNEE_HZ) / _KNEE_HZ) * _STEPS_PER_E
    return np.where(hz < _KNEE_HZ, hz * 3.0 / 200.0, above)


def _mel_to_hz(mel: _Array, scale: str) -> _Array:
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    above = _KNEE_HZ * np.exp((np.maximum(mel, _KNEE_MEL) - _KNEE_MEL) / _STEPS_PER_E)
    return np.where(mel < _KNEE_MEL, mel * 200.0 / 3.0, above)
