"""One session's conversation as a pure state machine: no sockets, tasks or clocks.

::

    STREAMING --finish--> FINISHING --Ended--> CLOSED
        |
        +--drain, time limit--> DRAINING --Ended--> CLOSED

It begins when a ``start`` was agreed to (``frames.py``, ``start_terms.py``), and goes on over
whichever connections the client makes. Every method takes what happened and returns a
``Reaction``: replies to the client, commands for the engine, and maybe how to close. Any fatal
error leads to CLOSED from every state; there, whatever comes is ignored. The caller sends the
replies in order, closes after them, and tells the engine ``Close`` when the session is over.
"""

from collections import deque
from dataclasses import replace
from enum import Enum, auto

from streamscribe.errors import OptionError
from streamscribe.timeline import at_to_ms
from streamscribe_protocol import messages
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_server import mailbox
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.frames import check_length, message_of
from streamscribe_server.identity import Identity, Restart
from streamscribe_server.limits import Limits
from streamscribe_server.outbox import UNNUMBERED
from streamscribe_server.reaction import NOTHING, Closing, Reaction
from streamscribe_server.start_terms import Refused
from streamscribe_server.tally import Tally
from streamscribe_server.translate import Translator, effective_options


class State(Enum):
    """Where a dialogue stands."""

    STREAMING = auto()
    FINISHING = auto()
    DRAINING = auto()
    CLOSED = auto()


class Dialogue:
    """The protocol state of one session."""

    def __init__(
        self,
        identity: Identity,
        terms: mailbox.Open,
        catalogue: Catalogue,
        limits: Limits,
        restart: Restart | None = None,
    ) -> None:
        """``restart`` belongs to ``terms.continuation``: both or neither."""
        resume = restart.resume if restart else None
        self.identity = identity
        self._terms = terms
        self._catalogue = catalogue
        self._limits = limits
        self._restart = restart
        self._state = State.STREAMING
        self._translator = Translator(terms.format.rate_hz, resume)
        self._tally = Tally(terms, resume.from_at if resume else 0)
        self._flushes: deque[str] = deque(maxlen=limits.max_known_flushes)
        self._warned_finished = False
        self._over_time = False

    @property
    def state(self) -> State:
        """Where the dialogue stands."""
        return self._state

    @property
    def terms(self) -> mailbox.Open:
        """What was agreed to."""
        return self._terms

    @property
    def backlog_s(self) -> float:
        """Seconds of audio received and not yet decided on."""
        return self._tally.backlog_s

    @property
    def received_at(self) -> int:
        """Where the audio received so far ends, at the declared rate."""
        return self._tally.received_at

    def open(self) -> Reaction:
        """Begin; once."""
        return Reaction(commands=(self._terms,))

    def go_on(self) -> Reaction:
        """The client is back over a new connection."""
        self._tally.repeat()
        self._warned_finished = self._warned_finished or self._state is State.FINISHING
        return Reaction(replies=(self._ready("continued", None),))

    def heartbeat(self) -> Reaction:
        """It is time to say how far the session has come."""
        if self._state is State.CLOSED:
            return NOTHING
        return Reaction(replies=(self._tally.heartbeat(),))

    def receive_text(self, text: str) -> Reaction:
        """A text frame came."""
        if self._state in (State.DRAINING, State.CLOSED):
            return NOTHING
        try:
            message = message_of(text, self._limits)
        except Refused as refusal:
            return self._refuse(refusal)
        return NOTHING if message is None else self._receive_message(message)

    def receive_bytes(self, data: bytes) -> Reaction:
        """A binary frame came."""
        if self._state in (State.DRAINING, State.CLOSED):
            return NOTHING
        try:
            check_length(len(data), self._limits)
        except Refused as refusal:
            return self._refuse(refusal)
        if self._state is State.FINISHING:
            return self._already_finished("audio")
        new = self._tally.receive(data)
        return Reaction(commands=(mailbox.Audio(new),)) if new else NOTHING

    def take_update(self, update: mailbox.Update) -> Reaction:
        """The engine reported."""
        if self._state is State.CLOSED:
            return NOTHING
        match update:
            case mailbox.Opened():
                restart = self._restart
                ready = self._ready("fresh", restart.reason) if restart else self._ready(None, None)
                return Reaction(replies=(ready,))
            case mailbox.Progress():
                self._tally.progress(update)
                return Reaction(replies=tuple(self._translator.translate(update)))
            case mailbox.Ended(heard_at):
                return self._end(heard_at)
            case mailbox.Failed(code, message):
                return self._fatal(code, message, _close_code(code))

    def time_out(self) -> Reaction:
        """The client was silent for longer than is allowed."""
        silent_s = self._limits.idle_timeout_s
        message = f"no frame came for {silent_s:g} s; send silence, or keep_alive, to stay"
        return self._fatal("idle_timeout", message, CloseCode.IDLE)

    def give_up_slow_reader(self) -> Reaction:
        """The client doesn't read what is sent."""
        message = "messages wait because this client doesn't read them; read as they come"
        return self._fatal("slow_reader", message, CloseCode.SLOW_READER)

    def drain(self) -> Reaction:
        """The server is going down: finish what is open, then close."""
        if self._state is not State.STREAMING:
            return NOTHING
        self._state = State.DRAINING
        return Reaction(commands=(mailbox.Finish(),))

    def reach_time_limit(self) -> Reaction:
        """The session is as long as is allowed: finish what is open, then say so."""
        reaction = self.drain()
        self._over_time = reaction is not NOTHING
        return reaction

    def _receive_message(self, message: messages.ClientMessage) -> Reaction:
        match message:
            case messages.Start():
                return self._fatal(
                    "already_started",
                    "a second start message came; one connection carries one stream",
                    CloseCode.PROTOCOL_ERROR,
                )
            case messages.KeepAlive():
                return NOTHING
            case messages.Flush(id) if id in self._flushes:
                return NOTHING
            case messages.Finish() if self._state is State.FINISHING:
                return NOTHING
            case messages.Flush() | messages.Hotwords() if self._state is State.FINISHING:
                return self._already_finished("another flush or hotwords")
            case messages.Hotwords(hotwords):
                return self._set_hotwords(hotwords)
            case messages.Flush(id):
                self._flushes.append(id)
                return Reaction(commands=(mailbox.Flush(id),))
            case messages.Finish():
                self._state = State.FINISHING
                return Reaction(commands=(mailbox.Finish(),))

    def _set_hotwords(self, phrases: tuple[str, ...]) -> Reaction:
        """A list that can't be followed changes nothing; the stream goes on."""
        model = self._catalogue.find(self._terms.model)
        try:
            model.recognizer.resolve(replace(self._terms.options, hotwords=phrases))
        except OptionError as error:
            refusal = messages.Error(UNNUMBERED, error.code, str(error), fatal=False)
            return Reaction(replies=(refusal,))
        return Reaction(commands=(mailbox.Hotwords(phrases),))

    def _ready(self, resumed: messages.Resumed | None, reason: str | None) -> messages.Ready:
        tally = self._tally
        return messages.Ready(
            seq=UNNUMBERED,
            session=self.identity.session,
            resume_token=self.identity.token,
            model=self._terms.model,
            options=effective_options(self._terms.options),
            resumed=resumed,
            resume_reason=reason,
            send_from_at=tally.received_at if resumed == "continued" else tally.from_at,
            heartbeat_s=self._limits.heartbeat_s,
            resume_s=self._limits.resume_s,
        )

    def _end(self, heard_at: int) -> Reaction:
        if self._over_time:
            allowed_s = self._limits.max_session_s
            message = f"the session lasted {allowed_s:g} s, the longest allowed; open a new one"
            return self._fatal("session_limit", message, CloseCode.SESSION_LIMIT)
        if self._state is State.DRAINING:
            return self._close(Closing(CloseCode.RESTARTING, "restarting"))
        done = messages.Done(UNNUMBERED, at_to_ms(heard_at))
        return self._close(Closing(CloseCode.NORMAL, "done"), done)

    def _already_finished(self, what: str) -> Reaction:
        """Said once: a microphone may well run on for a few frames. What was sent is kept."""
        if self._warned_finished:
            return NOTHING
        self._warned_finished = True
        message = f"{what} came after finish and is ignored"
        return Reaction(replies=(messages.Error(UNNUMBERED, "finished", message, fatal=False),))

    def _refuse(self, refusal: Refused) -> Reaction:
        return self._fatal(refusal.code, refusal.message, refusal.close_code)

    def _fatal(self, code: str, message: str, close_code: CloseCode) -> Reaction:
        error = messages.Error(UNNUMBERED, code, message, fatal=True)
        return self._close(Closing(close_code, code), error)

    def _close(self, closing: Closing, *last_words: messages.ServerMessage) -> Reaction:
        self._state = State.CLOSED
        return Reaction(replies=last_words, closing=closing)


def _close_code(failure: str) -> CloseCode:
    match failure:
        case "internal":
            return CloseCode.INTERNAL
        case "overloaded":
            return CloseCode.OVERLOADED
        case _:
            return CloseCode.UNUSABLE_AUDIO
