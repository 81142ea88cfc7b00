"""Samples depend on the bytes, not on the packets they came in."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamscribe.codec import Encoding, encode
from streamscribe.ingest import AudioFormat, Ingest
from streamscribe.model import Samples

RATES_HZ = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_056, 44_100, 48_000, 96_000])
FORMATS = st.builds(AudioFormat, st.sampled_from(list(Encoding)), RATES_HZ, st.integers(1, 2))
NOISE = np.random.default_rng(0).uniform(-1, 1, (12_000, 2)).astype(np.float32)


def ingest_pieces(format: AudioFormat, pieces: list[bytes]) -> Samples:
    ingest = Ingest(format)
    return np.concatenate([*(ingest.receive(piece) for piece in pieces), ingest.finish()])


@given(
    format=FORMATS,
    length=st.integers(0, len(NOISE)),
    places=st.lists(st.floats(0, 1), max_size=8),
    trickle=st.integers(0, 300),
)
def test_any_split_of_the_same_bytes_gives_the_same_samples(
    format: AudioFormat, length: int, places: list[float], trickle: int
) -> None:
    data = encode(NOISE[:length, : format.channels], Encoding(format.encoding))
    cuts = sorted([int(place * len(data)) for place in places] + list(range(trickle)))
    edges = [0, *(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert np.array_equal(ingest_pieces(format, pieces), ingest_pieces(format, [data]))


@given(format=FORMATS, length=st.integers(0, len(NOISE)))
def test_the_samples_last_as_long_as_the_audio(format: AudioFormat, length: int) -> None:
    data = encode(NOISE[:length, : format.channels], Encoding(format.encoding))
    assert abs(len(ingest_pieces(format, [data])) - length * 16_000 / format.rate_hz) <= 0.5
