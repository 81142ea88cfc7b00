"""Messages on their way to one client: bounded, and numbered as they leave.

When the bound is reached, partials that a later message of their segment supersedes are dropped
first; then the new message itself, if it is a partial. Anything else that finds no room raises:
a final is never dropped in silence. Numbers are given on leaving, so what was dropped leaves no
hole in them.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streamscribe_protocol.messages import Final, Partial, ServerMessage

UNNUMBERED = 0
"""``seq`` of a message that has not left yet. The first to leave is number 1."""


class OutboxFull(Exception):
    """There is no room for a message that must not be dropped."""

    def __init__(self, *, allowed: int) -> None:
        super().__init__(f"{allowed} messages are unsent; allowed: {allowed}")


class Outbox:
    """A queue of at most ``max_messages``. ``tell_dropped`` is told how many were dropped."""

    def __init__(
        self, max_messages: int, tell_dropped: Callable[[int], None] = lambda messages: None
    ) -> None:
        self._max_messages = max_messages
        self._tell_dropped = tell_dropped
        self._waiting: deque[ServerMessage] = deque()
        self._seq = UNNUMBERED

    def put(self, message: ServerMessage) -> None:
        """Append ``message``. Raises ``OutboxFull``."""
        if len(self._waiting) >= self._max_messages:
            self._drop_superseded(message)
        if len(self._waiting) < self._max_messages:
            self._waiting.append(message)
        elif isinstance(message, Partial):
            self._tell_dropped(1)
        else:
            raise OutboxFull(allowed=self._max_messages)

    def take(self) -> ServerMessage | None:
        """The oldest message, numbered; None when there is none."""
        if not self._waiting:
            return None
        self._seq += 1
        return replace(self._waiting.popleft(), seq=self._seq)

    def clear(self) -> None:
        """Forget everything that waits: the client is given up."""
        self._waiting.clear()

    def _drop_superseded(self, incoming: ServerMessage) -> None:
        kept: deque[ServerMessage] = deque()
        told: set[int] = set()
        for message in (incoming, *reversed(self._waiting)):
            if isinstance(message, Partial) and message.segment in told:
                continue
            if isinstance(message, Partial | Final):
                told.add(message.segment)
            if message is not incoming:
                kept.appendleft(message)
        if dropped := len(self._waiting) - len(kept):
            self._tell_dropped(dropped)
        self._waiting = kept
