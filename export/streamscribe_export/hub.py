"""Where a checkpoint comes from: a folder, or the hub."""

import os
import re
from pathlib import Path
from typing import Final

from streamscribe_export.errors import CheckpointUnreachable

HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
FACTS: Final = ("*.json", "*.txt", "*.model", "README.md")
SAFE: Final = ("model*.safetensors",)
OTHERWISE: Final = ("pytorch_model*.bin", "model.bin")
"""Pickles of PyTorch, or what CTranslate2 has."""


def locate(checkpoint: str) -> tuple[Path, str]:
    """Folder of a checkpoint, fetched if it is a hub id, and what to state as its source."""
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder, f"folder {folder.resolve().name}"
    if folder.exists():
        raise CheckpointUnreachable(f"{checkpoint} is a file; allowed: a checkpoint's folder")
    if not HUB_ID.fullmatch(checkpoint):
        raise CheckpointUnreachable(
            f"there is no folder {checkpoint}, and it is no hub id; allowed: a folder, or an id"
            " like owner/name"
        )
    return _fetched(checkpoint)


def _fetched(hub_id: str) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=[*FACTS, *SAFE]))
        if not list(folder.glob(SAFE[0])):
            folder = Path(snapshot_download(hub_id, allow_patterns=[*FACTS, *OTHERWISE]))
    except (OSError, ValueError) as error:  # the hub's own errors are among them
        offline = "on" if constants.HF_HUB_OFFLINE else "off"
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointUnreachable(
            f"there is no folder {hub_id} here, and the hub gave none: tried {hub_id} at"
            f" {constants.ENDPOINT}, offline mode (HF_HUB_OFFLINE) {offline}: {first}; on a machine"
            f" that reaches the hub: hf download {hub_id} --local-dir {hub_id.rpartition('/')[2]},"
            " copy that folder here and export the folder"
        ) from error
    revision = folder.name if folder.parent.name == "snapshots" else "unknown revision"
    return folder, f"{constants.ENDPOINT}/{hub_id} ({revision})"


def name_from(checkpoint: str) -> str:
    """A bundle's name, of characters that are allowed in one, after the checkpoint's."""
    last = os.path.basename(os.path.normpath(Path(checkpoint).expanduser().absolute()))
    name = re.sub(r"[^a-z0-9._-]+", "-", last.lower()).strip("-._")[:100]
    return name or "model"
