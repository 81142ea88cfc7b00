"""Rates to 16 kHz: the right length, at the right time, at the right level, without delay."""

import numpy as np
import pytest

from streamscribe.model import Samples
from streamscribe.resample import Resampler

RATES_HZ = (8_000, 8_001, 11_025, 15_999, 22_050, 32_000, 44_056, 44_100, 48_000, 88_200, 96_000)


def resample(samples: Samples, rate_hz: int) -> Samples:
    resampler = Resampler(rate_hz)
    return np.concatenate((resampler.receive(samples), resampler.finish()))


def tone(frequency_hz: float, rate_hz: int, seconds: float = 0.5) -> Samples:
    times_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * times_s)).astype(np.float32)


def loudness_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples[2_000:-2_000] ** 2) / 0.125 + 1e-20))


def test_16_khz_passes_through_untouched() -> None:
    samples = tone(440, 16_000)
    assert np.array_equal(resample(samples, 16_000), samples)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("length", [1, 39, 40, 1_000, 12_345])
def test_the_length_is_that_of_the_same_time_at_16_khz(rate_hz: int, length: int) -> None:
    exact = length * 16_000 / rate_hz
    assert abs(len(resample(np.zeros(length, np.float32), rate_hz)) - exact) <= 0.5


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_no_audio_gives_no_audio(rate_hz: int) -> None:
    assert len(resample(np.zeros(0, np.float32), rate_hz)) == 0


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_an_impulse_comes_out_at_its_own_time(rate_hz: int) -> None:
    samples = np.zeros(rate_hz, np.float32)
    samples[rate_hz // 2] = 1
    expected_at = rate_hz // 2 * 16_000 / rate_hz
    assert abs(int(np.argmax(np.abs(resample(samples, rate_hz)))) - expected_at) <= 2.5


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_of_speech_keeps_its_level(rate_hz: int) -> None:
    assert abs(loudness_db(resample(tone(1_000, rate_hz), rate_hz))) < 0.05


@pytest.mark.parametrize("rate_hz", [rate for rate in RATES_HZ if rate > 20_000])
def test_a_tone_that_16_khz_cannot_carry_vanishes(rate_hz: int) -> None:
    assert loudness_db(resample(tone(9_500, rate_hz), rate_hz)) < -90


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_what_is_held_back_is_less_than_36_ms(rate_hz: int) -> None:
    resampler = Resampler(rate_hz)
    piece = np.zeros(rate_hz // 500, np.float32)
    received_s = emitted_s = held_back_s = 0.0
    for _ in range(300):
        emitted_s += len(resampler.receive(piece)) / 16_000
        received_s += len(piece) / rate_hz
        held_back_s = max(held_back_s, received_s - emitted_s)
    assert held_back_s < 0.036
