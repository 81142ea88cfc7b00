"""The vendor's own native library on the same weights, timed with and without its marshalling."""

import time
from dataclasses import dataclass
from typing import Any, Final

from bench.vendor_graphs import vendor_folder
from streamscribe.model import Samples

NATIVE: Final = "moonshine_transcribe_without_streaming"
WHOLE_FILE: Final = {"vad_threshold": "0", "vad_max_segment_duration": "1000"}
"""With its detector's threshold at 0 everything is speech: one line, the whole file."""


@dataclass(frozen=True, slots=True)
class VendorRun:
    """One transcription by the vendor's Python API."""

    text: str
    lines: int
    native_s: float
    """Inside the native library."""
    marshalling_s: float
    """Python lists to C arrays and back."""


class VendorTranscriber:
    """``moonshine_voice.Transcriber`` with ``ModelArch.TINY``."""

    def __init__(self, options: dict[str, str]) -> None:
        from moonshine_voice import ModelArch, Transcriber

        self._transcriber = Transcriber(vendor_folder(), ModelArch.TINY, options=options)
        self._native_s = 0.0
        self._transcriber._lib = _TimedLibrary(self._transcriber._lib, self._add)

    def transcribe(self, samples: Samples) -> VendorRun:
        """Transcribe audio, handed over as the list that this API asks for."""
        listed = samples.tolist()
        self._native_s = 0.0
        began = time.perf_counter()
        transcript = self._transcriber.transcribe_without_streaming(listed)
        whole_s = time.perf_counter() - began
        texts = [line.text.strip() for line in transcript.lines]
        return VendorRun(
            text=" ".join(texts),
            lines=len(texts),
            native_s=self._native_s,
            marshalling_s=whole_s - self._native_s,
        )

    def close(self) -> None:
        """Free the native model."""
        self._transcriber.close()

    def _add(self, seconds: float) -> None:
        self._native_s += seconds


class _TimedLibrary:
    """A native library whose transcribing function is timed; all else passes through."""

    def __init__(self, library: Any, spent: Any) -> None:  # noqa: ANN401 - ctypes has no types
        self._library = library
        self._spent = spent

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        function = getattr(self._library, name)
        return self._timed(function) if name == NATIVE else function

    def _timed(self, function: Any) -> Any:  # noqa: ANN401
        def call(*arguments: Any) -> Any:  # noqa: ANN401
            began = time.perf_counter()
            result = function(*arguments)
            self._spent(time.perf_counter() - began)
            return result

        return call
