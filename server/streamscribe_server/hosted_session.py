"""A session that outlives its connections: the dialogue, what it has to say, its engine stream.

::

    attach --> live --detach--> parked --attach--> live ...        end: the engine forgets it

A live session has one connection; another that attaches takes over, and the old one is hung up.
A parked one goes on computing what it has received. Who may attach, and how long a session is
parked, is the business of ``sessions.py``.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Error
from streamscribe_server.dialogue import Dialogue, State
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Close, Command, Open, Update
from streamscribe_server.metrics import Metrics
from streamscribe_server.outbox import Outbox, OutboxFull
from streamscribe_server.reaction import Closing, Reaction
from streamscribe_server.schedulers import Schedulers

HangUp = Callable[[Closing], None]
"""Ends a connection at once."""


class HostedSession:
    """One session of this process. All methods run on the event loop."""

    def __init__(
        self,
        dialogue: Dialogue,
        outbox: Outbox,
        schedulers: Schedulers,
        limits: Limits,
        metrics: Metrics,
        on_ruined: Callable[["HostedSession"], None],
    ) -> None:
        """``on_ruined`` is told when the session fails while nobody is there to be told."""
        self.identity = dialogue.identity
        self.closing: Closing | None = None
        """How to close the connection once everything is said; None: not yet."""
        self.outgoing = asyncio.Event()
        """There may be something to take, or to close."""
        self.caught_up = asyncio.Event()
        """Audio may be received: the engine is not far behind."""
        self._dialogue = dialogue
        self._outbox = outbox
        self._schedulers = schedulers
        self._limits = limits
        self._metrics = metrics
        self._on_ruined = on_ruined
        self._hang_up: HangUp | None = None
        self._ended = False
        self._greeted = False
        self._loop = asyncio.get_running_loop()
        self._heard_from_s = self._loop.time()
        self._time_limit = self._loop.call_later(limits.max_session_s, self._reach_time_limit)

    @property
    def attached(self) -> bool:
        """A connection is there."""
        return self._hang_up is not None

    @property
    def over(self) -> bool:
        """Nothing more will happen; maybe the client has to be told still."""
        return self._dialogue.state is State.CLOSED

    @property
    def known_to_client(self) -> bool:
        """The client was sent its token."""
        return self._greeted

    @property
    def terms(self) -> Open:
        """What was agreed to."""
        return self._dialogue.terms

    @property
    def quiet_s(self) -> float:
        """For how long no frame has come."""
        return self._loop.time() - self._heard_from_s

    @property
    def received_at(self) -> int:
        """Where the audio received so far ends, at the declared rate."""
        return self._dialogue.received_at

    @property
    def patience_s(self) -> float | None:
        """How long to wait for a frame; None: it is the server's turn, or all is said."""
        streaming = self._dialogue.state is State.STREAMING
        return self._limits.idle_timeout_s if streaming else None

    def reaches(self, last_seq: int) -> bool:
        """Whether every message after number ``last_seq`` is still here."""
        return self._outbox.reaches(last_seq)

    def open(self, hang_up: HangUp) -> None:
        """Begin, with the first connection; once, before anything else."""
        self._attach(hang_up)
        self._react(self._dialogue.open())

    def go_on(self, hang_up: HangUp, last_seq: int) -> None:
        """A connection is there whose client has the messages up to ``last_seq``.

        One that was there before is half open, and hung up.
        """
        self._attach(hang_up)
        self._outbox.rewind(last_seq)
        self._react(self._dialogue.go_on())

    def detach(self, hang_up: HangUp) -> bool:
        """The connection is gone; False: another one has taken over before."""
        if self._hang_up != hang_up:
            return False
        self._hang_up = None
        return True

    def receive(self, frame: str | bytes) -> None:
        """A frame came."""
        self._heard_from_s = self._loop.time()
        if isinstance(frame, bytes):
            self._react(self._dialogue.receive_bytes(frame))
        else:
            self._react(self._dialogue.receive_text(frame))

    def take_update(self, update: Update) -> None:
        """The engine reported."""
        self._react(self._dialogue.take_update(update))

    def take(self) -> str | None:
        """The next message as the text of a frame; None: wait for ``outgoing``."""
        text = self._outbox.take()
        self._greeted = self._greeted or text is not None
        return text

    def beat(self) -> None:
        """It is time for a heartbeat."""
        if self.known_to_client:
            self._react(self._dialogue.heartbeat())

    def time_out(self) -> None:
        """The client was silent for longer than ``patience_s``."""
        self._react(self._dialogue.time_out())

    def drain(self) -> None:
        """The server is going down: finish what is open, then close."""
        self._react(self._dialogue.drain())

    def give_up_slow_reader(self) -> None:
        """The client doesn't read: what waits is dropped, and it is told so if it ever does."""
        reaction = self._dialogue.give_up_slow_reader()
        self._outbox.clear()
        self._react(reaction)

    def end(self, reason: str) -> None:
        """The engine may forget the stream. Messages stay, for a client that comes back."""
        if self._ended:
            return
        self._ended = True
        self._time_limit.cancel()
        self._schedulers.post(self.identity.session, Close(reason))

    def _attach(self, hang_up: HangUp) -> None:
        before, self._hang_up = self._hang_up, hang_up
        self._heard_from_s = self._loop.time()
        if before is not None:
            before(Closing(CloseCode.TAKEN_OVER, "taken_over"))

    def _reach_time_limit(self) -> None:
        self._react(self._dialogue.reach_time_limit())

    def _react(self, reaction: Reaction) -> None:
        for command in reaction.commands:
            self._send_command(command)
        self.closing = self.closing or reaction.closing
        try:
            for message in reaction.replies:
                self._outbox.put(message)
                if isinstance(message, Error):
                    self._metrics.error(message.code)
        except OutboxFull:
            self._overflow()
        if self._dialogue.backlog_s < self._limits.backlog_pause_s or self.closing:
            self.caught_up.set()
        else:
            self.caught_up.clear()
        self.outgoing.set()
        if self.closing and self.closing.code is CloseCode.INTERNAL and not self.attached:
            self._on_ruined(self)

    def _overflow(self) -> None:
        if self.attached:
            self.give_up_slow_reader()
        else:
            self._on_ruined(self)

    def _send_command(self, command: Command) -> None:
        match command:
            case Open():
                opening = replace(command, key=self.identity.key_id)
                self._schedulers.open(self.identity.session, opening, self._deliver)
            case _:
                self._schedulers.post(self.identity.session, command)

    def _deliver(self, update: Update) -> None:
        """Called on the engine thread."""
        with contextlib.suppress(RuntimeError):  # the event loop has gone, and the client with it
            self._loop.call_soon_threadsafe(self.take_update, update)
