"""What docs/protocol.md promises a client: error codes, close codes, statuses of the handshake."""

import re
from dataclasses import dataclass
from typing import Final

from bench.provenance import ROOT

REFERENCE: Final = ROOT / "docs" / "protocol.md"
_HEADING: Final = re.compile(r"^## ", re.MULTILINE)
_QUOTED: Final = re.compile(r"`(\w+)`")


@dataclass(frozen=True, slots=True)
class Documented:
    """Every answer that a client has to be ready for."""

    error_codes: frozenset[str]
    close_codes: frozenset[int]
    statuses: frozenset[int]
    """Of answers to an opening handshake, 101 included."""


def documented() -> Documented:
    """The first columns of the reference's tables. Raises ``ValueError`` where one is missing."""
    text = REFERENCE.read_text(encoding="utf-8")
    codes = {name for cell in _cells(text, "Error codes") for name in _QUOTED.findall(cell)}
    return Documented(
        frozenset(codes),
        frozenset(_numbers(text, "Close codes")),
        frozenset({101, *_numbers(text, "Before the connection is open")}),
    )


def _numbers(text: str, section: str) -> list[int]:
    return [int(cell) for cell in _cells(text, section) if cell.isdecimal()]


def _cells(text: str, section: str) -> list[str]:
    """First cells of all table rows of a section, the heads included."""
    for part in _HEADING.split(text):
        heading, _, body = part.partition("\n")
        if heading == section:
            rows = [line for line in body.splitlines() if line.startswith("|")]
            return [row.split("|")[1].strip() for row in rows]
    raise ValueError(f"{REFERENCE} has no section {section!r}")
