"""How late captions are: measured where they arrive, against audio sent as fast as it is spoken.

Everything is on the clock of the audio, in milliseconds: what is said at position t is sent at t,
so an event that takes audio up to t into account can't come before t.
"""

import difflib
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from streamscribe.ingest import AudioFormat
from streamscribe_client.dialogue import StreamEvent
from streamscribe_protocol.messages import Endpoint, Final, Partial

PACKETS_PER_S = 50
"""20 ms each, as telephones and browsers send them."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event, and when it came."""

    event: StreamEvent
    at_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What one stream showed; ``None`` where there was nothing to measure."""

    first_words_ms: float | None
    """From the first word's start until the first partial with text: median of the segments."""
    final_ms: float | None
    """From the last speech until the final, of segments closed by silence: their median."""
    silence_ms: int
    """The part of ``final_ms`` that the server waits before it calls silence an endpoint."""
    partials: int
    words: int
    """Words of the finals."""
    revised: int
    """Words that were shown and later became others, or went; case and punctuation aside."""


def measure(arrivals: list[Arrival], *, endpoint_silence_ms: int) -> Measured:
    """What ``arrivals``, all events of one stream, say about it."""
    first_words, finals, revised, words = [], [], 0, 0
    for arrival in arrivals:
        final = arrival.event
        if not isinstance(final, Final):
            continue
        segment = [one for one in arrivals if _segment(one.event) == final.segment]
        texts = [one.event.text for one in segment if isinstance(one.event, Partial)]
        revised += _revised([*texts, final.text])
        words += len(final.text.split())
        shown_ms = [one.at_ms for one in segment if isinstance(one.event, Partial)]
        if shown_ms and final.words:
            first_words.append(shown_ms[0] - final.words[0].start_ms)
        for one in segment:
            if isinstance(one.event, Endpoint) and one.event.rule == "silence" and final.text:
                finals.append(arrival.at_ms - speech_end_ms(one.event, endpoint_silence_ms))
    return Measured(
        first_words_ms=median(first_words) if first_words else None,
        final_ms=median(finals) if finals else None,
        silence_ms=endpoint_silence_ms,
        partials=sum(isinstance(one.event, Partial) for one in arrivals),
        words=words,
        revised=revised,
    )


def speech_end_ms(endpoint: Endpoint, endpoint_silence_ms: int) -> int:
    """Where the speech before an endpoint ended, from which the delay of its final counts.

    Of the rule ``silence`` that is the end of the last voiced sample; any other rule ends speech,
    or audio, where it fires.
    """
    return endpoint.at_ms - (endpoint_silence_ms if endpoint.rule == "silence" else 0)


def sent_ms(at_ms: float, packet_ms: float) -> float:
    """When audio up to ``at_ms`` has left a sender that keeps time, ms after it began to speak.

    A packet is sent when its last sample has been spoken. This is when it *should* be sent: a
    sender that is held up, by a server that reads no more, is late by the server's fault.
    """
    return math.ceil(round(at_ms / packet_ms, 6)) * packet_ms


def delays(seconds: Sequence[float]) -> dict[str, Any]:
    """Median, 95th percentile and largest of some delays; no numbers when there are none."""
    if not seconds:
        return {"count": 0}
    p50_s, p95_s = np.percentile(seconds, [50, 95])
    return {
        "count": len(seconds),
        "p50_s": float(p50_s),
        "p95_s": float(p95_s),
        "max_s": max(seconds),
    }


def _segment(event: StreamEvent) -> int | None:
    return event.segment if isinstance(event, Partial | Endpoint | Final) else None


def _revised(texts: list[str]) -> int:
    count = 0
    for before, after in itertools.pairwise(texts):
        old, new = _spoken(before), _spoken(after)
        blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
        count += len(old) - sum(block.size for block in blocks)
    return count


def _spoken(text: str) -> list[str]:
    bare = ("".join(filter(str.isalnum, word)).casefold() for word in text.split())
    return [word for word in bare if word]


def packets(format: AudioFormat, blocks: Iterable[bytes], *, silence_ms: int) -> Iterator[bytes]:
    """``blocks``, then silence, cut into packets of ``1 / PACKETS_PER_S`` seconds.

    The format is ``pcm_s16le`` or ``pcm_f32le``, whose zeros are silence.
    """
    packet_bytes = format.rate_hz // PACKETS_PER_S * format.frame_bytes
    rest = b""
    silence = bytes(format.rate_hz * silence_ms // 1_000 * format.frame_bytes)
    for block in itertools.chain(blocks, [silence]):
        rest += block
        whole_bytes = len(rest) - len(rest) % packet_bytes
        for start in range(0, whole_bytes, packet_bytes):
            yield rest[start : start + packet_bytes]
        rest = rest[whole_bytes:]
    if rest:
        yield rest


def paced(
    format: AudioFormat,
    pieces: Iterable[bytes],
    started_s: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """Each piece when its last sample has been spoken; the first was begun at ``started_s``."""
    spoken_len = 0
    for piece in pieces:
        spoken_len += len(piece) // format.frame_bytes
        ahead_s = started_s + spoken_len / format.rate_hz - clock()
        if ahead_s > 0:
            sleep(ahead_s)
        yield piece
