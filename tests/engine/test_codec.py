"""Bytes to samples and back, with the numbers that the formats' standards give."""

import io

import numpy as np
import pytest
import soundfile

from streamscribe.codec import Decoder, Encoding, encode
from streamscribe.errors import IncompleteSample, InvalidSample

ALL_CODES = bytes(range(256))


def decode_mono(data: bytes, encoding: Encoding) -> list[float]:
    return [float(sample) for sample in Decoder(encoding, channels=1).receive(data)[:, 0]]


def test_pcm16_spans_minus_one_to_just_below_one() -> None:
    assert decode_mono(b"\x00\x80\x00\x00\x00\x40\xff\x7f", Encoding.PCM_S16LE) == [
        -1.0,
        0.0,
        0.5,
        32_767 / 32_768,
    ]


def test_pcm_floats_come_as_they_are() -> None:
    data = np.array([0.25, -1.0, 1.0], "<f4").tobytes()
    assert decode_mono(data, Encoding.PCM_F32LE) == [0.25, -1.0, 1.0]


def test_floats_outside_the_range_are_clipped() -> None:
    data = np.array([1.5, -7.0], "<f4").tobytes()
    assert decode_mono(data, Encoding.PCM_F32LE) == [1.0, -1.0]


def test_mulaw_extremes_and_zeros_have_the_levels_of_the_standard() -> None:
    levels = [level * 32_768 for level in decode_mono(b"\x00\x80\x7f\xff", Encoding.MULAW)]
    assert levels == [-32_124, 32_124, 0, 0]


def test_alaw_extremes_and_smallest_steps_have_the_levels_of_the_standard() -> None:
    levels = [level * 32_768 for level in decode_mono(b"\x2a\xaa\x55\xd5", Encoding.ALAW)]
    assert levels == [-32_256, 32_256, -8, 8]


@pytest.mark.parametrize(
    ("encoding", "subtype"), [(Encoding.MULAW, "ULAW"), (Encoding.ALAW, "ALAW")]
)
def test_every_g711_code_decodes_as_an_independent_decoder_does(
    encoding: Encoding, subtype: str
) -> None:
    theirs, _ = soundfile.read(
        io.BytesIO(ALL_CODES), samplerate=8_000, channels=1, format="RAW", subtype=subtype
    )
    assert decode_mono(ALL_CODES, encoding) == theirs.tolist()


def test_two_channels_are_kept_apart() -> None:
    samples = Decoder(Encoding.ALAW, channels=2).receive(b"\x2a\xaa\x55\xd5")
    assert (samples * 32_768).tolist() == [[-32_256, 32_256], [-8, 8]]


def test_an_incomplete_sample_waits_for_its_other_bytes() -> None:
    decoder = Decoder(Encoding.PCM_S16LE, channels=1)
    assert len(decoder.receive(b"\x00")) == 0
    assert decoder.receive(b"\x40").tolist() == [[0.5]]


def test_a_stream_of_whole_samples_may_end() -> None:
    decoder = Decoder(Encoding.PCM_S16LE, channels=1)
    assert decoder.receive(b"\x00\x40").tolist() == [[0.5]]
    decoder.finish()
    assert len(decoder.receive(b"")) == 0


def test_a_stream_that_ends_inside_a_sample_is_refused() -> None:
    decoder = Decoder(Encoding.PCM_S16LE, channels=2)
    decoder.receive(b"\x00\x40\x00\x40\x00\x40\x00")
    with pytest.raises(IncompleteSample, match="3 bytes are left over.* takes 4"):
        decoder.finish()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused_with_its_place_in_the_stream(value: float) -> None:
    decoder = Decoder(Encoding.PCM_F32LE, channels=2)
    decoder.receive(np.zeros(2 * 10, "<f4").tobytes())
    with pytest.raises(InvalidSample, match=f"sample 11 is {value}"):
        decoder.receive(np.array([0, 0, 0, value], "<f4").tobytes())


def test_encoding_clips_what_pcm16_cannot_hold() -> None:
    assert encode(np.array([2.0, -2.0], np.float32), Encoding.PCM_S16LE) == b"\xff\x7f\x00\x80"


def test_encoding_pcm16_rounds_to_the_nearest_integer() -> None:
    samples = np.array([0.6 / 32_768, -0.6 / 32_768], np.float32)
    assert encode(samples, Encoding.PCM_S16LE) == b"\x01\x00\xff\xff"


def test_g711_takes_the_nearest_level() -> None:
    samples = np.array([-3 / 32_768, 3 / 32_768, 30_000 / 32_768], np.float32)
    decoded = Decoder(Encoding.ALAW, channels=1).receive(encode(samples, Encoding.ALAW))
    assert (decoded[:, 0] * 32_768).tolist() == [-8, 8, 30_208]


def test_silence_is_written_as_positive_zero_in_mulaw() -> None:
    assert encode(np.zeros(1, np.float32), Encoding.MULAW) == b"\xff"
