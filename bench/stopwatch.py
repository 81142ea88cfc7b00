"""Where a recognizer's time goes: its graphs are wrapped, each call is timed."""

import time
from dataclasses import dataclass
from typing import Any

from streamscribe.encoder_decoder import EncoderDecoderModel
from streamscribe.recognizer import Recognizer


@dataclass(slots=True)
class TimedGraph:
    """An ONNX Runtime session whose calls are timed."""

    graph: Any
    seconds: float = 0.0
    calls: int = 0

    def run(self, outputs: list[str] | None, inputs: dict[str, Any]) -> list[Any]:
        """Run the graph."""
        started = time.perf_counter()
        results: list[Any] = self.graph.run(outputs, inputs)
        self.seconds += time.perf_counter() - started
        self.calls += 1
        return results


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """The graphs of one model."""

    front: TimedGraph
    encoder: TimedGraph
    decoder: TimedGraph

    @property
    def encoder_s(self) -> float:
        """Seconds from samples to what the decoder asks of them."""
        return self.front.seconds + self.encoder.seconds


def attach(recognizer: Recognizer) -> Stopwatch:
    """Put a stopwatch into the recognizer's model, which goes on working as before.

    This reaches into the model on purpose: nothing but a measurement needs to see its parts.
    """
    model = recognizer.model
    assert isinstance(model, EncoderDecoderModel), "only this model's graphs are known"
    front = model._front
    assert front is not None, "only the default model's graphs are known"
    stopwatch = Stopwatch(
        TimedGraph(front._graph), TimedGraph(model._encoder), TimedGraph(model.passes._graph)
    )
    front._graph, model._encoder, model.passes._graph = (
        stopwatch.front, stopwatch.encoder, stopwatch.decoder,
    )  # fmt: skip
    return stopwatch
