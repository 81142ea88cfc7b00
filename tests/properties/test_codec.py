"""Codecs lose nothing they need not lose, however the bytes arrive."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamscribe.codec import Decoder, Encoding, encode
from streamscribe.model import Samples

ENCODINGS = st.sampled_from(list(Encoding))


@given(data=st.binary(max_size=400), encoding=ENCODINGS.filter(lambda e: e != "pcm_f32le"))
def test_decoded_samples_survive_being_encoded_again(data: bytes, encoding: Encoding) -> None:
    samples = Decoder(encoding, channels=1).receive(data)
    again = Decoder(encoding, channels=1).receive(encode(samples, encoding))
    assert np.array_equal(samples, again)


@given(samples=arrays(np.float32, st.integers(0, 100), elements=st.floats(-1, 1, width=32)))
def test_floats_in_range_come_back_bit_for_bit(samples: Samples) -> None:
    decoded = Decoder(Encoding.PCM_F32LE, channels=1).receive(encode(samples, Encoding.PCM_F32LE))
    assert decoded[:, 0].tobytes() == samples.tobytes()


@given(
    samples=arrays(np.float32, st.integers(0, 100), elements=st.floats(-1, 1, width=32)),
    encoding=st.sampled_from([Encoding.MULAW, Encoding.ALAW]),
)
def test_g711_is_off_by_at_most_a_32nd_of_the_level_and_half_the_smallest_step(
    samples: Samples,
    encoding: Encoding,
) -> None:
    decoded = Decoder(encoding, channels=1).receive(encode(samples, encoding))[:, 0]
    off = np.abs(decoded - samples)
    clipped = np.abs(samples) > 32_124 / 32_768
    assert np.all((off <= np.abs(samples) / 32 + 8 / 32_768) | clipped)


@given(
    data=st.binary(max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    encoding=ENCODINGS.filter(lambda e: e != "pcm_f32le"),
    channels=st.integers(1, 2),
)
def test_any_split_of_the_bytes_gives_the_same_samples(
    data: bytes, cuts: list[int], encoding: Encoding, channels: int
) -> None:
    whole = Decoder(encoding, channels).receive(data)
    decoder = Decoder(encoding, channels)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [decoder.receive(data[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    assert np.array_equal(np.concatenate(pieces), whole)
