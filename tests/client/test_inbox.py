import asyncio

from streamscribe_client.dialogue import StreamEvent
from streamscribe_client.inbox import MAX_WAITING, Inbox
from streamscribe_protocol.messages import Flushed, Partial


def partial(seq: int) -> Partial:
    return Partial(seq, segment=0, text="so", committed=0, words=(), at_ms=seq)


def test_a_caller_who_does_not_read_loses_only_partials_that_were_replaced() -> None:
    partials = [partial(seq) for seq in range(1, 2 * MAX_WAITING)]
    events: list[StreamEvent] = [Flushed(0, "a"), *partials, Flushed(9_999, "z")]
    inbox = Inbox()
    for event in events:
        inbox.put(event)

    async def take_waiting() -> list[StreamEvent | None]:
        return [await inbox.get() for _ in range(MAX_WAITING + 1)]

    kept = asyncio.run(take_waiting())
    assert kept == [*events[: MAX_WAITING - 1], *events[-2:]]


def test_only_the_first_reason_for_the_end_counts() -> None:
    inbox = Inbox()
    inbox.end(None)
    inbox.end(OSError("the feeding failed too"))
    assert asyncio.run(inbox.get()) is None
