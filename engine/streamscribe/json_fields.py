"""Strict reading of JSON, so that each complaint names the file, the field, and what is allowed."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from streamscribe.errors import BrokenModel

SHA256_PATTERN = re.compile(r"[0-9a-f]{64}")
FORBIDDEN_IN_PATHS = re.compile(r'[\x00-\x1f\\:*?"<>|]')
"""Not portable in a file's name, or, like the backslash and the colon, a way out of the folder."""


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One JSON object of a manifest, and where it stands in it.

    Every getter raises ``BrokenModel`` when the field is missing or is not what was asked for.
    """

    manifest: Path
    place: str
    """Dotted name of the object inside the manifest, ``""`` for the outermost."""
    values: dict[str, object]

    def only(self, allowed: Sequence[str]) -> None:
        """Refuse any field that is not one of ``allowed``."""
        for name in self.values:
            if name not in allowed:
                raise BrokenModel(
                    f"{self.manifest}: field {self._full(name)!r} is unknown;"
                    f" allowed: {', '.join(allowed)}"
                )

    def text(self, name: str) -> str:
        """A string that is not blank."""
        value = self._value(name, "a string")
        if not isinstance(value, str) or not value.strip():
            raise self.refusal(name, "a string that is not empty")
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the strings in ``allowed``."""
        value = self._value(name, " or ".join(allowed))
        if not isinstance(value, str) or value not in allowed:
            raise self.refusal(name, " or ".join(allowed))
        return value

    def matching(self, name: str, pattern: re.Pattern[str], allowed: str) -> str:
        """A string that ``pattern`` matches whole; ``allowed`` says the same in words."""
        value = self._value(name, allowed)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.refusal(name, allowed)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of at least one string, none of them blank."""
        value = self._value(name, "a list of strings")
        if not isinstance(value, list) or not value:
            raise self.refusal(name, "a list of at least one string")
        texts = tuple(item for item in value if isinstance(item, str) and item.strip())
        if len(texts) != len(value):
            raise self.refusal(name, "a list of strings, none of them empty")
        return texts

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        value = self._value(name, f"{low} to {high}")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refusal(name, f"a whole number from {low} to {high}")
        return value

    def integers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """A list, maybe empty, of whole numbers from ``low`` to ``high``."""
        allowed = f"a list of whole numbers from {low} to {high}"
        value = self._value(name, allowed)
        if not isinstance(value, list) or not all(
            isinstance(item, int) and not isinstance(item, bool) and low <= item <= high
            for item in value
        ):
            raise self.refusal(name, allowed)
        return tuple(value)

    def number(self, name: str, low: float, high: float) -> float:
        """A number from ``low`` to ``high``, both included."""
        value = self._value(name, f"{low} to {high}")
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refusal(name, f"a number from {low} to {high}")
        if not math.isfinite(value) or not low <= value <= high:
            raise self.refusal(name, f"a number from {low} to {high}")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._value(name, "true or false")
        if not isinstance(value, bool):
            raise self.refusal(name, "true or false")
        return value

    def relative_path(self, name: str) -> PurePosixPath:
        """A path with forward slashes that stays inside the folder it is relative to."""
        allowed = "a relative path with forward slashes and without '..'"
        value = self.text(name)
        path = PurePosixPath(value)
        if FORBIDDEN_IN_PATHS.search(value) or path.is_absolute() or not path.parts:
            raise self.refusal(name, allowed)
        if ".." in path.parts:
            raise self.refusal(name, allowed)
        return path

    def sha256(self, name: str) -> str:
        """A SHA-256 as 64 lower-case hexadecimal digits."""
        return self.matching(name, SHA256_PATTERN, "64 lower-case hexadecimal digits")

    def child(self, name: str) -> "JsonObject":
        """The object in field ``name``."""
        value = self._value(name, "an object")
        if not isinstance(value, dict):
            raise self.refusal(name, "an object")
        return JsonObject(self.manifest, self._full(name), value)

    def children(self, name: str) -> "tuple[JsonObject, ...]":
        """The objects of the list in field ``name``, which is not empty."""
        allowed = "a list of at least one object"
        value = self._value(name, allowed)
        if not isinstance(value, list) or not value:
            raise self.refusal(name, allowed)
        if not all(isinstance(item, dict) for item in value):
            raise self.refusal(name, allowed)
        place = self._full(name)
        return tuple(
            JsonObject(self.manifest, f"{place}[{at}]", item) for at, item in enumerate(value)
        )

    def refusal(self, name: str, allowed: str) -> BrokenModel:
        """The error for a field whose value is not allowed."""
        got = json.dumps(self.values[name])
        if len(got) > 80:
            got = f"{got[:80]}..."
        return BrokenModel(
            f"{self.manifest}: field {self._full(name)!r} is {got}; allowed: {allowed}"
        )

    def _value(self, name: str, allowed: str) -> object:
        if name not in self.values:
            raise BrokenModel(
                f"{self.manifest}: field {self._full(name)!r} is missing; allowed: {allowed}"
            )
        return self.values[name]

    def _full(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name


def read_json_object(manifest: Path) -> JsonObject:
    """The outermost object of a JSON file; ``BrokenModel`` for anything else.

    A field that appears twice is refused too: nobody could say which one counts.
    """
    try:
        text = manifest.read_text(encoding="utf-8")
        values = json.loads(text, object_pairs_hook=_without_repetition)
    except OSError as error:
        raise BrokenModel(f"{manifest} can't be read: {error.strerror}") from error
    except ValueError as error:  # includes wrong UTF-8 and wrong JSON
        raise BrokenModel(f"{manifest} is not JSON: {error}") from error
    except RecursionError as error:
        raise BrokenModel(f"{manifest} is nested too deeply") from error
    if not isinstance(values, dict):
        raise BrokenModel(f"{manifest} holds a {type(values).__name__}; allowed: a JSON object")
    return JsonObject(manifest, "", values)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} appears twice")
    return values
