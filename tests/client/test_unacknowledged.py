from hypothesis import given
from hypothesis import strategies as st

from streamscribe_client.unacknowledged import Unacknowledged

PIECES = st.lists(st.binary(max_size=20), max_size=20)


def buffer_of(audio: bytes, frame_bytes: int = 2) -> Unacknowledged:
    kept = Unacknowledged(frame_bytes)
    kept.append(audio)
    return kept


def test_positions_are_samples_of_all_channels() -> None:
    kept = buffer_of(bytes(24), frame_bytes=8)
    assert (kept.start_at, kept.end_at) == (0, 3)


def test_a_sample_that_is_there_in_part_is_not_counted_as_said() -> None:
    kept = buffer_of(b"abc")
    assert (kept.end_at, kept.end_byte, kept.kept_len) == (1, 3, 2)


def test_what_is_acknowledged_is_forgotten_and_the_positions_stay() -> None:
    kept = buffer_of(b"aabbccd")
    kept.forget_before(2)
    assert (kept.start_at, kept.end_at) == (2, 3)
    assert kept.read(4, 7) == b"ccd"


def test_half_a_sample_is_never_forgotten() -> None:
    kept = buffer_of(b"aab")
    kept.forget_before(99)
    assert kept.read(2, 3) == b"b"


def test_beyond_the_bound_the_oldest_samples_go_and_are_counted() -> None:
    kept = buffer_of(b"aabbccdd")
    assert kept.drop_oldest(3, before_byte=8) == 1
    assert kept.read(2, 8) == b"bbccdd"


def test_what_may_not_be_dropped_is_kept_beyond_the_bound() -> None:
    kept = buffer_of(b"aabbccdd")
    assert kept.drop_oldest(1, before_byte=3) == 1
    assert kept.kept_len == 3


@given(pieces=PIECES, frame_bytes=st.sampled_from([1, 2, 4, 8]), at=st.integers(0, 200))
def test_whatever_is_kept_reads_as_it_was_said(
    pieces: list[bytes], frame_bytes: int, at: int
) -> None:
    kept = Unacknowledged(frame_bytes)
    for piece in pieces:
        kept.append(piece)
    kept.forget_before(at)
    whole = b"".join(pieces)
    assert kept.end_byte == len(whole)
    assert kept.start_at == min(at, len(whole) // frame_bytes)
    assert kept.read(kept.start_byte, kept.end_byte) == whole[kept.start_at * frame_bytes :]


@given(pieces=PIECES, limit_len=st.integers(0, 40))
def test_a_live_source_never_keeps_more_than_the_bound(pieces: list[bytes], limit_len: int) -> None:
    kept = Unacknowledged(2)
    dropped = 0
    for piece in pieces:
        kept.append(piece)
        dropped += kept.drop_oldest(limit_len, kept.end_byte)
        assert kept.kept_len <= max(limit_len, 1)  # half a sample can't go
    assert kept.start_at == dropped
