"""``streamscribe export`` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from streamscribe.bundle import load_bundle
from streamscribe_export import command, exporting, speed
from streamscribe_export.errors import ExportExtraMissing, OutputExists
from streamscribe_export.signals import babble


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is measured on short windows, and real speech only where it is asked for."""
    monkeypatch.setattr(exporting, "speech_sample", lambda: None)
    monkeypatch.setattr(exporting, "usable_cores", lambda: 1)
    monkeypatch.setattr(exporting, "measure", lambda runs, *_, **__: speed.measure(runs, 0.5))


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner;"
        "from streamscribe_export.command import export;"
        "assert 'CHECKPOINT' in CliRunner().invoke(export, ['--help']).output;"
        "assert not {'torch', 'transformers', 'onnx', 'numpy'} & set(sys.modules)"
    )
    path = str(Path(command.__file__).parent.parent)
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path}, timeout=30)


def test_without_the_extra_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(command.export, ["somewhere", "-o", str(tmp_path / "bundle")])
    assert isinstance(result.exception, ExportExtraMissing)
    assert "pip install 'streamscribe[export]'" in str(result.exception)
    assert "download.pytorch.org/whl/cpu" in str(result.exception)


def test_a_checkpoint_becomes_a_bundle_and_a_table(wav2vec2: Path, tmp_path: Path) -> None:
    speech = tmp_path / "speech.wav"
    soundfile.write(speech, np.repeat(babble(40_000), 3), 48_000)
    output = tmp_path / "My Bundle"
    asked = [str(wav2vec2), "-o", str(output), "--verify", str(speech), "--language", "en"]
    result = CliRunner().invoke(command.export, asked)
    assert result.exception is None, result.output
    for said in ("float32", "largest difference", "x torch", f"written to {output}"):
        assert said in result.output.replace("\n", "")
    bundle = load_bundle(output)
    assert (bundle.name, bundle.languages, bundle.licence) == ("my-bundle", ("en",), "unknown")
    measured = json.loads((output / "bundle.json").read_text())["measured"]
    assert measured["parity"]["windows"] == 4
    assert measured["parity"]["real_speech"] is True
    assert {"bundle", "torch"} == set(measured["speed"][0]["median_s"])


def test_int8_is_compared_with_float32_too_and_is_smaller(wav2vec2: Path, tmp_path: Path) -> None:
    output = tmp_path / "bundle"
    result = CliRunner().invoke(
        command.export, [str(wav2vec2), "-o", str(output), "--quantize", "int8"]
    )
    assert result.exception is None, result.output
    assert "compared on artificial sound only" in result.output
    measured = json.loads((output / "bundle.json").read_text())["measured"]
    assert set(measured["speed"][0]["median_s"]) == {"torch", "float32", "bundle"}
    assert "matrix products in int8" in measured["precision"]


def test_a_bundle_that_is_there_is_not_written_over(wav2vec2: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    result = CliRunner().invoke(command.export, [str(wav2vec2), "-o", str(tmp_path)])
    assert isinstance(result.exception, OutputExists)


def test_licence_and_languages_come_from_the_model_card(
    wav2vec2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = "---\nlicense: apache-2.0\nlanguage:\n- nb\n- no\n---\n# A model\n"
    (wav2vec2 / "README.md").write_text(card)
    try:
        CliRunner().invoke(command.export, [str(wav2vec2), "-o", str(tmp_path / "bundle")])
    finally:
        (wav2vec2 / "README.md").unlink()
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.licence, bundle.languages) == ("apache-2.0", ("nb", "no"))
