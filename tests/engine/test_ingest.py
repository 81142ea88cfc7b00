"""What formats are taken, and what becomes of a client's bytes."""

import numpy as np
import pytest

from streamscribe.codec import Encoding, encode
from streamscribe.errors import (
    IncompleteSample,
    InvalidSample,
    UnsupportedChannels,
    UnsupportedEncoding,
    UnsupportedRate,
)
from streamscribe.ingest import AudioFormat, Ingest


def test_an_encoding_may_be_given_by_its_name() -> None:
    assert AudioFormat("mulaw", 8_000, 1).encoding is Encoding.MULAW


def test_a_frame_is_one_sample_of_every_channel() -> None:
    assert AudioFormat(Encoding.PCM_F32LE, 16_000, 2).frame_bytes == 8


def test_an_unknown_encoding_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnsupportedEncoding, match="'opus'.*pcm_s16le, pcm_f32le, mulaw, alaw"):
        AudioFormat("opus", 16_000, 1)


@pytest.mark.parametrize("rate", [0, -16_000, 7_999, 96_001, True, "16000", 16_000.0, None])
def test_a_rate_that_is_no_integer_in_range_is_refused(rate: object) -> None:
    with pytest.raises(UnsupportedRate, match="allowed: 8000 to 96000 Hz"):
        AudioFormat(Encoding.PCM_S16LE, rate, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [0, 3, True, "1", 1.0, None])
def test_a_channel_count_but_one_or_two_is_refused(channels: object) -> None:
    with pytest.raises(UnsupportedChannels, match="allowed: 1 or 2"):
        AudioFormat(Encoding.PCM_S16LE, 16_000, channels)  # type: ignore[arg-type]


def test_two_channels_are_mixed_in_equal_parts() -> None:
    ingest = Ingest(AudioFormat(Encoding.PCM_F32LE, 16_000, 2))
    stereo = np.array([[0.5, 0.25], [1.0, -1.0]], np.float32)
    assert ingest.receive(encode(stereo, Encoding.PCM_F32LE)).tolist() == [0.375, 0.0]


def test_one_second_at_any_rate_is_16_000_samples() -> None:
    ingest = Ingest(AudioFormat(Encoding.PCM_S16LE, 44_100, 1))
    received = ingest.receive(bytes(2 * 44_100))
    assert len(received) + len(ingest.finish()) == 16_000


def test_a_client_that_sends_nothing_gives_nothing() -> None:
    ingest = Ingest(AudioFormat(Encoding.PCM_S16LE, 44_100, 1))
    assert (len(ingest.receive(b"")), len(ingest.finish())) == (0, 0)


def test_bytes_that_end_inside_a_sample_are_refused_at_the_end() -> None:
    ingest = Ingest(AudioFormat(Encoding.PCM_S16LE, 48_000, 1))
    ingest.receive(b"\x00\x00\x00")
    with pytest.raises(IncompleteSample):
        ingest.finish()


def test_a_float_that_is_no_number_is_refused() -> None:
    ingest = Ingest(AudioFormat(Encoding.PCM_F32LE, 48_000, 1))
    with pytest.raises(InvalidSample):
        ingest.receive(np.array([np.nan], "<f4").tobytes())
