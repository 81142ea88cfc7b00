"""Writing ``bundle.json``, and the tokens beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamscribe.bundle import MANIFEST_NAME, SCHEMA_VERSION
from streamscribe_export.graph import weights_beside
from streamscribe_export.pieces import Piece
from streamscribe_export.stages import DECODER, ENCODER, FRONT, TOKENS
from streamscribe_export.staging import describe_file


def write_tokens(pieces: Sequence[Piece], folder: Path) -> None:
    """Write what each token adds to the text."""
    text = json.dumps(list(pieces), ensure_ascii=False, indent=0)
    (folder / TOKENS).write_text(f"{text}\n", encoding="utf-8")


def write_manifest(
    fields: Mapping[str, Any], folder: Path, measured: Mapping[str, Any] | None = None
) -> None:
    """Write the manifest of the files in ``folder``."""
    manifest: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        **fields,
        "files": {role: describe_file(path) for role, path in bundle_files(folder).items()},
    }
    if measured is not None:
        manifest["measured"] = measured
    text = json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False)
    (folder / MANIFEST_NAME).write_text(f"{text}\n", encoding="utf-8")


def bundle_files(folder: Path) -> dict[str, Path]:
    """The files that there are, by role."""
    encoder, decoder = folder / ENCODER, folder / DECODER
    roles = {
        "front": folder / FRONT,
        "encoder": encoder,
        "weights": weights_beside(encoder),
        "decoder": decoder,
        "decoder_weights": weights_beside(decoder),
        "tokenizer": folder / TOKENS,
    }
    return {role: path for role, path in roles.items() if path.exists()}
