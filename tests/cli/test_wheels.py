import http.server
import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fakes_bundle import WHEEL_NAME, distributed_manifest, make_wheel, write_manifest
from streamscribe.bundle import Wheel, load_bundle
from streamscribe.errors import HashMismatch
from streamscribe.store import defect, find_bundle, unpack
from streamscribe_cli.main import cli
from streamscribe_cli.wheels import FetchFailed, fetch_by_https, fetch_wheel, pip_command


def wheel_facts(wheel: Path) -> Wheel:
    return Wheel(**distributed_manifest(wheel)["wheel"])


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A package index as a folder, with one wheel."""
    folder = tmp_path / "index"
    make_wheel(folder / "files")
    page = folder / "speech-pack"
    page.mkdir()
    link = f'<a href="../files/{WHEEL_NAME}">{WHEEL_NAME}</a>'
    (page / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        answer = Path(self.directory) / "speech-pack.json"
        if self.path != "/speech-pack/" or not answer.is_file():
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.end_headers()
        self.wfile.write(answer.read_bytes())


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has enough hangs up: nothing to tell."""


@pytest.fixture
def index_url(index: Path) -> Iterator[str]:
    """The same index behind HTTP on this machine."""
    with Server(("127.0.0.1", 0), lambda *request: Quiet(*request, directory=str(index))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_pip_is_asked_for_the_wheels_own_platform_whatever_this_one_is(tmp_path: Path) -> None:
    bundle = find_bundle("moonshine-tiny-en-ctc")
    assert bundle.wheel is not None
    command = pip_command(bundle.wheel, tmp_path, None)
    assert command[-1] == "moonshine-voice==0.1.0"
    assert command[command.index("--platform") + 1] == "manylinux_2_34_x86_64"


def test_pip_fetches_the_wheel_from_the_index_it_is_told(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_this_index(monkeypatch)
    wheel = wheel_facts(index / "files" / WHEEL_NAME)
    fetched = fetch_wheel(wheel, tmp_path, index.as_uri(), lambda done: None)
    assert fetched.read_bytes() == (index / "files" / WHEEL_NAME).read_bytes()


def test_what_pip_gave_up_for_is_said(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_this_index(monkeypatch)
    absent = Wheel(filename="speech_pack-2.0-py3-none-any.whl", sha256="0" * 64, size=1)
    with pytest.raises(FetchFailed, match=r"pip download said: .*speech-pack==2\.0"):
        fetch_wheel(absent, tmp_path, index.as_uri(), lambda done: None)


def only_this_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)


def test_without_pip_the_index_is_read_directly(
    tmp_path: Path, index: Path, index_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    wheel = index / "files" / WHEEL_NAME
    folder = write_manifest(tmp_path / "bundle", distributed_manifest(wheel))
    arguments = ["models", "pull", str(folder), "--index-url", index_url]
    result = CliRunner().invoke(cli, [*arguments, "--models-dir", str(tmp_path / "models")])
    assert (result.exit_code, result.stderr) == (0, "")
    assert defect(load_bundle(folder, tmp_path / "models")) is None


def test_an_index_that_answers_in_json_is_understood(
    tmp_path: Path, index: Path, index_url: str
) -> None:
    files = [{"filename": WHEEL_NAME, "url": f"../files/{WHEEL_NAME}#sha256=0"}]
    (index / "speech-pack.json").write_text(json.dumps({"files": files}))
    (index / "speech-pack/index.html").unlink()
    wheel = wheel_facts(index / "files" / WHEEL_NAME)
    seen: list[int] = []
    fetched = fetch_by_https(wheel, tmp_path, index_url, seen.append)
    assert fetched.stat().st_size == wheel.size == seen[-1]


def test_json_of_another_shape_is_a_failed_fetch(
    tmp_path: Path, index: Path, index_url: str
) -> None:
    (index / "speech-pack.json").write_text('{"files": 1}')
    with pytest.raises(FetchFailed, match="no list of files"):
        fetch_by_https(
            wheel_facts(index / "files" / WHEEL_NAME), tmp_path, index_url, lambda done: None
        )


def test_an_index_without_the_wheel_is_named(tmp_path: Path, index: Path, index_url: str) -> None:
    absent = Wheel(filename="speech_pack-2.0-py3-none-any.whl", sha256="0" * 64, size=1)
    with pytest.raises(FetchFailed, match=f"{index_url}speech-pack/ said: it has no such file"):
        fetch_by_https(absent, tmp_path, index_url, lambda done: None)


def test_no_more_than_the_stated_size_is_read(tmp_path: Path, index: Path, index_url: str) -> None:
    source = index / "files" / WHEEL_NAME
    wheel = wheel_facts(source)
    source.write_bytes(source.read_bytes() + bytes(1_000_000))
    fetched = fetch_by_https(wheel, tmp_path, index_url, lambda done: None)
    assert fetched.stat().st_size == wheel.size


def test_a_wheel_that_was_changed_on_the_index_is_refused(
    tmp_path: Path, index: Path, index_url: str
) -> None:
    source = index / "files" / WHEEL_NAME
    folder = write_manifest(tmp_path / "bundle", distributed_manifest(source))
    bundle = load_bundle(folder, tmp_path / "models")
    assert bundle.wheel is not None
    source.write_bytes(source.read_bytes()[:-1] + b"x")
    fetched = fetch_by_https(bundle.wheel, tmp_path, index_url, lambda done: None)
    with pytest.raises(HashMismatch):
        unpack(bundle, fetched)


@pytest.mark.parametrize("url", ["file:///etc", "ftp://127.0.0.1/", "127.0.0.1", ""])
def test_an_index_that_is_not_on_the_web_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="allowed: http"):
        fetch_by_https(Wheel(WHEEL_NAME, "0" * 64, 1), tmp_path, url, lambda done: None)


def test_a_server_that_does_not_answer_is_a_failed_fetch(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="refused"):
        fetch_by_https(
            Wheel(WHEEL_NAME, "0" * 64, 1), tmp_path, "http://127.0.0.1:9/", lambda done: None
        )
