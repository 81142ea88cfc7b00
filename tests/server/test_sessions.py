"""Who may come back to which session, and how long."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from fakes_live import START
from fakes_server import ScriptedRecognizer, catalogue_of
from streamscribe.events import Flushed
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import Resume
from streamscribe_server.hosted_session import HostedSession
from streamscribe_server.identity import Restart
from streamscribe_server.limits import Limits
from streamscribe_server.mailbox import Failed, Opened, Progress
from streamscribe_server.metrics import Metrics
from streamscribe_server.reaction import Closing
from streamscribe_server.schedulers import Schedulers
from streamscribe_server.sessions import Parting, Sessions


class Line:
    """A connection, as far as a session knows of it."""

    def __init__(self) -> None:
        self.hung_up: list[Closing] = []

    def hang_up(self, closing: Closing) -> None:
        self.hung_up.append(closing)


def sessions_of(limits: Limits) -> Sessions:
    """Sessions whose engine never answers."""
    catalogue, metrics = catalogue_of(ScriptedRecognizer()), Metrics()
    return Sessions(catalogue, Schedulers(catalogue, limits, metrics), limits, metrics)


def greeted(sessions: Sessions, key_id: str | None = None) -> tuple[HostedSession, Line]:
    """A session whose client has its token."""
    line = Line()
    session = sessions.open(START, key_id, None, line.hang_up)
    session.take_update(Opened())
    assert session.take() is not None
    return session, line


def lose(sessions: Sessions, session: HostedSession, line: Line) -> None:
    assert session.detach(line.hang_up)
    sessions.leave(session, Parting.LOST)


def back(
    sessions: Sessions, session: HostedSession, key_id: str | None = None, last_seq: int = 1
) -> HostedSession | Restart:
    """The client of ``session`` asks for it over a new connection."""
    resume = Resume(session.identity.token, 0, 0, last_seq, 0, False, "", "", 0)
    return sessions.go_on(replace(START, resume=resume), key_id, Line().hang_up)


def reason_of(answer: HostedSession | Restart) -> str:
    assert isinstance(answer, Restart)
    return answer.reason


def run(scene: Callable[[Sessions], None], limits: Limits | None = None) -> None:
    async def main() -> None:
        scene(sessions_of(limits or Limits()))

    asyncio.run(main())


def test_a_session_whose_connection_is_lost_is_parked_until_its_client_is_back() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        lose(sessions, session, line)
        assert (sessions.streams, sessions.attached, sessions.parked) == (1, 0, 1)
        assert back(sessions, session) is session
        assert (sessions.streams, sessions.attached, sessions.parked) == (1, 1, 0)

    run(scene)


def test_a_token_is_worth_nothing_to_another_key() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions, key_id="ada")
        lose(sessions, session, line)
        assert reason_of(back(sessions, session, key_id="bob")) == "unknown"
        assert reason_of(back(sessions, session, key_id=None)) == "unknown"
        assert back(sessions, session, key_id="ada") is session

    run(scene)


def test_another_key_is_not_told_that_a_session_has_expired_either() -> None:
    def scene(sessions: Sessions) -> None:
        sessions_of_ada = [greeted(sessions, key_id="ada") for _ in range(2)]
        for session, line in sessions_of_ada:
            lose(sessions, session, line)
        first = sessions_of_ada[0][0]
        assert reason_of(back(sessions, first, key_id="ada")) == "expired"
        assert reason_of(back(sessions, first, key_id="bob")) == "unknown"

    run(scene, Limits(max_parked=1))


def test_a_connection_that_is_there_still_is_hung_up_and_says_nothing_more() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        assert back(sessions, session) is session
        assert line.hung_up == [Closing(CloseCode.TAKEN_OVER, "taken_over")]
        assert not session.detach(line.hang_up)
        assert session.attached

    run(scene)


def test_of_too_many_parked_sessions_the_oldest_gives_way() -> None:
    def scene(sessions: Sessions) -> None:
        parked = [greeted(sessions) for _ in range(3)]
        for session, line in parked:
            lose(sessions, session, line)
        assert sessions.parked == 2
        answers = [back(sessions, session) for session, _ in parked]
        assert reason_of(answers[0]) == "expired"
        assert answers[1:] == [session for session, _ in parked[1:]]

    run(scene, Limits(max_parked=2))


def test_a_client_that_said_goodbye_is_not_waited_for() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        session.detach(line.hang_up)
        sessions.leave(session, Parting.LEFT)
        assert sessions.streams == 0
        assert reason_of(back(sessions, session)) == "unknown"

    run(scene)


def test_a_client_that_never_had_its_token_is_not_waited_for() -> None:
    def scene(sessions: Sessions) -> None:
        line = Line()
        session = sessions.open(START, None, None, line.hang_up)
        lose(sessions, session, line)
        assert sessions.streams == 0

    run(scene)


def test_a_client_that_asks_for_what_was_never_sent_begins_again() -> None:
    def scene(sessions: Sessions) -> None:
        session, _ = greeted(sessions)
        assert reason_of(back(sessions, session, last_seq=2)) == "behind"
        assert sessions.streams == 0

    run(scene)


def test_a_parked_session_that_fails_is_forgotten() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        lose(sessions, session, line)
        session.take_update(Failed("internal", "why"))
        assert (sessions.streams, sessions.parked) == (0, 0)
        assert reason_of(back(sessions, session)) == "unknown"

    run(scene)


def test_a_client_at_fault_is_told_so_when_it_is_back() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        lose(sessions, session, line)
        session.take_update(Failed("invalid_sample", "why"))
        assert back(sessions, session) is session
        texts = [session.take(), session.take()]
        assert '"resumed":"continued"' in str(texts[0])
        assert '"code":"invalid_sample"' in str(texts[1])
        assert session.closing is not None

    run(scene)


def test_a_parked_session_whose_messages_find_no_room_is_forgotten() -> None:
    def scene(sessions: Sessions) -> None:
        session, line = greeted(sessions)
        lose(sessions, session, line)
        for id in ("a", "b", "c"):
            session.take_update(Progress((Flushed(id),), 0, 0))
        assert sessions.streams == 0

    run(scene, Limits(max_queued_messages=2))
