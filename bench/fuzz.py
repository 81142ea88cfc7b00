"""Rude clients against a real server, over real sockets, beside a live stream that must not notice.

First conversations that no client should hold (``fuzz_frames``), a fixed number of frames, then
clients that are rude by their timing (``fuzz_attacks``). Conversation ``i`` is drawn from
``seed:i`` alone, so ``--only i`` holds it again.
"""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

import click
import psutil  # type: ignore[import-untyped]

from bench.answers import count_ends, faults_of
from bench.bystander import Bystander, sample_pcm, spoken_text
from bench.command import Request, bench_command
from bench.documented import Documented, documented
from bench.fuzz_attacks import ATTACKS, Target
from bench.fuzz_frames import CLOSE, ECHOED, Conversation, conversation
from bench.memory import MB
from bench.outcome import Figures, Grid, Outcome
from bench.raw_socket import Answer, End, raw_socket, wire_frame
from bench.trend import fit_trend
from streamscribe_cli.server_process import ServerProcess, local_server
from streamscribe_protocol.close_codes import CloseCode

AT_ONCE: Final = 16
"""Conversations at the same time: well below the most sessions, so that few are refused."""
PATIENCE_S: Final = 30.0
"""Longest wait for the end of a conversation: several times what a loaded server takes."""
LINGER_S: Final = 0.5
"""Wait for an answer to bytes after which a server may well wait for more."""
MOST_TOLD: Final = 50
OPENS: Final = "1000000"
"""Per minute: all clients come from one address, and none is to be refused for that."""
_RETRY_S: Final = 1.0
_MEMORY_EVERY: Final = 20
"""Conversations between two looks at the server's memory."""


@dataclass(slots=True)
class Held:
    """Everything about the conversations that were held."""

    allowed: Documented
    process: psutil.Process
    frames: int = 0
    refused: int = 0
    """Times that one was held again because the server had no room."""
    kinds: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    frames_at: list[float] = field(default_factory=list)
    mb: list[float] = field(default_factory=list)

    def note(self, index: int, told: Conversation, answer: Answer) -> None:
        """Take in one conversation and judge its answer."""
        self.frames += len(told.frames)
        self.kinds[told.kind] += 1
        self.ends.update(count_ends([answer]))
        wrong = faults_of(answer, self.allowed, ECHOED)
        if told.whole and answer.end is End.OPEN and not wrong:
            wrong = [f"no end within {PATIENCE_S:g} s"]
        self.faults += [f"{index} ({told.kind}): {fault}" for fault in wrong]
        if index % _MEMORY_EVERY == 0:
            self.frames_at.append(self.frames)
            self.mb.append(self.process.memory_info().rss / MB)


@bench_command("fuzz", needs_speech=False)
@click.option("--frames", type=click.IntRange(1), default=100_000, show_default=True,
              help="Frames to send in conversations.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="What conversations are drawn from.")
@click.option("--only", type=click.IntRange(0), help="Hold this one conversation alone.")
def main(request: Request, frames: int, seed: int, only: int | None) -> Outcome:
    """Malformed, hostile and vanishing clients: what a server answers, and what it costs it."""
    with local_server("--opens-per-minute", OPENS) as server:
        figures = asyncio.run(_attack(server, frames, seed, only))
        figures["log"] = _log_figures(server.log())
    return Outcome(figures, _grids(figures))


async def _attack(server: ServerProcess, frames: int, seed: int, only: int | None) -> Figures:
    address = urlsplit(server.url)
    target = Target(str(address.hostname), address.port or 0, documented())
    held = Held(target.allowed, psutil.Process(server.process.pid))
    bystander = Bystander(server.url, await spoken_text(server.url, sample_pcm()))
    before = _state(server, held.process)
    if only is not None:
        await _hold(target, held, seed, only)
        return {"conversations": _held_figures(held)}
    stop = asyncio.Event()
    attacks: dict[str, Figures] = {}
    async with asyncio.TaskGroup() as group:
        group.create_task(bystander.play(stop))
        await _hold_all(target, held, seed, frames)
        silent = asyncio.create_task(_rudeness(target, held.process, "half-open"))
        for name in ATTACKS:
            if name != "half-open":
                attacks[name] = await _rudeness(target, held.process, name)
        attacks["half-open"] = await silent
        stop.set()
    return {
        "conversations": _held_figures(held),
        "attacks": attacks,
        "attack_faults": sum(int(str(one["faults"])) for one in attacks.values()),
        "bystander": bystander.figures(),
        "before": before,
        "after": await _settled_state(server, held.process),
    }


async def _hold_all(target: Target, held: Held, seed: int, frames: int) -> None:
    indices = itertools.count()

    async def worker() -> None:
        while held.frames < frames:
            await _hold(target, held, seed, next(indices))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def _hold(target: Target, held: Held, seed: int, index: int) -> None:
    """One conversation; again while the server has no room for it."""
    told = conversation(Random(f"{seed}:{index}"))
    answer = await converse(target, told)
    while answer.status in (429, 503) or answer.close_code == CloseCode.OVERLOADED:
        held.refused += 1
        await asyncio.sleep(_RETRY_S)
        answer = await converse(target, told)
    held.note(index, told, answer)


async def converse(target: Target, told: Conversation) -> Answer:
    """Hold one conversation; what was answered. Raises ``OSError`` where nobody listens."""
    async with raw_socket(target.host, target.port) as raw:
        await raw.write(target.request, PATIENCE_S)
        if await raw.upgraded(PATIENCE_S):
            for frame in told.frames:
                if not await raw.write(frame, PATIENCE_S):
                    break
            if told.whole:
                await raw.write(wire_frame(CLOSE, b"\x03\xe8"), PATIENCE_S)
        await raw.ended(PATIENCE_S if told.whole else LINGER_S)
        return raw.answer


async def _rudeness(target: Target, process: psutil.Process, name: str) -> Figures:
    alone = Target(target.host, target.port, target.allowed)
    before_mb = process.memory_info().rss / MB
    try:
        await ATTACKS[name](alone)
    except OSError as error:  # the server takes no connection
        alone.faults.append(f"{name}: {error!r}")
    return {
        "connections": alone.connections,
        "faults": len(alone.faults),
        "told": dict(Counter(alone.faults).most_common(MOST_TOLD)),
        "grew_mb": process.memory_info().rss / MB - before_mb,
    }


def _held_figures(held: Held) -> Figures:
    trend = fit_trend(held.frames_at, held.mb)
    return {
        "frames": held.frames,
        "conversations": sum(held.kinds.values()),
        "kinds": dict(held.kinds),
        "refused_and_repeated": held.refused,
        "answers": dict(sorted(held.ends.items())),
        "faults": len(held.faults),
        "told": held.faults[:MOST_TOLD],
        "memory_mb_by_frame": trend.figures() if trend else None,
    }


def _state(server: ServerProcess, process: psutil.Process) -> Figures:
    address = urlsplit(server.url)
    with urlopen(f"http://{address.netloc}/health", timeout=10) as answer:
        healthy = answer.status == 200
    return {
        "healthy": int(healthy),
        "resident_mb": process.memory_info().rss / MB,
        "open_files": process.num_fds(),
        "threads": process.num_threads(),
    }


async def _settled_state(server: ServerProcess, process: psutil.Process) -> Figures:
    """After the last connections had time to close."""
    await asyncio.sleep(15.0)
    if server.process.poll() is not None:
        return {"healthy": 0}
    return await asyncio.to_thread(_state, server, process)


def _log_figures(log: str) -> Figures:
    lines = log.splitlines()
    errors = [line for line in lines if " ERROR " in line or " CRITICAL " in line]
    traced = [at for at, line in enumerate(lines) if "Traceback (most recent" in line]
    return {
        "lines": len(lines),
        "tracebacks": len(traced),
        "errors": len(errors),
        "first_errors": errors[:10],
        "first_traceback": lines[traced[0] : traced[0] + 40] if traced else [],
    }


def _grids(figures: Figures) -> tuple[Grid, ...]:
    held = figures["conversations"]
    assert isinstance(held, dict)
    counts = [(str(name), str(count)) for name, count in held["answers"].items()]
    attacks = figures.get("attacks", {})
    assert isinstance(attacks, dict)
    rows = [
        (name, str(one["connections"]), str(one["faults"]), f"{one['grew_mb']:.1f}")
        for name, one in attacks.items()
    ]
    return (
        Grid("Answers to conversations", ("answer", "times"), counts),
        Grid("Rude by timing", ("what", "connections", "faults", "MB more"), rows),
    )


if __name__ == "__main__":
    main()
