import logging
import zipfile
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from fakes_recipe import NAME, join, pack_both, recipe_values, write_converted, write_recipe
from streamscribe import converting, recipes, store
from streamscribe.converting import CONVERTERS, ready_bundle
from streamscribe.errors import ConverterMissing, HashMismatch, ModelMissing
from streamscribe.recipes import Part
from streamscribe.store import defect, find_recipe, made_folder

Convert = Callable[[Path, Path, dict[str, str], str], None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of the one known model are installed, which ``joining`` converts."""
    wheels, site = pack_both(tmp_path / "wheels"), tmp_path / "site"
    for wheel in wheels:
        zipfile.ZipFile(wheel).extractall(site)
    write_recipe(tmp_path / "known" / NAME, recipe_values(wheels))
    monkeypatch.setattr(store, "MANIFESTS", tmp_path / "known")

    def installed(part: Part) -> Path:
        return site / part.path

    monkeypatch.setattr(recipes, "_installed", installed)
    points = EntryPoints([EntryPoint("joining", "fakes_recipe:join", CONVERTERS)])
    monkeypatch.setattr(converting, "entry_points", lambda group: points.select(group=group))
    return site


def place(models_dir: Path) -> Path:
    recipe = find_recipe(NAME)
    assert recipe is not None
    return made_folder(recipe, models_dir)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.usefixtures("site")
def test_a_model_whose_files_are_installed_is_made_once_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, again = ready_bundle(NAME, tmp_path / "models"), ready_bundle(NAME, tmp_path / "models")
    assert first == again
    assert (first.folder, defect(first)) == (place(tmp_path / "models"), None)
    assert said(caplog) == [f"converting {NAME}, which takes some seconds, once"]


@pytest.mark.usefixtures("site")
def test_a_file_that_was_cut_is_made_again(tmp_path: Path) -> None:
    folder = ready_bundle(NAME, tmp_path).folder
    (folder / "tokenizer.bin").write_bytes(b"the tok")
    assert defect(ready_bundle(NAME, tmp_path)) is None


def test_what_another_process_made_meanwhile_is_used(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slower(source: Path, output: Path, about: dict[str, str], quantize: str) -> None:
        join(source, output, about, quantize)
        write_converted(place(tmp_path), NAME)
        (place(tmp_path) / "theirs").write_bytes(b"")

    monkeypatch.setattr("fakes_recipe.join", slower)
    assert (ready_bundle(NAME, tmp_path).folder / "theirs").exists()


@pytest.mark.usefixtures("site")
def test_a_model_that_can_not_be_kept_is_made_for_this_process_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    models_dir = tmp_path / "file" / "models"
    first, again = ready_bundle(NAME, models_dir), ready_bundle(NAME, models_dir)
    assert first == again
    assert defect(first) is None
    assert len(said(caplog)) == 2
    assert f"{NAME} can't be kept in {models_dir}" in said(caplog)[0]


def test_an_installed_file_that_is_not_the_one_of_the_recipe_is_refused(
    site: Path, tmp_path: Path
) -> None:
    (site / "halves_b/config.json").write_bytes(b"[]")
    with pytest.raises(HashMismatch, match=r"config\.json has sha256"):
        ready_bundle(NAME, tmp_path)
    assert list(tmp_path.glob(".pull-*")) == []


def test_a_model_whose_files_are_not_installed_is_missing_until_it_is_pulled(
    site: Path, tmp_path: Path
) -> None:
    (site / "halves_b/config.json").unlink()
    with pytest.raises(ModelMissing, match=f"streamscribe models pull {NAME}"):
        ready_bundle(NAME, tmp_path)


@pytest.mark.usefixtures("site")
def test_a_converter_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "entry_points", lambda group: EntryPoints())
    with pytest.raises(ConverterMissing, match="no converter is called 'joining'"):
        ready_bundle(NAME, tmp_path)


@pytest.mark.usefixtures("site")
def test_another_revision_of_a_recipe_has_another_place(tmp_path: Path) -> None:
    folder = ready_bundle(NAME, tmp_path / "models").folder
    values = recipe_values(pack_both(tmp_path / "wheels")) | {"revision": 2}
    write_recipe(tmp_path / "known" / NAME, values)
    newer = ready_bundle(NAME, tmp_path / "models").folder
    assert newer != folder
    assert folder.exists()
