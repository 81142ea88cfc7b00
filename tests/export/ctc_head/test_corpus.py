"""A corpus is read from its manifest and split by speaker."""

from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from streamscribe_export.ctc_head.corpus import Clip, load, read_corpus, split


def clip(speaker: str, source: str = "read", *, held_out: bool = False) -> Clip:
    return Clip(Path(f"{speaker}.wav"), "a text", speaker, source, "CC0", held_out)


def test_a_folder_without_a_manifest_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="no corpus at .*manifest.jsonl"):
        read_corpus(tmp_path)


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"audio": "a.wav"}\n{"text": "b"}\n')
    with pytest.raises(click.ClickException, match="line 2"):
        read_corpus(tmp_path)


def test_a_clip_may_lack_a_text_and_is_resampled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8000, 2)), 8000)
    (tmp_path / "manifest.jsonl").write_text('{"audio": "a.wav", "set": "s", "split": "heldout"}\n')
    (only,) = read_corpus(tmp_path)
    assert (only.text, only.source, only.held_out) == (None, "s", True)
    assert load(only).shape == (16000,)


def test_training_and_validation_share_no_speaker_and_no_held_out_clip() -> None:
    clips = [clip(f"s{n}") for n in range(40) for _ in range(3)]
    training, validation = split([*clips, clip("other", held_out=True)], 5)
    assert {c.speaker for c in validation} & {c.speaker for c in training} == set()
    assert len({c.speaker for c in validation}) == 5
    assert not any(c.held_out for c in (*training, *validation))


def test_a_source_of_few_speakers_is_all_learned_from() -> None:
    training, validation = split([clip("one"), clip("two")], 5)
    assert len(training) == 2 and validation == []
