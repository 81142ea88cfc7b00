import zipfile
from pathlib import Path
from typing import Any

import pytest

from fakes_recipe import FIRST, SECOND, WHOLE, pack, pack_both, recipe_values, write_recipe
from streamscribe.errors import BrokenModel, HashMismatch, ModelMissing, UnsupportedSchema
from streamscribe.recipes import Recipe, assemble, load_recipe
from streamscribe.store import find_recipe, known_models

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
RECIPES = [recipe for name in known_models() if (recipe := find_recipe(name)) is not None]
FIELDS = (
    "schema", "name", "title", "languages", "licence", "source", "converter", "quantize", "size",
    "wheels", "wheels.filename", "wheels.sha256", "wheels.size",
    "files", "files.name", "files.parts", "files.parts.wheel", "files.parts.path",
    "files.parts.sha256", "files.parts.size",
)  # fmt: skip


def made(tmp_path: Path, wheels: list[Path], **changed: object) -> Recipe:
    return load_recipe(write_recipe(tmp_path / "recipe", recipe_values(wheels) | changed))


def assembled(recipe: Recipe, wheels: list[Path], tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "source"
    folder.mkdir()
    assemble(recipe, wheels, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def change(values: dict[str, Any], path: tuple[str | int, ...], value: object) -> None:
    """Set one field, or take it away where ``value`` is None."""
    at: Any = values
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_of_ours_takes_something_out_of_each_of_its_wheels(recipe: Recipe) -> None:
    assert {part.wheel for file in recipe.files for part in file.parts} == set(recipe.wheels)
    assert find_recipe(recipe.name) == recipe


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_of_ours_is_documented_with_its_wheels(recipe: Recipe) -> None:
    said = DOCS.read_text(encoding="utf-8")
    assert all(name in said for name in (recipe.name, *(one.filename for one in recipe.wheels)))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_a_recipe_is_documented(field: str) -> None:
    _, _, said = DOCS.read_text(encoding="utf-8").partition("## recipe.json")
    assert f"| `{field}` |" in said


def test_parts_are_joined_in_the_order_of_the_recipe_whatever_that_of_the_wheels(
    tmp_path: Path,
) -> None:
    wheels = pack_both(tmp_path)
    content = assembled(made(tmp_path, wheels), wheels[::-1], tmp_path)
    assert content == {"model.bin": WHOLE, "config.json": b"{}"}


def test_a_wheel_may_have_another_name_but_no_other_content(tmp_path: Path) -> None:
    first, second = pack_both(tmp_path)
    recipe = made(tmp_path, [first, second])
    content = assembled(recipe, [first.rename(tmp_path / "renamed.whl"), second], tmp_path)
    assert content["model.bin"] == WHOLE


def test_a_cut_wheel_is_refused_with_its_size_and_those_that_are_allowed(tmp_path: Path) -> None:
    wheels = pack_both(tmp_path)
    recipe = made(tmp_path, wheels)
    wheels[1].write_bytes(wheels[1].read_bytes()[:100])
    with pytest.raises(HashMismatch, match=rf"{SECOND} \(100 bytes\) has .*\({FIRST}\) or "):
        assembled(recipe, wheels, tmp_path)
    assert list((tmp_path / "source").iterdir()) == []


def test_a_wheel_that_was_not_given_is_named(tmp_path: Path) -> None:
    wheels = pack_both(tmp_path)
    recipe = made(tmp_path, wheels)
    with pytest.raises(ModelMissing, match=f"2 wheels; not among those given: {FIRST}; given: "):
        assembled(recipe, wheels[1:], tmp_path)


def test_a_wheel_without_a_part_is_refused_by_the_parts_name(tmp_path: Path) -> None:
    wheels = [pack(tmp_path, FIRST, {"halves_a/other": b""}), pack(tmp_path, SECOND)]
    with pytest.raises(BrokenModel, match=r"has no halves_a/model\.bin\.1"):
        assembled(made(tmp_path, wheels), wheels, tmp_path)


def test_a_part_that_is_not_the_one_of_the_recipe_is_refused(tmp_path: Path) -> None:
    wheels = [pack(tmp_path, FIRST, {"halves_a/model.bin.1": b"half"}), pack(tmp_path, SECOND)]
    with pytest.raises(HashMismatch, match=r"halves_a/model\.bin\.1 \(4 bytes, not 16\) in "):
        assembled(made(tmp_path, wheels), wheels, tmp_path)


def test_what_is_no_archive_is_refused_though_its_hash_is_right(tmp_path: Path) -> None:
    wheels = pack_both(tmp_path)
    wheels[0].write_bytes(b"no archive")
    with pytest.raises(BrokenModel, match="can't be taken out of .*: File is not a zip file"):
        assembled(made(tmp_path, wheels), wheels, tmp_path)


def test_parts_are_found_where_an_installer_would_put_them(tmp_path: Path) -> None:
    held = {"halves_a-1.0.data/purelib/halves_a/model.bin.1": b"the first half, "}
    wheels = [pack(tmp_path, FIRST, held), pack(tmp_path, SECOND)]
    content = assembled(made(tmp_path, wheels), wheels, tmp_path)
    assert content["model.bin"] == WHOLE


def test_a_compressed_part_counts_by_what_it_unpacks_to(tmp_path: Path) -> None:
    wheels = pack_both(tmp_path)
    with zipfile.ZipFile(wheels[0], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("halves_a/model.bin.1", b"the first half, ")
    content = assembled(made(tmp_path, wheels), wheels, tmp_path)
    assert content["model.bin"] == WHOLE


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("more",), 1, "field 'more' is unknown"),
        (("converter",), None, "field 'converter' is missing"),
        (("converter",), "../x", "field 'converter' is"),
        (("quantize",), "int4", "allowed: none or int8 or fp16"),
        (("size",), 0, "field 'size' is 0"),
        (("wheels",), [], "field 'wheels' is .*a list of at least one object"),
        (("wheels", 1), "x.whl", "field 'wheels' is .*a list of at least one object"),
        (("wheels", 1, "filename"), "x.zip", r"field 'wheels\[1\]\.filename' is \"x.zip\""),
        (("wheels", 1, "filename"), FIRST, f"field 'wheels' names {FIRST} twice"),
        (("files", 1, "name"), "model.bin", r"field 'files' names model\.bin twice"),
        (("files", 1, "name"), "../config.json", r"field 'files\[1\]\.name' is"),
        (("files", 0, "parts"), {}, r"field 'files\[0\]\.parts' is {}"),
        (("files", 0, "parts", 1, "wheel"), "c.whl", f"allowed: {FIRST} or {SECOND}"),
        (("files", 0, "parts", 1, "path"), "/etc/x", r"field 'files\[0\]\.parts\[1\]\.path'"),
        (("files", 0, "parts", 1, "sha256"), "ab", "64 lower-case hexadecimal digits"),
        (("files", 0, "parts", 1, "size"), None, r"\.size' is missing"),
    ],
)
def test_a_recipe_is_read_strictly(
    path: tuple[str | int, ...], value: object, said: str, tmp_path: Path
) -> None:
    values = recipe_values(pack_both(tmp_path))
    change(values, path, value)
    with pytest.raises(BrokenModel, match=said):
        load_recipe(write_recipe(tmp_path / "recipe", values))


def test_a_recipe_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSchema, match="schema 2; allowed: up to 1"):
        made(tmp_path, pack_both(tmp_path), schema=2)
