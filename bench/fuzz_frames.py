"""What no client should send: whole conversations in frames, drawn from a seeded generator.

Every kind starts from a valid session and spoils one thing. The same generator gives the same
conversation, byte for byte.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from bench.raw_socket import wire_frame

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ONE_FRAME_BYTES: Final = 1 << 20
"""Largest frame that the protocol allows."""
HARD_BYTES: Final = 4 << 20
"""From here on the server does not even read one."""

Item = tuple[int, bytes]
"""Opcode and payload of a frame before it is put on the wire."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is sent after the handshake."""

    kind: str
    frames: tuple[bytes, ...]
    """As they go over the wire."""
    whole: bool
    """Every frame is complete, so that a close frame after them will be understood."""


def conversation(random: Random) -> Conversation:
    """The next conversation of ``random``."""
    kind = random.choice(tuple(KINDS))
    frames = KINDS[kind](random)
    if random.random() < 0.1:  # the peer goes in the middle of a frame
        last = frames[-1]
        return Conversation(kind, (*frames[:-1], last[: random.randrange(len(last))]), False)
    return Conversation(kind, tuple(frames), kind not in ("garbage", "lengths"))


def session(random: Random) -> list[Item]:
    """A valid session's frames, its options drawn at random."""
    start: dict[str, Any] = {
        "type": "start",
        "audio": {
            "encoding": random.choice(["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]),
            "rate": random.choice([8_000, 16_000, 44_100, 48_000]),
            "channels": random.choice([1, 2]),
        },
    }
    for name, values in _OPTIONS.items():
        if random.random() < 0.1:
            start[name] = random.choice(values)
    items = [_text(start)]
    for _ in range(random.randrange(12)):
        draw = random.random()
        if draw < 0.15:
            items.append(_text({"type": "flush", "id": random.choice(["a", "b", "é" * 9])}))
        elif draw < 0.2:
            items.append(_text({"type": "keep_alive"}))
        elif draw < 0.25:
            items.append(_text({"type": "hotwords", "hotwords": ["streamscribe"]}))
        elif draw < 0.3:
            items.append((random.choice([PING, PONG]), random.randbytes(random.randrange(126))))
        else:
            items.append((BINARY, random.randbytes(random.randrange(3_200))))
    if random.random() < 0.5:
        items.append(_text({"type": "finish"}))
    return items


_OPTIONS: Final[dict[str, list[Any]]] = {
    "version": [1],
    "model": [None, "moonshine-tiny-en", "no-such-model"],
    "language": [None, "en", "tlh"],
    "task": [None, "transcribe", "translate"],
    "prompt": [None, "Before.", "x" * 3_000],
    "partials": [True, False],
    "commit": ["append", "final"],
    "commit_by": [None, "agreement", "alignment"],
    "endpointing": [None, {}, {"silence_ms": 300}, {"silence_ms": -1}, {"max_segment_ms": 10**9}],
    "hop_ms": [None, 100, 500, 0, -1],
    "latency": [None, "minimal", "high"],
    "search": [None, "greedy", "beam", "sample"],
    "beam_size": [None, 1, 16, 17],
    "temperature": [None, 0, 1.5, -3],
    "hotwords": [[], ["ask not"], [""] * 2_000],
    "resume": [
        None,
        {
            "token": "nobody's", "from_at": 16_000, "acked_at": 8_000, "last_seq": 7,
            "next_segment": 2, "segment_open": True, "committed_text": "and so",
            "context_text": "Before that.", "heard_at": 20_000,
        },
    ],
}  # fmt: skip
ECHOED: Final = frozenset({1000, 1001, 1005, 3000, 4999})
"""Close codes that are sent here and may come back: an empty close frame counts as 1005."""
_CLOSE_CODES: Final = (0, 999, 1000, 1001, 1004, 1006, 1015, 2999, 3000, 4999, 5000, 65_535)
_LEAVES: Final[list[Any]] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 - 1, 2**53, -(2**63), 10**400, 0.1, 1e308, -0.0,
    "", "x", "en", "\x00", "\ud800", "\U0010ffff", "x" * 70_000, [], {}, [[]], ["a", 1], {"a": 1},
    ["x"] * 1_001,
]  # fmt: skip


def _text(content: object) -> Item:
    return TEXT, json.dumps(content).encode("utf-8", "surrogatepass")


def _framed(random: Random, items: list[Item]) -> list[bytes]:
    return [wire_frame(opcode, payload, mask=random.randbytes(4)) for opcode, payload in items]


def _valid(random: Random) -> list[bytes]:
    return _framed(random, session(random))


def _octets(random: Random) -> list[bytes]:
    items = session(random)
    for _ in range(random.randint(1, 3)):
        index = random.randrange(len(items))
        opcode, payload = items[index]
        items[index] = (opcode, _mutated(random, payload)[: 125 if opcode >= CLOSE else None])
    return _framed(random, items)


def _mutated(random: Random, payload: bytes) -> bytes:
    at, length = random.randrange(len(payload) + 1), random.randrange(9)
    match random.randrange(5):
        case 0:
            return payload[:at] + random.randbytes(length) + payload[at:]
        case 1:
            return payload[:at] + random.randbytes(length) + payload[at + length :]
        case 2:
            return payload[:at] + payload[at + length :]
        case 3:
            return payload[:at] + payload[at : at + length] * 99 + payload[at:]
        case _:
            return payload[:at]


def _fields(random: Random) -> list[bytes]:
    items = session(random)
    texts = [index for index, (opcode, _) in enumerate(items) if opcode == TEXT]
    index = random.choice([0, random.choice(texts)])
    content = json.loads(items[index][1])
    for _ in range(random.randint(1, 3)):
        _spoil(random, content)
    items[index] = random.choice([_text(content), _odd_json(random, content)])
    return _framed(random, items)


def _spoil(random: Random, content: dict[str, Any]) -> None:
    """Change, add or remove one field, here or in an object inside."""
    inner = [value for value in content.values() if isinstance(value, dict) and value]
    if inner and random.random() < 0.4:
        return _spoil(random, random.choice(inner))
    name = random.choice([*content, *_OPTIONS, "type", "unknown"])
    if random.random() < 0.2:
        content.pop(name, None)
    else:
        content[name] = random.choice(_LEAVES)


def _odd_json(random: Random, content: object) -> Item:
    """Text that is nearly JSON, or JSON that is nearly impossible."""
    plain = json.dumps(content)
    odd = random.choice([
        "[" * 100_000,
        '{"type":' * 2_000 + "1" + "}" * 2_000,
        '{"type":"start","version":' + "9" * 5_000 + "}",
        '{"type":"start","audio":{"encoding":"pcm_s16le","rate":1e999,"channels":1}}',
        '{"type":"flush","id":NaN}', '{"type":"flush","id":"\\ud83d"}', '{"type":"\\ud83d"}',
        "null", "[]", "1", '"start"', "", " ", "\ufeff" + plain, plain + plain, plain[:-1],
        plain.replace(":", ":" + " " * 50_000, 1), plain.replace('"', "'"),
        '{"type":"finish","type":"flush"}', "{" + '"a":1,' * 20_000 + '"type":"finish"}',
    ])  # fmt: skip
    return TEXT, odd.encode()


def _order(random: Random) -> list[bytes]:
    items = session(random)
    match random.randrange(4):
        case 0:
            random.shuffle(items)
        case 1:
            items = items[1:] or items
        case 2:
            items.insert(random.randrange(len(items) + 1), items[0])
        case _:
            items += [_text({"type": "finish"})] + session(random)[1:]
    return _framed(random, items)


def _swapped(random: Random) -> list[bytes]:
    """Text as binary and the reverse."""
    swap = {TEXT: BINARY, BINARY: TEXT}
    items = session(random)
    chosen = random.randrange(len(items))
    items[chosen] = (swap.get(items[chosen][0], TEXT), items[chosen][1])
    return _framed(random, items)


def _utf8(random: Random) -> list[bytes]:
    bad = random.choice([b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
    items = session(random)
    at = random.randrange(len(items) + 1)
    items.insert(at, (TEXT, b'{"type":"flush","id":"' + bad + b'"}'))
    return _framed(random, items)


def _fragments(random: Random) -> list[bytes]:
    """Messages in pieces, with control frames in between; a third of them wrongly put together."""
    wrong = random.random() < 0.33
    frames: list[bytes] = []
    for opcode, payload in session(random):
        if opcode >= CLOSE or random.random() < 0.3:
            frames.append(wire_frame(opcode, payload))
            continue
        cuts = sorted(random.randrange(len(payload) + 1) for _ in range(random.randrange(4)))
        edges = [0, *cuts, len(payload)]
        for index, (begin, end) in enumerate(zip(edges, edges[1:], strict=False)):
            first, last = index == 0, index == len(edges) - 2
            code = opcode if first or (wrong and random.random() < 0.3) else CONT
            fin = last and not (wrong and random.random() < 0.3)
            frames.append(wire_frame(code, payload[begin:end], fin=fin, mask=random.randbytes(4)))
            if random.random() < 0.1:
                frames.append(wire_frame(PING, b"between"))
    if wrong and random.random() < 0.5:
        frames.insert(random.randrange(len(frames) + 1), wire_frame(CONT, b"of nothing"))
    return frames


def _heads(random: Random) -> list[bytes]:
    """Frames whose first two bytes are not allowed."""
    frames = _valid(random)
    odd = random.choice([
        wire_frame(random.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), b"reserved"),
        wire_frame(TEXT, b"{}", reserved=random.randint(1, 7)),
        wire_frame(BINARY, bytes(100), reserved=4),
        wire_frame(TEXT, b"{}", mask=None),
        wire_frame(PING, bytes(126)),
        wire_frame(PING, b"in pieces", fin=False),
        wire_frame(CLOSE, random.choice([b"", b"\x03", b"\x03\xe8", b"\x00\x00", b"\x03\xed"])),
        wire_frame(CLOSE, random.choice(_CLOSE_CODES).to_bytes(2) + b"why"),
        wire_frame(CLOSE, b"\x03\xe8" + b"x" * 124),
    ])  # fmt: skip
    frames.insert(random.randrange(len(frames) + 1), odd)
    return frames


def _lengths(random: Random) -> list[bytes]:
    """Frames that are too long, or say so and then are not."""
    frames = _valid(random)
    half = bytes(HARD_BYTES // 2 + 1)
    tails = random.choice([
        [wire_frame(BINARY, bytes(ONE_FRAME_BYTES + 1))],
        [wire_frame(TEXT, b" " * (ONE_FRAME_BYTES + 1))],
        [wire_frame(BINARY, bytes(10), declared_bytes=HARD_BYTES + 1)],
        [wire_frame(BINARY, bytes(10), declared_bytes=2**63 - 1)],
        [wire_frame(TEXT, bytes(10), declared_bytes=2**64 - 1)],
        [wire_frame(BINARY, half, fin=False), wire_frame(CONT, half)],
        [wire_frame(BINARY, b"", fin=False), *[wire_frame(CONT, b"", fin=False)] * 200],
    ])  # fmt: skip
    return [*frames[: random.randint(1, len(frames))], *tails]


def _garbage(random: Random) -> list[bytes]:
    return [random.randbytes(random.randint(1, 300)) for _ in range(random.randint(1, 4))]


KINDS: Final[dict[str, Callable[[Random], list[bytes]]]] = {
    "valid": _valid,
    "bytes": _octets,
    "fields": _fields,
    "order": _order,
    "swapped": _swapped,
    "utf8": _utf8,
    "fragments": _fragments,
    "heads": _heads,
    "lengths": _lengths,
    "garbage": _garbage,
}
