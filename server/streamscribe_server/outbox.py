"""Messages on their way to one client: bounded, numbered as they leave, and kept a while.

::

    put --> waiting --take: number--> kept, the last ``max_kept`` --rewind--> take again

When the bound is reached, partials that a later message of their segment supersedes are dropped
first; then the new message itself, if it is a partial. Anything else that finds no room raises:
a final is never dropped in silence. Numbers are given on leaving, so what was dropped leaves no
hole in them.

A heartbeat, and the ``ready`` that answers a resume, have no number of their own. They go before
whatever waits, for one connection alone, with the number of the message before them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streamscribe_protocol.messages import (
    Final,
    Heartbeat,
    Partial,
    Ready,
    ServerMessage,
    encode,
)

UNNUMBERED = 0
"""``seq`` of a message that has not left yet. The first to leave is number 1."""


class OutboxFull(Exception):
    """There is no room for a message that must not be dropped."""

    def __init__(self, *, allowed: int) -> None:
        super().__init__(f"{allowed} messages are unsent; allowed: {allowed}")


class Outbox:
    """A queue of at most ``max_waiting``. ``tell_dropped`` is told how many were dropped."""

    def __init__(
        self,
        max_waiting: int,
        max_kept: int,
        last_seq: int = UNNUMBERED,
        tell_dropped: Callable[[int], None] = lambda messages: None,
    ) -> None:
        """``last_seq``: the number before the first that is given here."""
        self._max_waiting = max_waiting
        self._tell_dropped = tell_dropped
        self._unnumbered: list[ServerMessage] = []
        self._waiting: deque[ServerMessage] = deque()
        self._kept: deque[str] = deque(maxlen=max_kept)
        self._numbered = last_seq
        self._sent = last_seq  # over the connection of now

    @property
    def sent_seq(self) -> int:
        """Number of the last message that was taken over the connection of now."""
        return self._sent

    def put(self, message: ServerMessage) -> None:
        """Append ``message``. Raises ``OutboxFull``."""
        if not is_numbered(message):
            self._put_unnumbered(message)
            return
        if len(self._waiting) >= self._max_waiting:
            self._drop_superseded(message)
        if len(self._waiting) < self._max_waiting:
            self._waiting.append(message)
        elif isinstance(message, Partial):
            self._tell_dropped(1)
        else:
            raise OutboxFull(allowed=self._max_waiting)

    def take(self) -> str | None:
        """The next message as the text of a frame; None when there is none."""
        if self._unnumbered:
            return encode(replace(self._unnumbered.pop(0), seq=self._sent))
        if self._sent == self._numbered:
            if not self._waiting:
                return None
            self._number(self._waiting.popleft())
        self._sent += 1
        return self._kept[self._sent - 1 - self._oldest_sent]

    def reaches(self, last_seq: int) -> bool:
        """Whether everything after number ``last_seq`` is still here."""
        return self._oldest_sent <= last_seq <= self._numbered

    def rewind(self, last_seq: int) -> None:
        """A new connection, whose client has everything up to ``last_seq``, which is reached."""
        assert self.reaches(last_seq), f"what follows message {last_seq} is not kept"
        self._unnumbered.clear()
        self._sent = last_seq
        self._drop_superseded(None)

    def clear(self) -> None:
        """Forget everything that waits: the client is given up."""
        self._waiting.clear()

    @property
    def _oldest_sent(self) -> int:
        """Number before the oldest message that is kept."""
        return self._numbered - len(self._kept)

    def _number(self, message: ServerMessage) -> None:
        text = encode(replace(message, seq=self._numbered + 1))
        self._numbered += 1
        self._kept.append(text)

    def _put_unnumbered(self, message: ServerMessage) -> None:
        """The newest heartbeat stands for those before it."""
        kept = [waiting for waiting in self._unnumbered if type(waiting) is not type(message)]
        self._unnumbered = [*kept, message]

    def _drop_superseded(self, incoming: ServerMessage | None) -> None:
        kept: deque[ServerMessage] = deque()
        told: set[int] = set()
        for message in ([incoming] if incoming is not None else []) + list(reversed(self._waiting)):
            if isinstance(message, Partial) and message.segment in told:
                continue
            if isinstance(message, Partial | Final):
                told.add(message.segment)
            if message is not incoming:
                kept.appendleft(message)
        if dropped := len(self._waiting) - len(kept):
            self._tell_dropped(dropped)
        self._waiting = kept


def is_numbered(message: ServerMessage) -> bool:
    """Whether ``message`` has a number of its own."""
    return not (
        isinstance(message, Heartbeat)
        or (isinstance(message, Ready) and message.resumed is not None)
    )
