"""A dialogue's connection to its server, and the next one after that.

::

    open() -> conversation --over--> done
                  ^    |
                  |  broken
                  |    v
               waiting, dialling  --reconnect_s is over--> ConnectionLost
"""

import asyncio

from streamscribe_client.breaks import Broken
from streamscribe_client.change import Change
from streamscribe_client.conversation import Conversation
from streamscribe_client.dialogue import Dialogue
from streamscribe_client.errors import NO_CLOSE_FRAME, ConnectionFailed, ConnectionLost, ServerBusy
from streamscribe_client.events import Disconnected, Reconnected
from streamscribe_client.inbox import Inbox
from streamscribe_client.outage import Outage
from streamscribe_client.stream_options import Perseverance
from streamscribe_client.surroundings import Surroundings
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import RemoteProtocolError


class Line:
    """Keeps a dialogue connected. For tasks of one event loop."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        dialogue: Dialogue,
        perseverance: Perseverance,
        surroundings: Surroundings,
    ) -> None:
        self.inbox = Inbox()
        self.reconnects = 0
        """Times that another connection went on with the dialogue."""
        self._url = url
        self._timeout_s = timeout_s
        self._dialogue = dialogue
        self._perseverance = perseverance
        self._surroundings = surroundings
        self._change = Change()
        self._conversation: Conversation | None = None
        self._outage: Outage | None = None
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the server has answered."""
        return self._conversation is not None

    async def open(self) -> None:
        """The first connection; one attempt. Raises what stands against it."""
        self._conversation = await self._dialled()

    async def run(self) -> None:
        """Keep the dialogue connected until it is over. Raises what ends it early."""
        while self._conversation is not None:
            try:
                await self._conversation.run(self._surroundings.sleep)
            except Broken as broken:
                fruitful = self._conversation.fruitful
                await self._conversation.websocket.drop()
                self._conversation = None
                self._change.announce()
                if self._closing:
                    raise broken.cause from broken
                if fruitful:
                    self._outage = None
                await self._reconnect(broken)
            else:
                return

    def there_is_more(self) -> None:
        """The dialogue may have something to send."""
        if self._conversation is not None:
            self._conversation.there_is_more()

    async def all_sent(self) -> None:
        """Wait until the network has taken what there was to send; not while disconnected."""
        await self._change.until(self._nothing_to_wait_for)

    async def room(self) -> None:
        """Wait until the dialogue has room for more audio."""
        if not self._dialogue.has_room:
            await self._change.until(lambda: self._dialogue.has_room or self.inbox.ended)

    def end(self, failure: BaseException | None) -> None:
        """No more events will come; whoever waits is woken."""
        self.inbox.end(failure)
        self._change.announce()

    async def close(self, code: int) -> None:
        """Say farewell; the line is not used again. May be called again."""
        self._closing = True
        if self._conversation is not None:
            await self._conversation.websocket.close(code)

    def _nothing_to_wait_for(self) -> bool:
        conversation = self._conversation
        return conversation is None or conversation.all_sent or self.inbox.ended

    async def _dialled(self) -> Conversation:
        websocket = await self._surroundings.dial(self._url, self._timeout_s)
        conversation = Conversation(websocket, self._dialogue, self.inbox, self._change)
        try:
            async with asyncio.timeout(self._timeout_s):
                await conversation.open()
        except TimeoutError as error:
            await websocket.drop()
            reason = f"the server did not answer start within {self._timeout_s:g} s"
            raise ConnectionFailed(url=self._url, reason=reason) from error
        except RemoteProtocolError:
            await websocket.close(CloseCode.PROTOCOL_ERROR)
            raise
        except BaseException:
            await websocket.drop()
            raise
        return conversation

    async def _reconnect(self, broken: Broken) -> None:
        """Another connection. Raises ``ConnectionLost`` when it takes too long."""
        began_s = self._surroundings.now_s()
        if self._outage is None:
            self._outage = Outage(began_s, self._perseverance.reconnect_s)
        self._tell(Disconnected(str(broken)))
        cause: Exception = broken.cause
        while self._conversation is None:
            await self._wait(cause, broken)
            try:
                self._conversation = await self._dialled()
            except Broken as again:
                cause = again.cause
            except ServerBusy as busy:
                cause = busy
            except ConnectionFailed as failed:
                if not failed.temporary:
                    raise
                cause = failed
        self.reconnects += 1
        ready = self._dialogue.ready
        assert ready is not None and ready.resumed is not None, "the resume was answered"
        self._tell(Reconnected(ready.resumed, self._surroundings.now_s() - began_s))

    async def _wait(self, cause: Exception, broken: Broken) -> None:
        """Wait for the time of the next attempt after one that failed by ``cause``."""
        assert self._outage is not None, "the connection broke"
        retry_after_s = cause.retry_after_s if isinstance(cause, ServerBusy) else None
        wait_s = self._outage.wait_s(
            self._surroundings.now_s(), self._surroundings.chance(), retry_after_s
        )
        if wait_s is None:
            code = broken.cause.code if isinstance(broken.cause, ConnectionLost) else NO_CLOSE_FRAME
            reason = f"not resumed within {self._perseverance.reconnect_s:g} s: {cause}"
            raise ConnectionLost(code=code, reason=reason) from cause
        await self._surroundings.sleep(wait_s)

    def _tell(self, event: Disconnected | Reconnected) -> None:
        if self._perseverance.connection_events:
            self.inbox.put(event)
