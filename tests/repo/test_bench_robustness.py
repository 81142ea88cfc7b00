"""What the robustness benchmarks judge by."""

from random import Random

import pytest
from bench.answers import faults_of
from bench.documented import Documented, documented
from bench.fuzz_frames import KINDS, conversation
from bench.odd_requests import odd_requests
from bench.promises import broken_promises
from bench.raw_socket import Answer, End, wire_frame
from bench.trend import fit_trend

from streamscribe_client.events import StreamEvent
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import (
    Done,
    Endpoint,
    Error,
    Final,
    Gap,
    Heartbeat,
    Partial,
    SpeechStarted,
    encode,
)

ALLOWED = Documented(frozenset({"invalid_json"}), frozenset({1000, 4400}), frozenset({101, 503}))


def answer(*messages: str | bytes, close: int | None = 1000, end: End = End.CLOSED) -> Answer:
    return Answer(status=101, messages=list(messages), close_code=close, end=end)


def faults(given: Answer) -> list[str]:
    return faults_of(given, ALLOWED, frozenset({3000}))


# Trends


def test_a_line_has_its_slope_and_hardly_any_doubt() -> None:
    trend = fit_trend([float(x) for x in range(400)], [3.0 + 0.5 * x for x in range(400)])
    assert trend is not None
    assert trend.slope == pytest.approx(0.5)
    assert trend.high - trend.low < 1e-6
    assert trend.figures()["surely_grew_percent"] == pytest.approx(117, abs=1)


def test_noise_around_a_level_has_no_sure_slope() -> None:
    sure = 0
    for seed in range(40):
        random = Random(seed)
        trend = fit_trend(list(range(400)), [random.gauss(100, 5) for _ in range(400)])
        assert trend is not None
        sure += not trend.low <= 0 <= trend.high
    assert sure <= 5  # 2 of 40 are expected


def test_what_grows_only_at_the_beginning_does_not_count() -> None:
    ys = [min(x, 50) for x in range(400)]
    trend = fit_trend(list(range(400)), ys)
    assert trend is not None and trend.slope == pytest.approx(0)


def test_too_few_values_have_no_trend() -> None:
    assert fit_trend([1, 2, 3], [1, 2, 3]) is None


# Answers


def test_a_documented_end_is_no_fault() -> None:
    error = Error(1, "invalid_json", "why", fatal=True)
    assert faults(answer(encode(error), close=4400)) == []


def test_a_heartbeat_may_carry_the_number_before_it() -> None:
    assert faults(answer(encode(Heartbeat(0, 0, 0, 0, 0.0)), encode(Done(1, 0)))) == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (answer(encode(Error(1, "oops", "why", fatal=True))), "error code oops: why"),
        (answer(close=4999), "close code 4999"),
        (answer(close=None), "closed without a close frame"),
        (answer(close=None, end=End.RESET), "reset without a close frame"),
        (answer(b"abc"), "a binary frame of 3 bytes"),
        (Answer(status=500, end=End.CLOSED), "status 500"),
        (Answer(broken="ProtocolError: why"), "not readable: ProtocolError: why"),
    ],
)
def test_whatever_is_not_documented_is_a_fault(given: Answer, fault: str) -> None:
    assert faults(given) == [fault]


def test_a_hole_in_the_numbers_is_a_fault() -> None:
    [fault] = faults(answer(encode(Gap(1, 0, 1)), encode(Done(3, 0))))
    assert fault.startswith("number 3 after 1")


def test_a_message_after_the_last_is_a_fault() -> None:
    [fault] = faults(answer(encode(Done(1, 0)), encode(Done(2, 0))))
    assert fault.startswith("more after the last message")


def test_a_close_code_of_the_clients_own_may_come_back() -> None:
    assert faults(answer(close=3000)) == []


def test_the_reference_lists_every_close_code_and_the_usual_answers() -> None:
    found = documented()
    assert {code.value for code in CloseCode} | {1002, 1007} <= found.close_codes
    assert {"invalid_json", "audio_before_start", "unsupported_rate"} <= found.error_codes
    assert {101, 400, 404, 503} <= found.statuses


# Rude clients


def test_a_conversation_is_drawn_from_its_seed_alone() -> None:
    assert conversation(Random("1:7")) == conversation(Random("1:7"))


def test_every_kind_of_conversation_comes_up() -> None:
    drawn = {conversation(Random(f"1:{index}")).kind for index in range(300)}
    assert drawn == set(KINDS)


def test_a_frames_head_says_what_it_was_told_to() -> None:
    assert wire_frame(1, b"ab", mask=b"\1\2\3\4") == b"\x81\x82\1\2\3\4" + bytes([0x60, 0x60])
    assert wire_frame(2, bytes(126), fin=False, reserved=4)[:4] == b"\x42\xfe\x00\x7e"
    assert wire_frame(2, b"", declared_bytes=2**63, mask=None) == b"\x82\x7f" + (2**63).to_bytes(8)


def test_odd_requests_are_odd() -> None:
    requests = odd_requests("localhost", 1)
    assert len(set(requests.values())) == len(requests)


# Promises


def segment(number: int, text: str = "one two") -> list[StreamEvent]:
    return [
        SpeechStarted(1, number, 0),
        Partial(2, number, text, 3, (), 0),
        Endpoint(3, number, "silence", 0),
        Final(4, number, text, (), 0, 0, 0),
    ]


def test_segments_in_order_break_no_promise() -> None:
    assert broken_promises([*segment(0), *segment(1)]) == []


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([*segment(0), *segment(2)], "segment 2 began where 1 is next"),
        (segment(0)[:-1], "segment 0 never got its final"),
        ([*segment(0), segment(0)[-1]], "a final came for segment 0; open is None"),
        ([*segment(0)[:2], *segment(0)[:1]], "segment 0 began before the final of 0"),
        ([*segment(0)[:2], segment(0)[3]], "segment 0 got a final without an endpoint"),
        ([*segment(0)[:3], *segment(0)[2:]], "segment 0 got a second endpoint"),
        ([*segment(0)[:3], segment(0, "ane")[3]], "segment 0: 'one' became 'ane'"),
        ([*segment(0), Gap(5, 10, 20)], "audio from 10 to 20 is missing"),
        ([*segment(0), Error(5, "x", "why", fatal=False)], "error x: why"),
    ],
)
def test_a_broken_promise_is_told(events: list[StreamEvent], wrong: str) -> None:
    assert wrong in broken_promises(events)


def test_a_commitment_that_is_taken_back_is_told() -> None:
    events = [*segment(0)[:2], Partial(3, 0, "one two", 1, (), 0), *segment(0)[2:]]
    assert broken_promises(events) == ["segment 0: 'one' became 'o'"]
