"""The network looks ahead as far as it says; training it spells; the graph says the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from streamscribe_export.ctc_head.batches import Item  # noqa: E402
from streamscribe_export.ctc_head.network import Dropout, Head, Shape  # noqa: E402
from streamscribe_export.ctc_head.scoring import collapse, error_rates, transcript  # noqa: E402
from streamscribe_export.ctc_head.shipping import (  # noqa: E402
    export_head,
    rounded,
    write_bundle,
)
from streamscribe_export.ctc_head.store import Store, StoreWriter  # noqa: E402
from streamscribe_export.ctc_head.training import Lesson, Progress, Schedule, train  # noqa: E402
from streamscribe_export.ctc_head.vocabulary import characters, learn_pieces  # noqa: E402

SMALL = Shape(width=48, back=(1, 2), ahead=(1, 3), dropout=0.0)
TEXTS = ["the cat sat", "a dog's dinner", "no more cats"]
HALF_SECOND = 10
"""The head's frames."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Operations this small only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_head(size: int, shape: Shape = SMALL) -> Head:
    torch.manual_seed(1)
    return Head(size, len(characters().pieces), len(characters().pieces), shape).eval()


def test_the_shipped_shape_looks_less_than_half_a_second_ahead() -> None:
    assert Shape().frames_ahead <= HALF_SECOND
    parameters = sum(p.numel() for p in Head(960, 29, 46, Shape()).parameters())
    assert 1_000_000 < parameters < 3_000_000


def test_a_frame_depends_on_the_stated_context_and_no_more() -> None:
    head = make_head(30)
    hidden = torch.randn(1, 80, SMALL.encoder_width)
    changed = hidden.clone()
    changed[:, 41] += 1
    with torch.no_grad():
        touched = (head(hidden) != head(changed)).any(dim=2)[0].nonzero().flatten().tolist()
    assert touched == list(range(20 - SMALL.frames_ahead, 20 + SMALL.frames_behind + 1))


def test_whole_channels_are_left_out_in_training_alone() -> None:
    dropout, ones = Dropout(0.5), torch.ones(4, 9, 50)
    dropped = dropout.train()(ones)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped, dropped[:, :1].expand(4, 9, 50))
    assert torch.equal(dropout.eval()(ones), ones)


def test_a_path_is_collapsed_before_blanks_are_left_out() -> None:
    assert collapse([0, 5, 5, 0, 5, 7, 7, 0]) == [5, 5, 7]
    assert collapse([]) == []


@pytest.mark.parametrize("frames", [1, 2, 33, 50])
def test_the_graph_says_what_the_network_says(tmp_path: Path, frames: int) -> None:
    head = rounded(make_head(30))
    export_head(head, tmp_path / "head.onnx")
    session = ort.InferenceSession(tmp_path / "head.onnx", providers=["CPUExecutionProvider"])
    hidden = np.random.default_rng(0).standard_normal((1, frames, 288)).astype(np.float32)
    (logits,) = session.run(["logits"], {"hidden": hidden})
    with torch.no_grad():
        expected = head(torch.from_numpy(hidden)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def made_up_store(folder: Path) -> list[Item]:
    """Three utterances in which every letter sounds like itself, for six frames."""
    rng = np.random.default_rng(3)
    sounds = rng.standard_normal((len(characters().pieces), 288))
    writer = StoreWriter(folder)
    for text in TEXTS:
        path = [token for letter in characters().ids(text) for token in (letter,) * 6]
        hidden = sounds[path] + 0.1 * rng.standard_normal((len(path), 288))
        writer.add(hidden.astype(np.float16), text, "made-up")
    writer.close()
    store = Store(folder)
    return [(store, utterance) for utterance in store.utterances]


class Diary:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.reached: list[Progress] = []

    def step_done(self, step: int, steps: int, loss: float) -> None:
        assert step <= steps and loss >= 0
        self.steps.append(step)

    def epoch_done(self, reached: Progress) -> None:
        self.reached.append(reached)


def test_three_utterances_are_learned_by_heart(tmp_path: Path) -> None:
    items = made_up_store(tmp_path / "store")
    vocabulary = characters()
    diary = Diary()
    head = train(
        make_head(len(vocabulary.pieces)),
        Lesson(
            spellings=(vocabulary, vocabulary, vocabulary),
            items=items * 8,
            judge=lambda judged: error_rates(judged, vocabulary, items),
        ),
        Schedule(epochs=20, most_frames=300, top_rate=1e-2, average=0.8),
        tmp_path / "best.pt",
        diary,
    )
    assert [transcript(head, vocabulary, s.hidden(u)) for s, u in items] == TEXTS
    assert diary.reached[-1].loss < diary.reached[0].loss
    assert diary.steps == list(range(1, len(diary.steps) + 1))
    assert (tmp_path / "best.pt").is_file()


def test_the_last_epochs_have_weights_of_their_own(tmp_path: Path) -> None:
    items = made_up_store(tmp_path / "store")
    diary = Diary()
    train(
        make_head(len(characters().pieces)),
        Lesson(spellings=(characters(),) * 3, items=items, judge=lambda _: (0.0, 0.0)),
        Schedule(
            epochs=3,
            most_frames=1,  # an utterance is a batch
            weights={"made-up": 1},
            late_weights={"made-up": 4},
            late_epochs=1,
        ),
        tmp_path / "best.pt",
        diary,
    )
    assert len(diary.steps) == len(items) * (1 + 1 + 4)


def test_a_bundle_states_the_hashes_of_the_files_beside_it(tmp_path: Path) -> None:
    encoder_bundle = tmp_path / "encoder"
    encoder_bundle.mkdir()
    parent: dict[str, Any] = {
        "name": "tiny",
        "title": "Tiny (1 M)",
        "languages": ["en"],
        "sample_rate": 16000,
        "files": {"encoder": {"path": "encoder.ort", "sha256": "0" * 64, "size": 1}},
        "wheel": {"filename": "w.whl", "sha256": "1" * 64, "size": 2},
    }
    (encoder_bundle / "bundle.json").write_text(json.dumps(parent))
    vocabulary = learn_pieces(TEXTS, 40)
    head = rounded(make_head(len(vocabulary.pieces)))
    out = tmp_path / "out"
    write_bundle(out, head, vocabulary, encoder_bundle=encoder_bundle, measured={"wer": 1.0})
    manifest = json.loads((out / "bundle.json").read_text())
    assert (manifest["name"], manifest["architecture"]) == ("tiny-ctc", "moonshine-ctc")
    assert manifest["files"]["encoder"] == parent["files"]["encoder"]
    assert manifest["files"]["head"]["size"] == (out / "head.onnx").stat().st_size
    assert manifest["tokens"]["vocabulary_size"] == len(vocabulary.pieces)
