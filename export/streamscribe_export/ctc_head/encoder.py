"""The frozen encoder: what the head hears of a whole recording, or of the windows of a stream."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from streamscribe.model import Samples
from streamscribe.timeline import SAMPLE_RATE, ms_to_len

Hidden = npt.NDArray[np.float16]
"""(frames, ``WIDTH``): the encoder's output."""

WIDTH: Final = 288
RECEPTIVE_FIELD_LEN: Final = 895
STRIDE_LEN: Final = 384
FRAMES_PER_S: Final = SAMPLE_RATE / STRIDE_LEN


@dataclass(frozen=True, slots=True)
class Windows:
    """How a stream is cut: each window's frames are kept for its hop alone."""

    left_ms: int
    hop_ms: int
    right_ms: int


def frame_count(audio_len: int) -> int:
    """Frames of ``audio_len`` samples."""
    return max(0, (audio_len - RECEPTIVE_FIELD_LEN) // STRIDE_LEN + 1)


class Encoder:
    """The encoder's graph, on one thread, so that several processes can share a machine."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._masked = "attention_mask" in {i.name for i in self._session.get_inputs()}

    def whole(self, samples: Samples) -> Hidden:
        """All frames from one call."""
        if frame_count(len(samples)) == 0:
            return np.zeros((0, WIDTH), dtype=np.float16)
        inputs: dict[str, npt.NDArray[Any]] = {"input_values": samples[np.newaxis]}
        if self._masked:
            inputs["attention_mask"] = np.ones((1, len(samples)), dtype=np.int64)
        (hidden,) = self._session.run(None, inputs)
        return np.asarray(hidden[0], dtype=np.float16)

    def windowed(self, samples: Samples, windows: Windows) -> Hidden:
        """Every frame once, each as the stream's window that kept it had it."""
        pieces = [
            self.whole(samples[span.start_len : span.end_len])[
                span.skipped : span.skipped + span.kept
            ]
            for span in spans(len(samples), windows)
        ]
        return np.concatenate(pieces) if pieces else np.zeros((0, WIDTH), dtype=np.float16)


@dataclass(frozen=True, slots=True)
class Span:
    """One window: the samples that are encoded, and which of its frames are kept."""

    start_len: int
    end_len: int
    skipped: int
    """Frames before the hop: left context."""
    kept: int


def spans(audio_len: int, windows: Windows) -> list[Span]:
    """The windows of a recording in order; together they keep each of its frames once."""
    left, hop, right = (
        max(low, ms_to_len(ms) // STRIDE_LEN)
        for ms, low in ((windows.left_ms, 0), (windows.hop_ms, 1), (windows.right_ms, 0))
    )
    total = frame_count(audio_len)
    found = []
    for first in range(0, total, hop):
        kept = min(hop, total - first)
        start = max(0, first - left)
        end = min(total, first + kept + right)
        found.append(
            Span(
                start_len=start * STRIDE_LEN,
                end_len=(end - 1) * STRIDE_LEN + RECEPTIVE_FIELD_LEN,
                skipped=first - start,
                kept=kept,
            )
        )
    return found
