"""A model's files: where each may lie, and whether it is the file that the bundle names.

A file lies beside its manifest; or it belongs to a Python distribution, and lies where that is
installed or in the folder where ``streamscribe models pull`` put it. No file is handed out
before its size and its SHA-256 have been checked.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from streamscribe.errors import BrokenModel, HashMismatch


class Role(StrEnum):
    """What a file is for."""

    FRONT = "front"  # the first layers of an encoder, where they are a graph of their own
    ENCODER = "encoder"
    DECODER = "decoder"
    HEAD = "head"
    TOKENIZER = "tokenizer"
    WEIGHTS = "weights"  # of the encoder, where one file can't hold them
    DECODER_WEIGHTS = "decoder_weights"


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of a bundle."""

    role: Role
    path: PurePosixPath
    """Relative to the manifest's folder, or to where the distribution is installed."""
    sha256: str
    size: int
    """Bytes."""
    distribution: str | None
    """Name of the Python distribution that holds the file; ``None``: beside the manifest."""

    @property
    def pulled_name(self) -> str:
        """The file's name in the folder of pulled files."""
        return f"{self.role}{self.path.suffix}"

    def places(self, *, folder: Path, pulled: Path | None) -> list[Path]:
        """Where the file may lie, the first to be tried first.

        folder: the manifest's.   pulled: where this model's pulled files lie.
        A pulled file goes before an installed one: what was pulled can be mended by pulling
        again.
        """
        if self.distribution is None:
            return [folder / self.path]
        places = [] if pulled is None else [pulled / self.pulled_name]
        try:
            installed = distribution(self.distribution)
        except PackageNotFoundError:
            return places
        return [*places, Path(str(installed.locate_file(self.path)))]

    def check(self, path: Path) -> None:
        """Raise ``HashMismatch`` unless the file at ``path`` is this one."""
        try:
            got = path.stat()
            got_sha256 = sha256_of(path, got.st_size, got.st_mtime_ns)
        except OSError as error:
            raise BrokenModel(f"{path} can't be read: {error.strerror}") from error
        if got_sha256 == self.sha256 and got.st_size == self.size:
            return
        sizes = f" ({got.st_size} bytes, not {self.size})" if got.st_size != self.size else ""
        raise HashMismatch(path=f"{path}{sizes}", got=got_sha256, expected=self.sha256)


@lru_cache(maxsize=64)
def sha256_of(path: Path, size: int, mtime_ns: int) -> str:
    """SHA-256 of a file's content, kept for this process as long as size and time are the same.

    Nothing is kept between processes: the default model's 44 MB take 40 ms on a processor with
    SHA instructions, and a stamp on disk would vouch for bytes that nobody has read.
    """
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def first_existing(places: Sequence[Path]) -> Path | None:
    """The first of ``places`` that is a file."""
    return next((path for path in places if path.is_file()), None)
