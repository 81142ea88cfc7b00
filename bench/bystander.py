"""An ordinary live stream, beside which something happens that must not touch it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from typing import Final

import numpy as np
import soundfile

from bench.corpus import silence
from bench.live import to_pcm
from bench.outcome import Figures
from streamscribe_cli.check import SAMPLE
from streamscribe_client import ServerBusy, connect_async
from streamscribe_protocol.messages import Final as FinalMessage

BLOCK_S: Final = 0.1
_RETRY_S: Final = 2.0


@dataclass(slots=True)
class Bystander:
    """Plays the packaged sample at the pace of speech, again and again in new sessions."""

    url: str
    expected: str
    """The text that an undisturbed server wrote."""
    plays: int = 0
    refused: int = 0
    """Times that the server was too busy for one more stream; tried again."""
    changed: list[str] = field(default_factory=list)
    """Texts that were another one."""

    async def play(self, stop: asyncio.Event) -> None:
        """Until told to stop; the last session is finished. Raises what ends a session early."""
        pcm = sample_pcm()
        while not stop.is_set():
            try:
                text = await spoken_text(self.url, pcm)
            except ServerBusy:
                self.refused += 1
                await asyncio.sleep(_RETRY_S)
                continue
            self.plays += 1
            if text != self.expected:
                self.changed.append(text)

    def figures(self) -> Figures:
        """What it saw."""
        return {
            "plays": self.plays,
            "refused": self.refused,
            "texts_changed": len(self.changed),
            "changed": self.changed[:10],
            "expected": self.expected,
        }


def sample_pcm() -> bytes:
    """The packaged sample with some silence after it, PCM16 at 16 kHz."""
    with as_file(files("streamscribe_cli") / "samples" / SAMPLE) as path:
        samples, _ = soundfile.read(path, dtype="float32")
    return to_pcm(np.concatenate((samples, silence(1.0))))


async def spoken_text(url: str, pcm: bytes) -> str:
    """The text of ``pcm`` sent as fast as it is spoken."""
    async with connect_async(url, timeout_s=30.0) as stream:
        stream.send_soon(_paced(pcm))
        texts = [event.text async for event in stream if isinstance(event, FinalMessage)]
    return " ".join(texts)


async def _paced(pcm: bytes) -> AsyncIterator[bytes]:
    began_s = time.monotonic()
    block_bytes = round(BLOCK_S * 32_000)
    for index, start in enumerate(range(0, len(pcm), block_bytes)):
        await asyncio.sleep(max(0.0, began_s + (index + 1) * BLOCK_S - time.monotonic()))
        yield pcm[start : start + block_bytes]
