"""The folder that becomes the bundle: whole, or not there at all."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamscribe.bundle import MANIFEST_NAME
from streamscribe_export.errors import DiskFull, OutputExists

ROOM: Final = 2.5
"""Room that an export may need, in sizes of the checkpoint."""


@contextmanager
def staged(output: Path, *, force: bool, weight_bytes: int = 0) -> Iterator[Path]:
    """A folder beside ``output`` that takes its place when the block ends without an error.

    A bundle that was there is kept until then. Whatever fails, nothing of the new one is left.
    """
    check_output(output, force=force)
    _check_room(output, weight_bytes)
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.parent / f".{output.name}.{secrets.token_hex(4)}.partial"
    try:
        folder.mkdir()
        yield folder
        for path in folder.iterdir():
            _sync(path)
        _take_place(folder, output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room for the bundle in {output.parent}:"
                f" {_free(output.parent) / 1e6:.0f} MB are free"
            ) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_output(output: Path, *, force: bool) -> None:
    """Refuse to write over what is there: anything without ``force``, anything but a bundle."""
    if not os.path.lexists(output):
        return
    empty = output.is_dir() and not any(output.iterdir())
    if not force and not empty:
        raise OutputExists(f"{output} is there already; to replace it: --force")
    if not empty and not (output / MANIFEST_NAME).is_file():
        raise OutputExists(f"{output} is no bundle, so it is not replaced; allowed: a new folder")


def describe_file(path: Path) -> dict[str, object]:
    """What a bundle states of one of its files."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"path": path.name, "sha256": digest, "size": path.stat().st_size}


def _take_place(folder: Path, output: Path) -> None:
    if not os.path.lexists(output):
        folder.rename(output)
        return
    old = folder.with_suffix(".old")
    output.rename(old)
    try:
        folder.rename(output)
    except OSError:
        old.rename(output)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    with path.open("rb") as content:
        os.fsync(content.fileno())


def _check_room(output: Path, weight_bytes: int) -> None:
    parent = next(place for place in output.absolute().parents if place.exists())
    needed, free = int(ROOM * weight_bytes), _free(parent)
    if free < needed:
        raise DiskFull(
            f"the export may need {needed / 1e6:.0f} MB in {parent}; {free / 1e6:.0f} MB are free"
        )


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free
