"""The one clock of a session: unit conversions, and the audio kept on absolute positions.

A position (``_at``) counts samples at ``SAMPLE_RATE`` since the session began; a length
(``_len``) counts samples between two positions. Milliseconds, seconds and a client's own sample
rate are converted here and nowhere else.
"""

from typing import Final

import numpy as np

from streamscribe.errors import BacklogExceeded
from streamscribe.model import Samples

SAMPLE_RATE: Final = 16_000
"""Samples per second of every position, length and model input."""

DEFAULT_CAPACITY_LEN: Final = 120 * SAMPLE_RATE
"""Most audio a timeline keeps: four longest segments, 7.7 MB."""

_IDLE_LEN: Final = 8_192
"""Samples that a timeline has room for when it is new or idle: half a second, 32 KB."""


def ms_to_len(ms: int) -> int:
    """Milliseconds to samples, exact."""
    return ms * SAMPLE_RATE // 1_000


def len_to_ms(length: int) -> int:
    """Samples to whole milliseconds, rounded down."""
    return length * 1_000 // SAMPLE_RATE


def at_to_ms(at: int) -> int:
    """Position to whole milliseconds of the session's clock, rounded down."""
    return at * 1_000 // SAMPLE_RATE


def at_to_s(at: int) -> float:
    """Position to seconds of the session's clock."""
    return at / SAMPLE_RATE


def samples_at_rate(at: int, rate_hz: int) -> int:
    """Position on a clock of ``rate_hz`` samples per second, never past the true position.

    Rounded down, so a client that forgets audio before it forgets nothing that is still needed.
    """
    return at * rate_hz // SAMPLE_RATE


def at_from_rate(at: int, rate_hz: int) -> int:
    """Position of ``at``, which is on a clock of ``rate_hz`` samples per second.

    The last position that ``samples_at_rate`` takes to ``at`` or to before it, so that what was
    acknowledged as ``at`` never lies after it. Within a sample, of the coarser clock, of the truth.
    """
    return ((at + 1) * SAMPLE_RATE - 1) // rate_hz if at else 0


class Timeline:
    """The newest audio of one stream, addressed by absolute position.

    A ring: the sample at position ``p`` lies in slot ``p % capacity``. The ring doubles when it
    is full, up to ``capacity_len`` samples, and halves again when it is mostly empty, so a burst
    costs memory only while it is needed. Always ``start_at <= heard_at`` and
    ``heard_at - start_at <= capacity_len``.
    """

    def __init__(self, capacity_len: int = DEFAULT_CAPACITY_LEN, *, start_at: int = 0) -> None:
        """``start_at``: position of the first sample that will be added."""
        assert capacity_len > 0, f"a timeline of {capacity_len} samples can hold nothing"
        self._capacity_len = capacity_len
        self._idle_len = min(_IDLE_LEN, capacity_len)
        self._ring = np.zeros(self._idle_len, dtype=np.float32)
        self._start_at = self._heard_at = start_at

    @property
    def start_at(self) -> int:
        """Position of the oldest sample kept."""
        return self._start_at

    @property
    def heard_at(self) -> int:
        """One past the newest sample: everything received so far."""
        return self._heard_at

    def append(self, samples: Samples) -> None:
        """Add ``samples``, (n,) float32, at ``heard_at``.

        Raises ``BacklogExceeded``, with nothing added, if more than ``capacity_len`` samples
        would have to be kept; call ``discard_before`` first.
        """
        assert samples.ndim == 1 and samples.dtype == np.float32, "samples are (n,) float32"
        kept_len = self._heard_at - self._start_at + len(samples)
        if kept_len > self._capacity_len:
            raise BacklogExceeded(got_len=kept_len, allowed_len=self._capacity_len)
        if kept_len > len(self._ring):
            self._resize(kept_len)
        first = self._heard_at % len(self._ring)
        until_wrap = min(len(samples), len(self._ring) - first)
        self._ring[first : first + until_wrap] = samples[:until_wrap]
        self._ring[: len(samples) - until_wrap] = samples[until_wrap:]
        self._heard_at += len(samples)

    def read(self, start_at: int, end_at: int) -> Samples:
        """Copy of the samples from ``start_at`` to before ``end_at``, (end_at - start_at,).

        Both lie in ``[self.start_at, self.heard_at]``.
        """
        assert self._start_at <= start_at <= end_at <= self._heard_at, (
            f"read [{start_at}, {end_at}) outside the kept [{self._start_at}, {self._heard_at})"
        )
        first = start_at % len(self._ring)
        length = end_at - start_at
        until_wrap = min(length, len(self._ring) - first)
        return np.concatenate(
            (self._ring[first : first + until_wrap], self._ring[: length - until_wrap])
        )

    def discard_before(self, at: int) -> None:
        """Forget what lies before ``at``, at most ``heard_at``; no effect before ``start_at``."""
        assert at <= self._heard_at, f"discard before {at}, but only {self._heard_at} was heard"
        self._start_at = max(self._start_at, at)
        kept_len = self._heard_at - self._start_at
        if len(self._ring) > self._idle_len and kept_len <= len(self._ring) // 4:
            self._resize(2 * kept_len)

    def _resize(self, wanted_len: int) -> None:
        kept = self.read(self._start_at, self._heard_at)
        ring_len = self._idle_len
        while ring_len < wanted_len:
            ring_len *= 2
        self._ring = np.zeros(min(ring_len, self._capacity_len), dtype=np.float32)
        places = np.arange(self._start_at, self._heard_at) % len(self._ring)
        self._ring[places] = kept
