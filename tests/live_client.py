"""A recording streamed to a live server, and what came back."""

from importlib.resources import files
from typing import Unpack

import numpy as np
import soundfile

from streamscribe.codec import Encoding, encode
from streamscribe_cli.server_process import ServerProcess
from streamscribe_client import Final, connect
from streamscribe_client.dialogue import StreamEvent, StreamOptions

PACKET_BYTES = 3_200


def sample() -> np.ndarray:
    """11 s of speech and 1.5 s of silence, (200000,) float32 at 16 kHz."""
    with (files("streamscribe_cli") / "samples" / "jfk.flac").open("rb") as content:
        speech, _ = soundfile.read(content, dtype="float32")
    return np.concatenate([speech, np.zeros(24_000, np.float32)])


SAMPLE = sample()
PCM16 = encode(SAMPLE, Encoding.PCM_S16LE)
AT_5_S = 5 * 32_000


def streamed(
    server: ServerProcess,
    audio: bytes,
    packet_bytes: int = PACKET_BYTES,
    **options: Unpack[StreamOptions],
) -> list[StreamEvent]:
    """All events of ``audio``, sent in packets."""
    with connect(server.url, **options) as stream:
        stream.send_soon(audio[at : at + packet_bytes] for at in range(0, len(audio), packet_bytes))
        return list(stream)


def finals(events: list[StreamEvent]) -> list[Final]:
    """The finals among ``events``."""
    return [event for event in events if isinstance(event, Final)]


def text(events: list[StreamEvent]) -> str:
    """The text of all finals."""
    return " ".join(final.text for final in finals(events))
