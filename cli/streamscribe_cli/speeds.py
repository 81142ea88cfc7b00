"""What a model really runs on, device by device, and how fast it is there."""

import dataclasses
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from streamscribe.device import CPU, SWITCH, Surroundings
from streamscribe.errors import DeviceUnavailable, StreamscribeError
from streamscribe.loading import Loaded, ModelChoice, load_recognizers
from streamscribe_cli.findings import Finding, State

if TYPE_CHECKING:
    from streamscribe.model import Samples
    from streamscribe.onnx_graph import Placement
    from streamscribe.recognizer import Recognizer

BUSY_SHARE = 0.7
"""Share of the time that live streams may keep the model busy; the rest absorbs bursts."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model is here."""

    audio_s: float
    compute_s: float

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of computing for a second of live audio."""
        return self.compute_s / self.audio_s

    @property
    def live_streams(self) -> int:
        """Roughly how many streams can be live at once; 0: not even one keeps up."""
        return int(BUSY_SHARE / self.rtf)

    def figures(self) -> dict[str, object]:
        """For JSON."""
        derived = {"rtf": self.rtf, "live_streams": self.live_streams}
        return {**dataclasses.asdict(self), **derived}


@dataclass(frozen=True, slots=True)
class Tried:
    """One copy of the model, on its device, with its speed."""

    loaded: Loaded
    speed: Speed

    def figures(self) -> dict[str, object]:
        """For JSON."""
        graphs = [dataclasses.asdict(placement) for placement in self.loaded.placements]
        return {
            "device": str(self.loaded.device),
            "passed_over": self.loaded.passed_over,
            "graphs": graphs,
            "speed": self.speed.figures(),
        }


def execution(there: Surroundings) -> Finding:
    """What ONNX Runtime can use, and whether it leaves a GPU unused."""
    if CPU.provider not in there.providers:
        said = f"{CPU.provider} is missing; here are {there}"
        mend = "pip install --force-reinstall onnxruntime"
        return Finding("execution", State.BROKEN, said, mend)
    if len(there.packages) > 1:
        said = f"{' and '.join(there.packages)} overwrite each other's files; one must go"
        return Finding("execution", State.LIMITED, said, SWITCH)
    if there.gpu_unused:
        return Finding("execution", State.LIMITED, f"a GPU is left unused: {there}", SWITCH)
    return Finding("execution", State.OK, str(there))


def try_devices(
    choice: ModelChoice, samples: "Samples", audio_s: float
) -> tuple[list[Finding], list[Tried]]:
    """Decode the audio as a live stream would be, on each device that is asked for.

    samples: (n,) at 16 kHz, ``audio_s`` seconds of them.
    """
    findings: list[Finding] = []
    tried: list[Tried] = []
    try:
        for loaded in load_recognizers(choice):
            speed = measure(partial(_decode, loaded.recognizer, samples), audio_s)
            tried.append(Tried(loaded, speed))
            findings += [in_use(loaded), how_fast(loaded, speed)]
    except StreamscribeError as error:
        subject = "in use" if isinstance(error, DeviceUnavailable) else "speed"
        findings.append(Finding(subject, State.BROKEN, str(error)))
    return findings, tried


def _decode(recognizer: "Recognizer", samples: "Samples") -> None:
    from streamscribe.recognizer import transcribe

    deque(transcribe(recognizer, samples), maxlen=0)


def in_use(loaded: Loaded) -> Finding:
    """Which provider runs each graph, and what the processor does beside a GPU."""
    by_provider: dict[str, list[str]] = {}
    for placement in loaded.placements:
        by_provider.setdefault(placement.provider, []).append(placement.graph)
    graphs = "; ".join(f"{', '.join(names)} on {name}" for name, names in by_provider.items())
    beside = _beside(loaded.placements)
    said = f"{loaded.device}: {graphs}{beside}"
    if loaded.passed_over:
        return Finding("in use", State.LIMITED, f"{said}; {loaded.passed_over}")
    labour = any(placement.labour_on_cpu for placement in loaded.placements)
    return Finding("in use", State.LIMITED if labour else State.OK, said)


def _beside(placements: "tuple[Placement, ...]") -> str:
    counted: Counter[str] = Counter()
    for placement in placements:
        if placement.on_cpu is None:
            return "; the runtime does not tell which nodes the processor computes all the same"
        counted.update(placement.on_cpu)
    if not counted:
        return ""
    listed = ", ".join(f"{count} {kind}" for kind, count in counted.most_common())
    return f"; computed by the processor all the same: {listed}"


def how_fast(loaded: Loaded, measured: Speed) -> Finding:
    """How many live streams the speed makes."""
    said = f"{loaded.device}: {measured.rtf:.3f} s of computing per second of live audio"
    if measured.live_streams == 0:
        return Finding("speed", State.LIMITED, f"{said}: too slow for a live stream")
    said = f"{said}: about {measured.live_streams} live streams at once"
    return Finding("speed", State.OK, said)


def measure(
    decode: Callable[[], object], audio_s: float, clock: Callable[[], float] = time.perf_counter
) -> Speed:
    """Decode twice, and time the second run: the first one warms up."""
    decode()
    started = clock()
    decode()
    return Speed(audio_s=audio_s, compute_s=clock() - started)
