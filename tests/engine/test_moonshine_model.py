"""The default model itself, on one real recording. Skipped where its files are not."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamscribe.bundle import Bundle, load_bundle
from streamscribe.converting import ready_bundle
from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.errors import BrokenModel, BundleError, HashMismatch
from streamscribe.events import Final, Partial
from streamscribe.model import DecodeStep, Samples, StepKind
from streamscribe.model_files import Role, sha256_of
from streamscribe.options import Commit, SessionOptions
from streamscribe.recognizer import Recognizer, transcribe
from streamscribe.store import DEFAULT_MODEL
from streamscribe.timeline import SAMPLE_RATE
from streamscribe.tokens import decode
from streamscribe.vad import make_vad

REPOSITORY = Path(__file__).parents[2]
MOONSHINE_ROLES = (Role.FRONT, Role.ENCODER, Role.DECODER, Role.TOKENIZER)
SAMPLE = REPOSITORY / "cli/streamscribe_cli/samples/jfk.flac"
TEXT = (
    "and so my fellow americans ask not what your country can do for you"
    " ask what you can do for your country"
)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    try:
        found = ready_bundle()
        for file in found.files:
            found.file(file.role)
    except BundleError as error:
        pytest.skip(f"the default model {DEFAULT_MODEL} is not here: {error}")
    return found


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> EncoderDecoderModel:
    return EncoderDecoderModel(bundle, threads=1)


@pytest.fixture(scope="module")
def speech() -> Samples:
    samples, rate_hz = soundfile.read(SAMPLE, dtype="float32")
    assert rate_hz == SAMPLE_RATE
    return np.asarray(samples, dtype=np.float32)


def step(
    samples: Samples,
    forced: tuple[int, ...] = (),
    draft: tuple[int, ...] = (),
    max_new_tokens: int = 80,
) -> DecodeStep:
    return DecodeStep(samples, forced, draft, max_new_tokens, StepKind.FINAL, len(samples))


def words_in(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def test_the_recording_gives_its_words(model: EncoderDecoderModel, speech: Samples) -> None:
    result = model.decode(step(speech))
    assert words_in(decode(result.tokens, model.tokens)) == words_in(TEXT)


def test_the_model_ends_its_text_itself(model: EncoderDecoderModel, speech: Samples) -> None:
    result = model.decode(step(speech))
    assert result.ended
    assert len(result.tokens) == len(result.log_probs)


def test_the_model_is_sure_of_clear_speech(model: EncoderDecoderModel, speech: Samples) -> None:
    result = model.decode(step(speech))
    assert -0.5 < np.mean(result.log_probs) <= 0


def test_the_same_step_gives_the_same_result(model: EncoderDecoderModel, speech: Samples) -> None:
    first, again = model.run([step(speech), step(speech)])
    assert first == again


def test_neighbours_do_not_change_a_result(model: EncoderDecoderModel, speech: Samples) -> None:
    alone = model.decode(step(speech))
    among = model.run([step(speech[: 3 * SAMPLE_RATE]), step(speech), step(speech[40_000:])])[1]
    assert among == alone


def test_its_own_text_as_draft_is_confirmed(model: EncoderDecoderModel, speech: Samples) -> None:
    tokens = model.decode(step(speech)).tokens
    assert model.decode(step(speech, draft=tokens)).tokens == tokens


def test_a_wrong_draft_is_set_right(model: EncoderDecoderModel, speech: Samples) -> None:
    tokens = model.decode(step(speech)).tokens
    half = len(tokens) // 2
    wrong = (*tokens[:half], *reversed(tokens[half:]))
    assert model.decode(step(speech, draft=wrong)).tokens == tokens


def test_forced_text_is_continued(model: EncoderDecoderModel, speech: Samples) -> None:
    tokens = model.decode(step(speech)).tokens
    assert model.decode(step(speech, forced=tokens[:8])).tokens == tokens[8:]


def test_no_more_tokens_than_allowed(model: EncoderDecoderModel, speech: Samples) -> None:
    result = model.decode(step(speech, max_new_tokens=5))
    assert (len(result.tokens), result.ended) == (5, False)


def test_audio_too_short_for_a_frame_gives_nothing(
    model: EncoderDecoderModel, bundle: Bundle
) -> None:
    shortest_len = bundle.front_end.receptive_field_len
    result = model.decode(step(np.zeros(shortest_len - 1, dtype=np.float32)))
    assert (result.tokens, result.log_probs, result.ended) == ((), (), True)


def test_audio_of_one_frame_can_be_run(model: EncoderDecoderModel, bundle: Bundle) -> None:
    shortest_len = bundle.front_end.receptive_field_len
    result = model.decode(step(np.zeros(shortest_len, dtype=np.float32), max_new_tokens=2))
    assert len(result.tokens) <= 2


@pytest.mark.parametrize("commit", Commit)
def test_the_recording_streams_into_its_words(
    model: EncoderDecoderModel, speech: Samples, commit: Commit
) -> None:
    recognizer = Recognizer(model, make_vad("webrtc"), SessionOptions(commit=commit))
    events = list(transcribe(recognizer, speech))
    finals = [event.text for event in events if isinstance(event, Final)]
    assert words_in(" ".join(finals)) == words_in(TEXT)
    assert any(isinstance(event, Partial) for event in events)


# --- files that are not what the bundle names


def copied(bundle: Bundle, folder: Path) -> Path:
    """The bundle with its files beside the manifest, linked but for what a test will change."""
    manifest = json.loads((bundle.folder / "bundle.json").read_text(encoding="utf-8"))
    manifest.pop("wheel", None)
    for file in bundle.files:
        entry = manifest["files"][file.role]
        entry.pop("distribution", None)
        entry["path"] = f"{file.role}{file.path.suffix}"
        (folder / entry["path"]).symlink_to(bundle.file(file.role))
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def replace_file(folder: Path, role: Role, content: bytes, *, tell: bool) -> Path:
    """Another content for ``role``; with ``tell`` the manifest names it."""
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    entry = manifest["files"][role]
    path = folder / str(entry["path"])
    path.unlink()
    path.write_bytes(content)
    if tell:
        entry["size"] = len(content)
        entry["sha256"] = sha256_of(path, len(content), path.stat().st_mtime_ns)
        (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Path(path)


@pytest.mark.parametrize("role", MOONSHINE_ROLES)
def test_a_file_cut_in_half_is_named(bundle: Bundle, role: Role, tmp_path: Path) -> None:
    content = bundle.file(role).read_bytes()
    folder = copied(bundle, tmp_path)
    path = replace_file(folder, role, content[: len(content) // 2], tell=False)
    with pytest.raises(HashMismatch, match=re.escape(str(path))):
        EncoderDecoderModel(load_bundle(folder))


def test_a_file_with_one_wrong_byte_is_named(bundle: Bundle, tmp_path: Path) -> None:
    content = bytearray(bundle.file(Role.ENCODER).read_bytes())
    content[len(content) // 2] ^= 1
    folder = copied(bundle, tmp_path)
    path = replace_file(folder, Role.ENCODER, bytes(content), tell=False)
    with pytest.raises(HashMismatch, match=re.escape(str(path))):
        EncoderDecoderModel(load_bundle(folder))


@pytest.mark.parametrize("role", MOONSHINE_ROLES)
def test_a_file_that_the_manifest_vouches_for_but_nobody_can_load_is_named(
    bundle: Bundle, role: Role, tmp_path: Path
) -> None:
    content = bundle.file(role).read_bytes()
    folder = copied(bundle, tmp_path)
    path = replace_file(folder, role, content[: len(content) // 2], tell=True)
    with pytest.raises(BrokenModel, match=re.escape(str(path))):
        EncoderDecoderModel(load_bundle(folder))


def test_a_graph_that_is_not_what_the_manifest_states_is_refused(
    bundle: Bundle, tmp_path: Path
) -> None:
    folder = copied(bundle, tmp_path)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    manifest["decoder"]["layers"] += 1
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BrokenModel, match="layers"):
        EncoderDecoderModel(load_bundle(folder))
