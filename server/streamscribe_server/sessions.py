"""Every session of the process, by the token with which a client comes back to it.

::

    open --> live --connection lost--> parked --resume_s--> expired
              |  <----- resume --------   |
              +---------------------------+--> ended: done, left, failed, going down

A live session is taken over by whoever comes with its token: its old connection is half open. Of
a session whose ``done`` was sent the messages linger, in case they did not arrive. What is parked
is bounded; the oldest gives way, one that only lingers first.
"""

import asyncio
import logging
from enum import Enum

from streamscribe.errors import AudioError
from streamscribe.ingest import AudioFormat
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Start
from streamscribe_server.catalogue import Catalogue
from streamscribe_server.dialogue import Dialogue
from streamscribe_server.hosted_session import HangUp, HostedSession
from streamscribe_server.identity import Identity, Restart
from streamscribe_server.limits import Limits
from streamscribe_server.metrics import Metrics
from streamscribe_server.outbox import UNNUMBERED, Outbox
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.start_terms import Refused, check_resume, terms_of

logger = logging.getLogger(__name__)

_QUIET_HEARTBEATS = 2
"""A client sends something every heartbeat; after two without, it may be gone."""


class Parting(Enum):
    """How a connection went."""

    LOST = "client_gone"  # without a word: it may come back
    LEFT = "client_left"  # it said so
    FAILED = "internal"  # by a fault of the server


class Sessions:
    """Opens, finds, parks and ends sessions. All methods run on the event loop."""

    def __init__(
        self, catalogue: Catalogue, schedulers: Schedulers, limits: Limits, metrics: Metrics
    ) -> None:
        self._catalogue = catalogue
        self._schedulers = schedulers
        self._limits = limits
        self._metrics = metrics
        self._by_token: dict[str, HostedSession] = {}
        self._parked: dict[str, asyncio.TimerHandle] = {}  # by token, oldest first
        self._expired: dict[str, str | None] = {}  # keys by token, oldest first
        self._draining = False

    @property
    def streams(self) -> int:
        """Sessions that are not over, with a client or without."""
        return sum(not session.over for session in self._by_token.values())

    @property
    def attached(self) -> int:
        """Sessions with a client."""
        return sum(session.attached for session in self._by_token.values())

    @property
    def parked(self) -> int:
        """Sessions without a client, those that only linger too."""
        return len(self._parked)

    @property
    def awaited(self) -> int:
        """Sessions whose client may come back: parked ones, and live ones gone quiet."""
        quiet_s = _QUIET_HEARTBEATS * self._limits.heartbeat_s
        quiet = sum(s.attached and s.quiet_s > quiet_s for s in self._by_token.values())
        return self.parked + quiet

    def go_on(self, start: Start, key_id: str | None, hang_up: HangUp) -> HostedSession | Restart:
        """The session that ``start.resume`` asks for; or why it has to begin anew.

        Raises ``Refused`` for a ``start`` that doesn't belong to the session.
        """
        assert start.resume is not None, "this start begins a session of its own"
        resume = start.resume
        check_resume(resume)
        session = self._by_token.get(resume.token)
        if session is None or session.identity.key_id != key_id:
            expired = self._expired.get(resume.token, ...) == key_id
            return Restart(resume, "expired" if expired else "unknown")
        _check_format(start, session)
        if not session.reaches(resume.last_seq) or resume.from_at > session.received_at:
            self._end(session, "behind")
            return Restart(resume, "behind")
        self._unpark(session)
        session.go_on(hang_up, resume.last_seq)
        logger.info(
            "stream %s resumed: last_seq=%d received_at=%d",
            session.identity.session, resume.last_seq, session.received_at,
        )  # fmt: skip
        return session

    def open(
        self, start: Start, key_id: str | None, restart: Restart | None, hang_up: HangUp
    ) -> HostedSession:
        """A new session. Raises ``Refused`` for what ``start`` may not ask for."""
        limits = self._limits
        identity = Identity(key_id)
        terms = terms_of(start, self._catalogue)
        last_seq = restart.resume.last_seq if restart else UNNUMBERED
        session = HostedSession(
            Dialogue(identity, terms, self._catalogue, limits, restart),
            Outbox(
                limits.max_queued_messages,
                limits.max_kept_messages,
                last_seq,
                self._metrics.dropped,
            ),
            self._schedulers,
            limits,
            self._metrics,
            on_ruined=lambda session: self._end(session, "internal"),
        )
        self._by_token[identity.token] = session
        session.open(hang_up)
        return session

    def leave(self, session: HostedSession, parting: Parting) -> None:
        """The session's connection is gone, and no other has taken over."""
        if session.identity.token not in self._by_token:
            return
        limits = self._limits
        closing = session.closing
        if parting is Parting.FAILED:
            self._end(session, parting.value)
        elif closing is not None and closing.code is CloseCode.NORMAL:
            session.end(closing.reason)
            self._park(session, limits.linger_s)
        elif closing is not None:
            self._end(session, closing.reason)
        elif parting is Parting.LEFT or self._draining or not session.known_to_client:
            self._end(session, parting.value)
        else:
            self._park(session, limits.resume_s)
            logger.info(
                "stream %s parked: received_at=%d", session.identity.session, session.received_at
            )

    def drain(self) -> None:
        """The server is going down: live sessions finish, parked ones end now."""
        self._draining = True
        for session in tuple(self._by_token.values()):
            if session.attached:
                session.drain()
            else:
                self._end(session, "restarting")

    def _park(self, session: HostedSession, seconds: float) -> None:
        token = session.identity.token
        if len(self._parked) >= self._limits.max_parked:
            by_age = [self._by_token[token] for token in self._parked]
            self._expire(next((parked for parked in by_age if parked.over), by_age[0]))
        loop = asyncio.get_running_loop()
        self._parked[token] = loop.call_later(seconds, self._expire, session)

    def _unpark(self, session: HostedSession) -> None:
        timer = self._parked.pop(session.identity.token, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, session: HostedSession) -> None:
        self._end(session, "expired")
        self._expired[session.identity.token] = session.identity.key_id
        if len(self._expired) > self._limits.max_known_tokens:
            del self._expired[next(iter(self._expired))]

    def _end(self, session: HostedSession, reason: str) -> None:
        self._unpark(session)
        self._by_token.pop(session.identity.token, None)
        session.end(reason)


def _check_format(start: Start, session: HostedSession) -> None:
    """A session goes on in the format in which it began."""
    asked = start.audio
    try:
        same = AudioFormat(asked.encoding, asked.rate, asked.channels) == session.terms.format
    except AudioError as error:
        raise Refused(error.code, str(error), CloseCode.UNUSABLE_AUDIO) from error
    if not same:
        began = session.terms.format
        message = (
            f"start.audio is {asked.encoding}, {asked.rate} Hz, {asked.channels} channels, but the"
            f" session began with {began.encoding}, {began.rate_hz} Hz, {began.channels} channels"
        )
        raise Refused("invalid_option", message, CloseCode.PROTOCOL_ERROR)
