import pytest

from streamscribe_protocol.messages import (
    Ack,
    Final,
    Heartbeat,
    Partial,
    ServerMessage,
    decode_server_message,
)
from streamscribe_server.outbox import Outbox, OutboxFull


def partial(segment: int, text: str) -> Partial:
    return Partial(0, segment, text, 0, (), 0)


def final(segment: int) -> Final:
    return Final(0, segment, "said", (), 0, 0, 0)


def emptied(outbox: Outbox) -> list[ServerMessage]:
    taken = []
    while (text := outbox.take()) is not None:
        message = decode_server_message(text)
        assert message is not None
        taken.append(message)
    return taken


def test_messages_leave_in_order_and_are_numbered_from_one() -> None:
    outbox = Outbox(max_kept=9, max_waiting=3)
    outbox.put(partial(0, "a"))
    outbox.put(final(0))
    assert emptied(outbox) == [
        Partial(1, 0, "a", 0, (), 0),
        Final(2, 0, "said", (), 0, 0, 0),
    ]


def test_while_there_is_room_every_partial_is_kept() -> None:
    outbox = Outbox(max_kept=9, max_waiting=3)
    for text in ("a", "a b", "a b c"):
        outbox.put(partial(0, text))
    assert [message.seq for message in emptied(outbox)] == [1, 2, 3]


def test_when_full_the_newest_partial_of_a_segment_replaces_the_older_ones() -> None:
    outbox = Outbox(max_kept=9, max_waiting=3)
    for text in ("a", "a b", "a b c", "a b c d"):
        outbox.put(partial(0, text))
    assert emptied(outbox) == [Partial(1, 0, "a b c d", 0, (), 0)]


def test_when_full_the_partials_of_a_segment_give_way_to_its_final() -> None:
    outbox = Outbox(max_kept=9, max_waiting=2)
    outbox.put(partial(0, "a"))
    outbox.put(partial(0, "a b"))
    outbox.put(final(0))
    assert emptied(outbox) == [Final(1, 0, "said", (), 0, 0, 0)]


def test_when_full_of_finals_a_partial_is_dropped_without_leaving_a_hole_in_the_numbers() -> None:
    outbox = Outbox(max_kept=9, max_waiting=2)
    outbox.put(final(0))
    outbox.put(final(1))
    outbox.put(partial(2, "a"))
    outbox.take()
    outbox.put(Ack(0, 16_000))
    assert emptied(outbox) == [Final(2, 1, "said", (), 0, 0, 0), Ack(3, 16_000)]


def test_when_full_of_finals_another_final_is_refused_aloud() -> None:
    outbox = Outbox(max_kept=9, max_waiting=2)
    outbox.put(final(0))
    outbox.put(final(1))
    with pytest.raises(OutboxFull, match="allowed: 2"):
        outbox.put(final(2))


def test_what_is_dropped_is_told_by_number() -> None:
    told: list[int] = []
    outbox = Outbox(max_kept=9, max_waiting=2, tell_dropped=told.append)
    for text in ("a", "a b", "a b c"):
        outbox.put(partial(0, text))
    assert sum(told) == 3 - len(emptied(outbox)) == 2


def test_a_partial_without_room_is_told_as_dropped() -> None:
    told: list[int] = []
    outbox = Outbox(max_kept=9, max_waiting=1, tell_dropped=told.append)
    outbox.put(final(0))
    outbox.put(partial(1, "a"))
    assert told == [1]


def test_what_was_sent_is_sent_again_from_where_the_client_has_it() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9)
    for segment in range(4):
        outbox.put(final(segment))
    first = emptied(outbox)
    outbox.put(final(4))
    outbox.rewind(last_seq=2)
    again = emptied(outbox)
    assert again[:2] == first[2:]
    assert [message.seq for message in again] == [3, 4, 5]


def test_a_message_is_sent_again_as_often_as_the_connection_breaks() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9)
    outbox.put(final(0))
    for _ in range(3):
        outbox.rewind(last_seq=0)
        assert [message.seq for message in emptied(outbox)] == [1]


def test_only_the_last_messages_are_kept() -> None:
    outbox = Outbox(max_waiting=9, max_kept=3)
    for segment in range(5):
        outbox.put(final(segment))
    emptied(outbox)
    assert [outbox.reaches(seq) for seq in range(7)] == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
    ]


def test_numbers_go_on_from_those_of_another_outbox() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9, last_seq=17)
    outbox.put(final(0))
    assert not outbox.reaches(16)
    assert outbox.reaches(17)
    assert [message.seq for message in emptied(outbox)] == [18]


def test_a_heartbeat_has_the_number_of_the_message_before_it_and_is_not_kept() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9)
    outbox.put(final(0))
    emptied(outbox)
    outbox.put(Heartbeat(0, 16_000, 900, 100, 0.1))
    outbox.put(final(1))
    assert [message.seq for message in emptied(outbox)] == [1, 2]
    outbox.rewind(last_seq=0)
    assert [type(message) for message in emptied(outbox)] == [Final, Final]


def test_of_heartbeats_that_a_slow_client_did_not_take_only_the_newest_is_sent() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9)
    for received_at in (1, 2, 3):
        outbox.put(Heartbeat(0, received_at, 0, 0, 0.1))
    assert emptied(outbox) == [Heartbeat(0, 3, 0, 0, 0.1)]


def test_partials_that_waited_for_a_client_that_was_away_give_way_to_their_final() -> None:
    outbox = Outbox(max_waiting=9, max_kept=9)
    outbox.put(final(0))
    emptied(outbox)
    for message in (partial(1, "a"), partial(1, "a b"), final(1), partial(2, "c")):
        outbox.put(message)
    outbox.rewind(last_seq=1)
    assert emptied(outbox) == [
        Final(2, 1, "said", (), 0, 0, 0),
        Partial(3, 2, "c", 0, (), 0),
    ]
