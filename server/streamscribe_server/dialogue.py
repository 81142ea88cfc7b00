"""One client's conversation as a pure state machine: no sockets, tasks or clocks.

::

    WAITING_START --start--> STREAMING --finish--> FINISHING --Ended--> CLOSED
                                 |
                                 +-----drain-----> DRAINING --Ended--> CLOSED

Every method takes what happened and returns a ``Reaction``: replies to the client, commands
for the engine, and maybe how to close. Any fatal error leads to CLOSED from every state; there,
whatever comes is ignored. The caller sends the replies in order, closes after them, and tells
the engine ``Close`` when the connection is gone.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from streamscribe.errors import OptionError
from streamscribe.timeline import SAMPLE_RATE, len_to_ms
from streamscribe_protocol import messages
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_server import mailbox
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.limits import Limits
from streamscribe_server.outbox import UNNUMBERED
from streamscribe_server.start_terms import Refused, terms_of
from streamscribe_server.translate import Translator, effective_options


class State(Enum):
    """Where a dialogue stands."""

    WAITING_START = auto()
    STREAMING = auto()
    FINISHING = auto()
    DRAINING = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Closing:
    """How to close the connection."""

    code: CloseCode
    reason: str
    """One word, for the close frame and the log."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to do now, in this order: commands, replies, close."""

    replies: tuple[messages.ServerMessage, ...] = ()
    commands: tuple[mailbox.Command, ...] = ()
    closing: Closing | None = None


NOTHING = Reaction()
"""Nothing to do."""


class Dialogue:
    """The protocol state of one connection."""

    def __init__(self, session_id: str, catalogue: Catalogue, limits: Limits) -> None:
        self._session_id = session_id
        self._catalogue = catalogue
        self._limits = limits
        self._state = State.WAITING_START
        self._terms: mailbox.Open | None = None
        self._translator: Translator | None = None
        self._received_bytes = 0
        self._decided_at = 0
        self._warned_finished = False

    @property
    def state(self) -> State:
        """Where the dialogue stands."""
        return self._state

    @property
    def started(self) -> bool:
        """A stream was asked for and agreed to; the engine knows of it."""
        return self._terms is not None

    @property
    def backlog_s(self) -> float:
        """Seconds of audio received and not yet decided on."""
        if self._terms is None:
            return 0.0
        audio = self._terms.format
        received_s = self._received_bytes / (audio.rate_hz * audio.frame_bytes)
        return max(0.0, received_s - self._decided_at / SAMPLE_RATE)

    def receive_text(self, text: str) -> Reaction:
        """A text frame came."""
        if self._state in (State.DRAINING, State.CLOSED):
            return NOTHING
        if len(text) > self._limits.max_frame_bytes:
            return self._frame_too_large(len(text))
        try:
            message = messages.decode_client_message(text)
        except RemoteProtocolError as error:
            return self._fatal(error.code, error.message, CloseCode.PROTOCOL_ERROR)
        return NOTHING if message is None else self._receive_message(message)

    def receive_bytes(self, data: bytes) -> Reaction:
        """A binary frame came."""
        if self._state in (State.DRAINING, State.CLOSED):
            return NOTHING
        if len(data) > self._limits.max_frame_bytes:
            return self._frame_too_large(len(data))
        if self._state is State.WAITING_START:
            return self._fatal(
                "audio_before_start",
                f"{len(data)} bytes of audio came before the start message; send start first",
                CloseCode.PROTOCOL_ERROR,
            )
        if self._state is State.FINISHING:
            return self._already_finished("audio")
        self._received_bytes += len(data)
        return Reaction(commands=(mailbox.Audio(data),)) if data else NOTHING

    def take_update(self, update: mailbox.Update) -> Reaction:
        """The engine reported."""
        if self._state is State.CLOSED:
            return NOTHING
        match update:
            case mailbox.Opened():
                return Reaction(replies=(self._ready(),))
            case mailbox.Progress():
                assert self._translator is not None, "progress of a stream that was never opened"
                self._decided_at = update.decided_at
                return Reaction(replies=tuple(self._translator.translate(update)))
            case mailbox.Ended(heard_at):
                return self._end(heard_at)
            case mailbox.Failed(code, message):
                return self._fatal(code, message, _close_code(code))

    def time_out(self) -> Reaction:
        """The client was silent for longer than the limit for this state."""
        if self._state is State.WAITING_START:
            message = f"no start message came within {self._limits.start_timeout_s:g} s"
            return self._fatal("start_timeout", message, CloseCode.IDLE)
        silent_s = self._limits.idle_timeout_s
        message = f"no frame came for {silent_s:g} s; send silence, or any message, to stay"
        return self._fatal("idle_timeout", message, CloseCode.IDLE)

    def give_up_slow_reader(self) -> Reaction:
        """The client doesn't read what is sent."""
        message = "messages wait because this client doesn't read them; read as they come"
        return self._fatal("slow_reader", message, CloseCode.SLOW_READER)

    def drain(self) -> Reaction:
        """The server is going down: finish what is open, then close."""
        match self._state:
            case State.WAITING_START:
                return self._close(Closing(CloseCode.RESTARTING, "restarting"))
            case State.STREAMING:
                self._state = State.DRAINING
                return Reaction(commands=(mailbox.Finish(),))
            case State.FINISHING | State.DRAINING | State.CLOSED:
                return NOTHING

    def _receive_message(self, message: messages.ClientMessage) -> Reaction:
        if isinstance(message, messages.Start):
            return self._start(message)
        if self._state is State.WAITING_START:
            return self._fatal(
                "not_started",
                "flush, hotwords or finish came before the start message; send start first",
                CloseCode.PROTOCOL_ERROR,
            )
        if self._state is State.FINISHING:
            return self._already_finished("another flush, hotwords or finish")
        match message:
            case messages.Hotwords(hotwords):
                return self._set_hotwords(hotwords)
            case messages.Flush(id):
                return Reaction(commands=(mailbox.Flush(id),))
            case messages.Finish():
                self._state = State.FINISHING
                return Reaction(commands=(mailbox.Finish(),))

    def _start(self, start: messages.Start) -> Reaction:
        if self._state is not State.WAITING_START:
            return self._fatal(
                "already_started",
                "a second start message came; one connection carries one stream",
                CloseCode.PROTOCOL_ERROR,
            )
        try:
            self._terms = terms_of(start, self._catalogue)
        except Refused as refusal:
            return self._fatal(refusal.code, refusal.message, refusal.close_code)
        self._translator = Translator(self._terms.format.rate_hz)
        self._state = State.STREAMING
        return Reaction(commands=(self._terms,))

    def _set_hotwords(self, phrases: tuple[str, ...]) -> Reaction:
        """A list that can't be followed changes nothing; the stream goes on."""
        assert self._terms is not None, "hotwords of a stream that was never opened"
        model = self._catalogue.find(self._terms.model)
        try:
            model.recognizer.resolve(replace(self._terms.options, hotwords=phrases))
        except OptionError as error:
            refusal = messages.Error(UNNUMBERED, error.code, str(error), fatal=False)
            return Reaction(replies=(refusal,))
        return Reaction(commands=(mailbox.Hotwords(phrases),))

    def _ready(self) -> messages.Ready:
        assert self._terms is not None, "the engine opened a stream that nobody asked for"
        return messages.Ready(
            seq=UNNUMBERED,
            session=self._session_id,
            resume_token=None,
            model=self._terms.model,
            options=effective_options(self._terms.options),
        )

    def _end(self, heard_at: int) -> Reaction:
        if self._state is State.DRAINING:
            return self._close(Closing(CloseCode.RESTARTING, "restarting"))
        done = messages.Done(UNNUMBERED, len_to_ms(heard_at))
        return self._close(Closing(CloseCode.NORMAL, "done"), done)

    def _already_finished(self, what: str) -> Reaction:
        """Said once: a microphone may well run on for a few frames. What was sent is kept."""
        if self._warned_finished:
            return NOTHING
        self._warned_finished = True
        message = f"{what} came after finish and is ignored"
        return Reaction(replies=(messages.Error(UNNUMBERED, "finished", message, fatal=False),))

    def _frame_too_large(self, length: int) -> Reaction:
        allowed = self._limits.max_frame_bytes
        message = f"a frame of {length} bytes came; allowed: at most {allowed}"
        return self._fatal("frame_too_large", message, CloseCode.FRAME_TOO_LARGE)

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
