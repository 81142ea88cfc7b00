"""Encoder outputs on disk: one flat file of float16 frames, and where each utterance lies."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from streamscribe_export.ctc_head.encoder import WIDTH, Hidden

FRAMES: Final = "frames.f16"
INDEX: Final = "index.jsonl"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One encoding of one clip."""

    text: str
    """In the head's letters."""
    source: str
    first: int
    frames: int


class StoreWriter:
    """Appends utterances to a new store."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._frames = (folder / FRAMES).open("wb")
        self._index = (folder / INDEX).open("w", encoding="utf-8")
        self._count = 0

    def add(self, hidden: Hidden, text: str, source: str) -> None:
        """One more utterance; its text is already spelled."""
        self._frames.write(np.ascontiguousarray(hidden, dtype=np.float16).tobytes())
        entry = {"text": text, "source": source, "first": self._count, "frames": len(hidden)}
        self._index.write(json.dumps(entry) + "\n")
        self._count += len(hidden)

    def close(self) -> None:
        """Finish both files."""
        self._frames.close()
        self._index.close()


class Store:
    """Reads what ``StoreWriter`` wrote, without loading it."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / INDEX).read_text(encoding="utf-8").splitlines()
        self.utterances: Sequence[Utterance] = [Utterance(**json.loads(line)) for line in lines]
        self._frames = np.memmap(folder / FRAMES, dtype=np.float16, mode="r").reshape(-1, WIDTH)

    def hidden(self, utterance: Utterance) -> Hidden:
        """(frames, WIDTH)."""
        return np.asarray(self._frames[utterance.first : utterance.first + utterance.frames])
