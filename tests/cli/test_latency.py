import pytest

from fakes_captions import endpoint, final, partial
from streamscribe.ingest import AudioFormat
from streamscribe_cli.latency import Arrival, measure, paced, packets
from streamscribe_client.dialogue import StreamEvent

FORMAT = AudioFormat("pcm_s16le", 16_000, 1)


def arrivals(*came: tuple[float, StreamEvent]) -> list[Arrival]:
    return [Arrival(event, at_ms) for at_ms, event in came]


def test_the_first_words_are_timed_from_where_they_begin() -> None:
    came = arrivals(
        (950, partial("And")),
        (1_500, partial("And so")),
        (3_000, final("And so", start_ms=300)),
    )
    assert measure(came, endpoint_silence_ms=800).first_words_ms == 650


def test_the_final_is_timed_from_the_end_of_the_speech_before_the_endpoint() -> None:
    came = arrivals((5_010, endpoint(5_000)), (5_030, final("And so")))
    assert measure(came, endpoint_silence_ms=800).final_ms == 830


def test_a_segment_that_no_silence_closed_says_nothing_of_the_final() -> None:
    came = arrivals((5_010, endpoint(5_000, "end_of_audio")), (5_030, final("And so")))
    assert measure(came, endpoint_silence_ms=800).final_ms is None


def test_segments_are_told_apart() -> None:
    came = arrivals(
        (500, partial("One", segment=0)),
        (1_000, final("One", segment=0)),
        (2_500, partial("Two", segment=1)),
        (3_000, final("Two", segment=1, start_ms=2_000)),
    )
    measured = measure(came, endpoint_silence_ms=800)
    assert (measured.first_words_ms, measured.partials, measured.words) == (500, 2, 2)
    assert measured.revised == 0


@pytest.mark.parametrize(
    ("texts", "revised"),
    [
        (["my friend.", "my fellow Americans"], 1),  # friend
        (["ask not", "ask not what"], 0),
        (["Americans.", "Americans, ask"], 0),  # punctuation
        (["so my", "and so my"], 0),  # nothing shown was taken back
        (["ask not what", "ask"], 2),
    ],
)
def test_words_that_were_shown_and_became_others_count_as_revised(
    texts: list[str], revised: int
) -> None:
    came = arrivals(*((at, partial(text)) for at, text in enumerate(texts)), (9, final(texts[-1])))
    assert measure(came, endpoint_silence_ms=800).revised == revised


def test_what_the_final_changes_counts_as_revised_too() -> None:
    came = arrivals((1, partial("a friend")), (2, final("a fellow")))
    assert measure(came, endpoint_silence_ms=800).revised == 1


def test_nothing_heard_is_nothing_measured() -> None:
    measured = measure([], endpoint_silence_ms=800)
    assert (measured.first_words_ms, measured.final_ms, measured.words) == (None, None, 0)


def test_packets_are_20_ms_long_whatever_the_blocks_are_and_end_in_silence() -> None:
    audio = bytes(range(1, 201)) * 5
    cut = list(packets(FORMAT, [audio[:300], audio[300:]], silence_ms=30))
    assert [len(packet) for packet in cut] == [640, 640, 640, 40]
    assert b"".join(cut) == audio + bytes(960)


def test_a_piece_is_sent_when_its_last_sample_has_been_spoken() -> None:
    now_s = 100.0
    sent_s: list[float] = []

    def sleep(duration_s: float) -> None:
        nonlocal now_s
        now_s += duration_s

    for _ in paced(FORMAT, [bytes(32_000), bytes(16_000)], 100.0, lambda: now_s, sleep):
        sent_s.append(now_s)
    assert sent_s == [101.0, 101.5]


def test_a_late_sender_catches_up_without_a_pause() -> None:
    def sleep(duration_s: float) -> None:
        raise AssertionError("nothing to wait for")

    assert len(list(paced(FORMAT, [bytes(320)] * 3, 100.0, lambda: 200.0, sleep))) == 3
