"""Streams of real speech whose connections are cut, and whose server is killed.

Every session talks through a proxy of its own, at the pace of speech. *Cuts*: every few seconds
one session's connection breaks on both sides, or goes silent and nobody is told. *Kills*: the
server dies without a word, and another one, which knows nothing, takes its place behind the same
addresses. Texts are set against those of a server that nothing happens to.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import click

from bench.command import Request, bench_command
from bench.cutting_proxy import CuttingProxy
from bench.disturbances import SERVER, Cutting, Killing, Stage
from bench.losses import Losses, compare
from bench.outcome import Figures, Grid, Outcome
from bench.promises import broken_promises
from bench.readings import Reading, as_spoken, at_once, readings, seconds_of
from bench.scoring import normal_words, score, wer_percent
from streamscribe_cli.server_process import local_server
from streamscribe_client import connect_async
from streamscribe_client.events import Disconnected, Reconnected, StreamEvent
from streamscribe_protocol.messages import Final as FinalMessage

TIMEOUT_S: Final = 30.0
MOST_TOLD: Final = 20


@dataclass(slots=True)
class Session:
    """One stream and what came of it."""

    reading: Reading
    events: list[StreamEvent] = field(default_factory=list)
    failure: str | None = None

    def words(self) -> list[str]:
        """Of all finals."""
        texts = [event.text for event in self.events if isinstance(event, FinalMessage)]
        return normal_words(" ".join(texts))


@bench_command("chaos")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=10.0,
              show_default=True, help="Length of every session, in either part.")  # fmt: skip
@click.option("--sessions", type=click.IntRange(1), default=6, show_default=True,
              help="Streams at the same time.")  # fmt: skip
@click.option("--cuts", type=click.FloatRange(0), default=10.0, show_default=True,
              help="Connections cut per minute; 0 leaves this part out.")  # fmt: skip
@click.option("--kill-s", type=click.FloatRange(0), default=20.0, show_default=True,
              help="Seconds that every server lives; 0 leaves this part out.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="What the cuts are drawn from.")
def main(
    request: Request, minutes: float, sessions: int, cuts: float, kill_s: float, seed: int
) -> Outcome:
    """Words lost and doubled when connections break and servers die."""
    spoken = readings(request.speech, sessions, minutes * 60)
    expected = asyncio.run(_undisturbed(spoken))
    figures: Figures = {
        "sessions": sessions,
        "audio_min": sum(map(seconds_of, spoken)) / 60,
        "reference_words": sum(map(len, expected)),
    }
    if cuts:
        figures["cuts"] = asyncio.run(_disturbed(spoken, expected, Cutting(cuts, seed)))
    if kill_s:
        figures["kills"] = asyncio.run(_disturbed(spoken, expected, Killing(kill_s)))
    return Outcome(figures, (_grid(figures),))


async def _undisturbed(spoken: list[Reading]) -> list[list[str]]:
    """Words of every reading, heard by a server that nothing happens to."""
    sessions = [Session(reading) for reading in spoken]
    with local_server(*SERVER) as server:
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                group.create_task(_listen(server.url, session))
    return [session.words() for session in sessions]


async def _listen(url: str, session: Session) -> None:
    async with connect_async(url, timeout_s=TIMEOUT_S, overflow="wait") as stream:
        stream.send_soon(at_once(session.reading))
        session.events = [event async for event in stream]


async def _disturbed(
    spoken: list[Reading], expected: list[list[str]], disturbance: Cutting | Killing
) -> Figures:
    sessions = [Session(reading) for reading in spoken]
    stage = Stage([CuttingProxy("127.0.0.1", 0) for _ in spoken])
    await stage.listen()
    await stage.begin()
    talks = asyncio.gather(*(
        _talk(f"ws://127.0.0.1:{port}", session)
        for port, session in zip(stage.ports, sessions, strict=True)
    ))  # fmt: skip
    disturb = asyncio.create_task(disturbance.disturb(stage))
    either: list[asyncio.Future[Any]] = [talks, disturb]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    disturb.cancel()  # it never ends by itself
    with suppress(asyncio.CancelledError):
        await disturb
    await talks
    await stage.end()
    for proxy in stage.proxies:
        await proxy.stop()
    return {
        **dict(disturbance.done),
        "servers": stage.servers,
        "server_errors": len(stage.logged),
        "logged": stage.logged[:MOST_TOLD],
        **_judged(sessions, expected),
    }


async def _talk(url: str, session: Session) -> None:
    try:
        async with connect_async(url, timeout_s=TIMEOUT_S, connection_events=True) as stream:
            stream.send_soon(as_spoken(session.reading))
            async for event in stream:
                session.events.append(event)
    except Exception as error:  # noqa: BLE001 - a stream that ends in any way but well is a result
        session.failure = f"{type(error).__name__}: {error}"


def _judged(sessions: list[Session], expected: list[list[str]]) -> Figures:
    losses: list[Losses] = []
    wrong: list[str] = []
    resumed: Counter[str] = Counter()
    for index, (session, words) in enumerate(zip(sessions, expected, strict=True)):
        losses.append(compare(words, session.words()))
        wrong += [f"session {index}: {one}" for one in broken_promises(session.events)]
        resumed.update(one.resumed for one in session.events if isinstance(one, Reconnected))
    failures = [session.failure for session in sessions if session.failure is not None]
    breaks = [_breaks(session) for session in sessions]
    lost = [run for one in losses for run in one.lost_runs]
    doubled = [run for one in losses for run in one.repeated_runs]
    told = [place for one in losses for place in one.places]
    return {
        "breaks": sum(breaks),
        "breaks_of_a_session_at_least": min(breaks),
        "resumed": dict(resumed),
        "words_lost": sum(map(len, lost)),
        "words_doubled": sum(map(len, doubled)),
        "lost_runs": [" ".join(run) for run in lost[:MOST_TOLD]],
        "doubled_runs": [" ".join(run) for run in doubled[:MOST_TOLD]],
        "runs": [{"undisturbed": " ".join(a), "here": " ".join(b)} for a, b in told[:MOST_TOLD]],
        "of_what_was_said": {
            "undisturbed": _of_truth(sessions, expected),
            "here": _of_truth(sessions, [session.words() for session in sessions]),
        },
        "other_percent": 100 * sum(one.other for one in losses) / sum(map(len, expected)),
        "promises_broken": len(wrong),
        "wrong": wrong[:MOST_TOLD],
        "failed": len(failures),
        "failures": failures,
    }


def _of_truth(sessions: list[Session], heard: list[list[str]]) -> Figures:
    """Texts against what was said: where a model is unsure, another text is not a worse one."""
    said = [normal_words(" ".join(clip.text for clip in session.reading)) for session in sessions]
    losses = [compare(words, text) for words, text in zip(said, heard, strict=True)]
    errors = [
        score(" ".join(words), " ".join(text)) for words, text in zip(said, heard, strict=True)
    ]
    return {
        "words_missing_in_runs": sum(len(run) for one in losses for run in one.lost_runs),
        "words_too_many_in_runs": sum(len(run) for one in losses for run in one.repeated_runs),
        "word_error_rate_percent": wer_percent(errors),
    }


def _breaks(session: Session) -> int:
    return sum(isinstance(event, Disconnected) for event in session.events)


def _grid(figures: Figures) -> Grid:
    parts = [part for name in ("cuts", "kills") if isinstance(part := figures.get(name), dict)]
    names = [name for name in ("cuts", "kills") if name in figures]
    keys = (
        "breaks", "words_lost", "words_doubled", "other_percent", "promises_broken", "failed",
        "server_errors",
    )  # fmt: skip
    rows = [(key.replace("_", " "), *(f"{part[key]:g}" for part in parts)) for key in keys]
    return Grid("After all that", ("what", *names), rows)


if __name__ == "__main__":
    main()
