"""What tests of exports share."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from fakes_checkpoints import Export, make_checkpoint
from streamscribe_export import exporting
from streamscribe_export.exporting import Report, Request


@pytest.fixture(scope="session")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that no test changes."""
    return make_checkpoint("wav2vec2", tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture
def run_export(monkeypatch: pytest.MonkeyPatch) -> Export:
    """An export without real speech, which measures speed on half a second."""
    monkeypatch.setattr(exporting, "speech_sample", lambda: None)

    def run(checkpoint: Path, output: Path, **asked: Any) -> Report:  # noqa: ANN401
        request = Request(str(checkpoint), output, threads=1, windows_s=(0.5,), **asked)
        return exporting.export_checkpoint(request, lambda text: nullcontext())

    return run
