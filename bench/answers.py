"""Whether what a server said is what docs/protocol.md allows."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from bench.documented import Documented
from bench.raw_socket import Answer, End
from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import Done, Error, ServerMessage, decode_server_message

SAID_MOST_BYTES: Final = 200
"""Of an answer that should not have come, for the result's file."""


def faults_of(answer: Answer, allowed: Documented, echoed: frozenset[int]) -> list[str]:
    """What is wrong with ``answer``. ``echoed``: close codes that the client itself may have sent.

    A connection that is still open is no fault here: only the caller knows what it waited for.
    """
    if answer.broken is not None:
        return [f"not readable: {answer.broken}"]
    faults = []
    if answer.status is not None and answer.status not in allowed.statuses:
        faults.append(f"status {answer.status}")
    if answer.close_code is not None and answer.close_code not in allowed.close_codes | echoed:
        faults.append(f"close code {answer.close_code}")
    if answer.status == 101 and answer.end is not End.OPEN and answer.close_code is None:
        faults.append(f"{answer.end} without a close frame")
    return faults + _message_faults(answer.messages, allowed)


def _message_faults(frames: Iterable[str | bytes], allowed: Documented) -> list[str]:
    seq: int | None = None
    over = False
    for frame in frames:
        if isinstance(frame, bytes):
            return [f"a binary frame of {len(frame)} bytes"]
        try:
            message = decode_server_message(frame)
        except RemoteProtocolError as error:
            return [f"{error.message}: {frame[:SAID_MOST_BYTES]}"]
        if message is None:
            return [f"an unknown message: {frame[:SAID_MOST_BYTES]}"]
        if over:
            return [f"more after the last message: {frame[:SAID_MOST_BYTES]}"]
        # A heartbeat carries the number before it; the first number may be a resumed session's.
        if seq is not None and message.seq not in (seq, seq + 1):
            return [f"number {message.seq} after {seq}: {frame[:SAID_MOST_BYTES]}"]
        if isinstance(message, Error) and message.code not in allowed.error_codes:
            return [f"error code {message.code}: {message.message[:SAID_MOST_BYTES]}"]
        seq, over = message.seq, _is_last(message)
    return []


def _is_last(message: ServerMessage) -> bool:
    return isinstance(message, Done) or (isinstance(message, Error) and message.fatal)


def count_ends(answers: Iterable[Answer]) -> dict[str, int]:
    """How often each status, error code and close code came."""
    counts: Counter[str] = Counter()
    for answer in answers:
        if answer.status is not None:
            counts[f"status {answer.status}"] += 1
        if answer.close_code is not None:
            counts[f"close {answer.close_code}"] += 1
        for frame in answer.messages:
            try:
                message = decode_server_message(str(frame))
            except RemoteProtocolError:
                continue
            if isinstance(message, Error):
                counts[f"error {message.code}"] += 1
    return dict(sorted(counts.items()))
