"""An exported bundle behind the engine: alone, in batches, and as a stream."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes import ScriptedVad, finals
from fakes_checkpoints import RECIPES, Export, make_checkpoint
from streamscribe.bundle import load_bundle
from streamscribe.ctc import GreedyDecoder
from streamscribe.ctc_model import CtcModel
from streamscribe.families import Chunk
from streamscribe.model import FramesResult, FramesStep, Samples, StepKind
from streamscribe.options import Latency, SessionOptions
from streamscribe.recognizer import Recognizer, transcribe
from streamscribe.tokens import decode
from streamscribe_export.signals import babble

KINDS = [
    pytest.param(kind, marks=() if kind in ("wav2vec2", "mctct") else pytest.mark.slow)
    for kind in RECIPES
]
WINDOW = babble(32_000, seed=5)
OTHER = babble(32_000, seed=6)
SHORTER = babble(20_000, seed=7)


@pytest.fixture
def model(wav2vec2: Path, tmp_path: Path, run_export: Export) -> CtcModel:
    run_export(wav2vec2, tmp_path / "bundle")
    return CtcModel(load_bundle(tmp_path / "bundle"), threads=1)


def step(samples: Samples) -> FramesStep:
    return FramesStep(samples, StepKind.PARTIAL, 0)


def frames(model: CtcModel, *windows: Samples) -> list[np.ndarray]:
    results = model.run([step(window) for window in windows])
    assert all(isinstance(result, FramesResult) for result in results)
    return [result.log_probs for result in results if isinstance(result, FramesResult)]


def test_neighbours_of_any_length_change_a_result_by_rounding_at_most(model: CtcModel) -> None:
    (alone,) = frames(model, WINDOW)
    among = frames(model, OTHER, SHORTER, WINDOW, OTHER, SHORTER)[2]
    np.testing.assert_allclose(among, alone, rtol=0, atol=1e-5)
    assert (among.argmax(axis=-1) == alone.argmax(axis=-1)).all()


def test_log_probabilities_of_a_frame_add_up_to_one(model: CtcModel) -> None:
    (log_probs,) = frames(model, WINDOW)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1.0, rtol=1e-5)


def test_a_window_too_short_for_a_frame_gives_none(model: CtcModel) -> None:
    (log_probs,) = frames(model, WINDOW[: model.front_end.receptive_field_len - 1])
    assert len(log_probs) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_whose_window_holds_all_of_it_writes_the_offline_text(
    kind: str, tmp_path: Path, run_export: Export
) -> None:
    run_export(make_checkpoint(kind, tmp_path / "checkpoint"), tmp_path / "bundle")
    model = CtcModel(load_bundle(tmp_path / "bundle"), threads=1)
    model.chunks = {Latency.MEDIUM: Chunk(hop_ms=5_000, right_ms=0, left_ms=0)}
    recognizer = Recognizer(model, ScriptedVad)
    (final,) = finals(list(transcribe(recognizer, WINDOW, SessionOptions(partials=False))))
    decoder = GreedyDecoder(model.blank)
    decoder.receive(model.frames(WINDOW[np.newaxis])[0])
    offline = decode([spike.token for spike in decoder.finish()], model.tokens)
    assert len(offline.split()) > 1 or len(offline) > 5
    assert final.text == " ".join(offline.split())
