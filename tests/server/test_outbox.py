import pytest

from streamscribe_protocol.messages import Ack, Final, Partial, ServerMessage
from streamscribe_server.outbox import Outbox, OutboxFull


def partial(segment: int, text: str) -> Partial:
    return Partial(0, segment, text, 0, (), 0)


def final(segment: int) -> Final:
    return Final(0, segment, "said", (), 0, 0, 0)


def emptied(outbox: Outbox) -> list[ServerMessage]:
    taken = []
    while (message := outbox.take()) is not None:
        taken.append(message)
    return taken


def test_messages_leave_in_order_and_are_numbered_from_one() -> None:
    outbox = Outbox(max_messages=3)
    outbox.put(partial(0, "a"))
    outbox.put(final(0))
    assert emptied(outbox) == [
        Partial(1, 0, "a", 0, (), 0),
        Final(2, 0, "said", (), 0, 0, 0),
    ]


def test_while_there_is_room_every_partial_is_kept() -> None:
    outbox = Outbox(max_messages=3)
    for text in ("a", "a b", "a b c"):
        outbox.put(partial(0, text))
    assert [message.seq for message in emptied(outbox)] == [1, 2, 3]


def test_when_full_the_newest_partial_of_a_segment_replaces_the_older_ones() -> None:
    outbox = Outbox(max_messages=3)
    for text in ("a", "a b", "a b c", "a b c d"):
        outbox.put(partial(0, text))
    assert emptied(outbox) == [Partial(1, 0, "a b c d", 0, (), 0)]


def test_when_full_the_partials_of_a_segment_give_way_to_its_final() -> None:
    outbox = Outbox(max_messages=2)
    outbox.put(partial(0, "a"))
    outbox.put(partial(0, "a b"))
    outbox.put(final(0))
    assert emptied(outbox) == [Final(1, 0, "said", (), 0, 0, 0)]


def test_when_full_of_finals_a_partial_is_dropped_without_leaving_a_hole_in_the_numbers() -> None:
    outbox = Outbox(max_messages=2)
    outbox.put(final(0))
    outbox.put(final(1))
    outbox.put(partial(2, "a"))
    outbox.take()
    outbox.put(Ack(0, 16_000))
    assert emptied(outbox) == [Final(2, 1, "said", (), 0, 0, 0), Ack(3, 16_000)]


def test_when_full_of_finals_another_final_is_refused_aloud() -> None:
    outbox = Outbox(max_messages=2)
    outbox.put(final(0))
    outbox.put(final(1))
    with pytest.raises(OutboxFull, match="allowed: 2"):
        outbox.put(final(2))


def test_what_is_dropped_is_told_by_number() -> None:
    told: list[int] = []
    outbox = Outbox(max_messages=2, tell_dropped=told.append)
    for text in ("a", "a b", "a b c"):
        outbox.put(partial(0, text))
    assert sum(told) == 3 - len(emptied(outbox)) == 2


def test_a_partial_without_room_is_told_as_dropped() -> None:
    told: list[int] = []
    outbox = Outbox(max_messages=1, tell_dropped=told.append)
    outbox.put(final(0))
    outbox.put(partial(1, "a"))
    assert told == [1]
