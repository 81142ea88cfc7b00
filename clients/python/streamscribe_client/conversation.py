"""What goes over one connection: three tasks around a dialogue.

The reader takes in messages whatever the caller does, so that a server which sends while it does
not read can never deadlock with a client that sends. The writer alone sends, in the dialogue's
order. The watcher sees to it that neither side is silent for too long.
"""

import asyncio
from collections.abc import Awaitable, Callable

from streamscribe_client.change import Change
from streamscribe_client.dialogue import Dialogue, Phase
from streamscribe_client.errors import NO_CLOSE_FRAME, ServerError
from streamscribe_client.events import StreamEvent
from streamscribe_client.inbox import Inbox
from streamscribe_client.liveness import LOOKS_PER_HEARTBEAT, MISSED_HEARTBEATS, Liveness
from streamscribe_client.websocket import Closed, WebSocket
from streamscribe_protocol.errors import RemoteProtocolError


class Conversation:
    """One connection of a dialogue: first ``open``, then ``run``."""

    def __init__(
        self, websocket: WebSocket, dialogue: Dialogue, inbox: Inbox, change: Change
    ) -> None:
        self.websocket = websocket
        self.fruitful = False
        """Whether more than the answer to the opening came."""
        self._dialogue = dialogue
        self._inbox = inbox
        self._change = change
        self._liveness = Liveness()
        self._more = asyncio.Event()
        self._all_sent = False
        self._silent_s = 0.0

    @property
    def all_sent(self) -> bool:
        """Whether the network has taken what there was to send."""
        return self._all_sent

    def there_is_more(self) -> None:
        """The dialogue may have something to send."""
        self._all_sent = False
        self._more.set()

    async def open(self) -> None:
        """Send the opening and take the answer. Raises as ``run`` does."""
        try:
            await self.websocket.send(self._dialogue.opening())
        except Closed as closed:
            raise self._dialogue.closed(closed.code, closed.reason) from closed
        while self._dialogue.phase in (Phase.OPENING, Phase.BROKEN):
            await self._receive()

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Talk until the dialogue is over.

        Raises ``Broken`` where another connection may go on, else what ended the dialogue.
        """
        reader = asyncio.create_task(self._read())
        tasks = {
            reader,
            asyncio.create_task(self._write()),
            asyncio.create_task(self._watch(sleep)),
        }
        running = tasks
        try:
            while reader in running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _read(self) -> None:
        while self._dialogue.phase is not Phase.OVER:
            await self._receive()
            self.fruitful = True

    async def _receive(self) -> None:
        try:
            event = await self._next_event()
        except (ServerError, RemoteProtocolError, ConnectionError) as failure:
            self._inbox.end(failure)  # at once: a `send` that follows must find it
            raise
        if event is not None:
            self._inbox.put(event)
        self._change.announce()

    async def _next_event(self) -> StreamEvent | None:
        """What the server's next frame means for the caller, if anything."""
        try:
            frame = await self.websocket.receive()
        except Closed as closed:
            silent = closed.code == NO_CLOSE_FRAME and self._silent_s
            reason = f"no message came for {self._silent_s:g} s" if silent else closed.reason
            raise self._dialogue.closed(closed.code, reason) from closed
        self._liveness.server_spoke()
        return self._dialogue.receive(frame)

    async def _write(self) -> None:
        while True:
            frame = self._dialogue.next_frame()
            if frame is None:
                self._all_sent = True
                self._change.announce()
                await self._more.wait()
                self._more.clear()
                continue
            try:
                await self.websocket.send(frame)
            except Closed:
                return  # the reader learns of it too, and may know more
            self._liveness.client_spoke()

    async def _watch(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        assert self._dialogue.ready is not None, "an open conversation was answered"
        heartbeat_s = self._dialogue.ready.heartbeat_s
        if not heartbeat_s or heartbeat_s < 0:
            return
        while not self._liveness.server_is_gone:
            await sleep(heartbeat_s / LOOKS_PER_HEARTBEAT)
            self._liveness.look()
            if self._liveness.keep_alive_is_due:
                self._dialogue.keep_alive()
                self.there_is_more()
        self._silent_s = MISSED_HEARTBEATS * heartbeat_s
        await self.websocket.drop()
