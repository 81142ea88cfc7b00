"""A live stream without waiting: small packets go in, every step runs at once, all is timed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from streamscribe.codec import to_int16
from streamscribe.events import Event
from streamscribe.ingest import AudioFormat, Ingest
from streamscribe.model import Samples
from streamscribe.recognizer import Recognizer
from streamscribe.session import Session
from streamscribe.timeline import SAMPLE_RATE
from streamscribe_cli.latency import PACKETS_PER_S, packets

PACKET_S: Final = 1 / PACKETS_PER_S
"""What live clients send at a time."""
PCM_16K: Final = AudioFormat("pcm_s16le", SAMPLE_RATE, 1)


@dataclass(frozen=True, slots=True)
class StepCost:
    """One model call."""

    window_len: int
    """Samples looked at."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Happened:
    """What a stream did with one packet, one step of it, or its end."""

    arrived_s: float
    """When the newest audio arrived, on the audio's own clock."""
    events: tuple[Event, ...]
    step: StepCost | None


def run_live(recognizer: Recognizer, samples: Samples) -> Iterator[Happened]:
    """Feed 16 kHz audio in packets of PCM16; gives what happened after each packet and step.

    Consume it at once: what the consumer does between two items is not part of the stream.
    """
    ingest, session = Ingest(PCM_16K), recognizer.open()
    for index, packet in enumerate(packets(PCM_16K, [to_pcm(samples)], silence_ms=0)):
        session.receive_audio(ingest.receive(packet))
        yield from _advance(session, recognizer, (index + 1) * PACKET_S)
    session.receive_eof()
    yield from _advance(session, recognizer, len(samples) / SAMPLE_RATE)


def _advance(session: Session, recognizer: Recognizer, arrived_s: float) -> Iterator[Happened]:
    while (step := session.step_wanted()) is not None:
        began = time.perf_counter()
        [result] = recognizer.run([step])
        cost = StepCost(len(step.samples), time.perf_counter() - began)
        session.step_done(result)
        yield Happened(arrived_s, tuple(session.take_events()), cost)
    yield Happened(arrived_s, tuple(session.take_events()), None)


def to_pcm(samples: Samples) -> bytes:
    """PCM16 bytes of samples."""
    return to_int16(samples).tobytes()
