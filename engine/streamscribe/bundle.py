"""A bundle: one model's facts and files, as ``bundle.json`` states them.

The manifest is the only place where a model's facts live; docs/models.md describes every field.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from streamscribe.errors import HashMismatch, ModelMissing, UnsupportedSchema
from streamscribe.families import (
    OPTIONAL_ROLES,
    ROLES,
    Facts,
    Family,
    FrontEnd,
    Vocabulary,
    read_ctc,
    read_encoder_decoder,
    read_front_end,
    read_vocabulary,
)
from streamscribe.json_fields import JsonObject, read_json_object
from streamscribe.model_files import BundleFile, Role, first_existing
from streamscribe.options import Task

MANIFEST_NAME = "bundle.json"
SCHEMA_VERSION = 1
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
NAME = "up to 100 of a-z, 0-9, '.', '_' and '-'"
WHEEL_PATTERN = re.compile(
    r"[A-Za-z0-9_.]{1,100}-[A-Za-z0-9_.!+]{1,60}(-[0-9][A-Za-z0-9_.]{0,60})?"
    r"(-[A-Za-z0-9_.]{1,60}){3}\.whl"
)
PROJECT_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
PROJECT = "the name of a Python distribution"
SIZE_MAX = 2**40
"""Bytes; far above any model, so that a slip of the pen is refused."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """The archive on a Python package index that holds the files."""

    filename: str
    sha256: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What ``bundle.json`` states, with the places where its files may lie."""

    name: str
    title: str
    family: Family
    architecture: str
    """What inputs and outputs the graphs have."""
    task: str
    languages: tuple[str, ...]
    licence: str
    source: str
    sample_rate: int
    """Hertz."""
    front_end: FrontEnd
    vocabulary: Vocabulary
    facts: Facts
    """Of the family."""
    files: tuple[BundleFile, ...]
    """One per role of the architecture, then the optional ones that there are."""
    wheel: Wheel | None
    folder: Path
    """Where the manifest lies."""
    models_dir: Path | None
    """Where pulled models lie, each in a folder of its own name."""
    converted: bool = False
    """Whether ``models pull`` made it, after a recipe, and can make it again."""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def pulled_folder(self) -> Path | None:
        """Where this model's pulled files lie."""
        return self.models_dir / self.name if self.models_dir else None

    def file(self, role: Role) -> Path:
        """The file for ``role``, found and verified.

        Raises ``ModelMissing`` when there is none, ``HashMismatch`` when it is not the file that
        the manifest names.
        """
        wanted = next((file for file in self.files if file.role is role), None)
        if wanted is None:
            has = ", ".join(file.role for file in self.files)
            raise ModelMissing(f"model {self.name} needs no {role}; its files: {has}")
        places = wanted.places(folder=self.folder, pulled=self.pulled_folder)
        path = first_existing(places)
        if path is None:
            raise ModelMissing(
                f"model {self.name} is not on this machine; its {role} was looked for at"
                f" {', '.join(str(place) for place in places) or 'no place at all'}{self._mend}"
            )
        try:
            wanted.check(path)
        except HashMismatch as mismatch:
            if self._mend:
                mismatch.add_note(self._mend.removeprefix("; "))
            raise
        return path

    def has(self, role: Role) -> bool:
        """Whether the bundle has a file for ``role``."""
        return any(file.role is role for file in self.files)

    @property
    def _mend(self) -> str:
        if self.wheel is None and not self.converted:
            return ""
        return f"; to fetch it: streamscribe models pull {self.name}"


def load_bundle(source: Path, models_dir: Path | None = None) -> Bundle:
    """Read a bundle's facts; no file but the manifest is opened.

    source: the bundle's folder, or its manifest.
    models_dir: where pulled models lie; only files that belong to a distribution look there.
    Raises ``ModelMissing`` when there is no manifest, ``BrokenModel`` when it is not a valid one,
    ``UnsupportedSchema`` when it was written for a later version than this.
    """
    manifest = source / MANIFEST_NAME if source.is_dir() else source
    if not manifest.is_file():
        raise ModelMissing(f"{source} is not a model: no {MANIFEST_NAME} there")
    top = read_json_object(manifest)
    check_schema(top, SCHEMA_VERSION)
    family = Family(top.choice("family", list(Family)))
    architecture = top.choice("architecture", list(ROLES[family]))
    top.only([*COMMON_FIELDS, *FAMILY_FIELDS[family]])
    return Bundle(
        name=top.matching("name", NAME_PATTERN, NAME),
        title=top.text("title"),
        family=family,
        architecture=architecture,
        task=top.choice("task", list(Task)),
        languages=top.texts("languages"),
        licence=top.text("licence"),
        source=top.text("source"),
        sample_rate=top.integer("sample_rate", 16_000, 16_000),
        front_end=read_front_end(top.child("front_end")),
        vocabulary=read_vocabulary(top.child("tokens"), family),
        facts=read_ctc(top) if family is Family.CTC else read_encoder_decoder(top),
        files=_files(top.child("files"), ROLES[family][architecture], OPTIONAL_ROLES[family]),
        wheel=read_wheel(top.child("wheel")) if "wheel" in top.values else None,
        folder=manifest.parent,
        models_dir=models_dir,
    )


COMMON_FIELDS = (
    "schema", "name", "title", "family", "architecture", "task", "languages", "licence", "source",
    "sample_rate", "front_end", "tokens", "files", "wheel",
)  # fmt: skip
FAMILY_FIELDS = {
    Family.SEQ2SEQ: ("decoder", "prompt", "measured"),
    Family.CTC: ("ctc", "measured"),
}
"""``measured`` is for people: what was found when the bundle was made. It is not read."""


def check_schema(top: JsonObject, newest: int) -> None:
    """Raise ``UnsupportedSchema`` when the file was written for a later version than this."""
    schema = top.integer("schema", 1, 1_000_000)
    if schema > newest:
        raise UnsupportedSchema(str(top.manifest), got=schema, newest=newest)


def _files(
    fields: JsonObject, roles: tuple[Role, ...], optional: tuple[Role, ...]
) -> tuple[BundleFile, ...]:
    fields.only([*roles, *optional])
    present = [*roles, *(role for role in optional if role in fields.values)]
    return tuple(_file(role, fields.child(role)) for role in present)


def _file(role: Role, fields: JsonObject) -> BundleFile:
    fields.only(["path", "sha256", "size", "distribution"])
    inside = "distribution" in fields.values
    return BundleFile(
        role=role,
        path=fields.relative_path("path"),
        sha256=fields.sha256("sha256"),
        size=fields.integer("size", 1, SIZE_MAX),
        distribution=fields.matching("distribution", PROJECT_PATTERN, PROJECT) if inside else None,
    )


def read_wheel(fields: JsonObject) -> Wheel:
    """The facts of a wheel."""
    fields.only(["filename", "sha256", "size"])
    return Wheel(
        filename=fields.matching("filename", WHEEL_PATTERN, "the file name of a wheel"),
        sha256=fields.sha256("sha256"),
        size=fields.integer("size", 1, SIZE_MAX),
    )
