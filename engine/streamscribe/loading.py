"""From what was asked for to recognizers that run: a model, on one device or on several.

A model that is loaded on a GPU runs once before it counts as loaded: a provider that was created
may still lack a library, memory, or kernels for this GPU, and shows that only then.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamscribe.device import AUTO, CPU, Device, best_first, parse_devices, unavailable
from streamscribe.errors import DeviceUnavailable
from streamscribe.store import DEFAULT_MODEL

if TYPE_CHECKING:  # importing them takes long, and commands must say their help at once
    from streamscribe.model import PlacedModel
    from streamscribe.onnx_graph import Placement
    from streamscribe.options import SessionOptions
    from streamscribe.recognizer import Recognizer

logger = logging.getLogger(__name__)

Open = Callable[[Device], "PlacedModel"]
"""Loads a model on a device."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which model to load and how."""

    model: str = DEFAULT_MODEL
    """Name, or the folder of a bundle."""
    vad: str = "webrtc"
    threads: int | None = None
    """Of one model call; ``None``: what the model's size asks for."""
    models_dir: Path | None = None
    """Where pulled models lie; ``None``: the user's cache folder."""
    language_model: str | None = None
    """Judges a CTC model's words; what ``find_language_model`` finds."""
    device: str = AUTO
    """What ``parse_devices`` reads."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One copy of a model, on its device."""

    device: Device
    recognizer: "Recognizer"
    placements: "tuple[Placement, ...]"
    """Of every graph of the model."""
    passed_over: str = ""
    """Why ``auto`` took nothing better, where there was something."""


@dataclass(frozen=True, slots=True)
class _Opened:
    device: Device
    model: "PlacedModel"
    instead_of: str = ""


def load_recognizers(choice: ModelChoice, options: "SessionOptions | None" = None) -> list[Loaded]:
    """The model on every device that ``choice`` names, in that order.

    They share nothing: each may run on a thread of its own, and a session stays with the one that
    opened it.

    Raises ``OptionError`` for a device, or a detector, that nobody knows; ``DeviceUnavailable``
    for a device that can't be had; ``BundleError`` if the model can't be had.
    """
    from streamscribe.converting import ready_bundle
    from streamscribe.recognizer import Recognizer, load_model
    from streamscribe.vad import make_vad

    devices = parse_devices(choice.device)
    vad = make_vad(choice.vad)
    bundle = ready_bundle(choice.model, choice.models_dir)

    def open_on(device: Device) -> "PlacedModel":
        return load_model(
            bundle, threads=choice.threads, language_model=choice.language_model, device=device
        )

    opened = [_Opened(device, _open(open_on, device)) for device in devices]
    return [
        Loaded(
            one.device, Recognizer(one.model, vad, options), one.model.placements, one.instead_of
        )
        for one in opened or [_open_best(open_on)]
    ]


def load_one(choice: ModelChoice, options: "SessionOptions | None" = None) -> Loaded:
    """The model on the one device that ``choice`` names, for those who serve one stream.

    Raises what ``load_recognizers`` raises, and ``OptionError`` for several devices.
    """
    from streamscribe.errors import OptionError

    if len(parse_devices(choice.device)) > 1:
        raise OptionError(name="device", got=choice.device, allowed="one device here")
    return load_recognizers(choice, options)[0]


def _open_best(open_on: Open) -> _Opened:
    """The model on the first device of ``best_first`` that really works."""
    from streamscribe.onnx_graph import surroundings

    passed_over = ""
    for device in best_first(surroundings()):
        if not device.on_gpu:
            break
        try:
            model = _open(open_on, device)
        except DeviceUnavailable as error:
            passed_over = str(error)
            continue
        doubt = _doubt(model)
        if not doubt:
            return _Opened(device, model)
        passed_over = f"device {device} is passed over: {doubt}"
    if passed_over:
        logger.warning("auto takes the processor: %s", passed_over)
    return _Opened(CPU, open_on(CPU), passed_over)


def _doubt(model: "PlacedModel") -> str:
    """Why a GPU on which the model works may be slower than the processor; nothing: none."""
    if any(graph.on_cpu is None for graph in model.placements):
        return (
            "the runtime does not tell whether the processor would do the work all the same,"
            " as with models that are quantised; --device cuda takes it nevertheless"
        )
    labour = sorted({kind for graph in model.placements for kind in graph.labour_on_cpu})
    if not labour:
        return ""
    return (
        f"the processor would compute {', '.join(labour)} of this model all the same;"
        " GPUs want a model in float32 or float16"
    )


def _open(open_on: Open, device: Device) -> "PlacedModel":
    """The model on ``device``, proven if it is a GPU."""
    from streamscribe.onnx_graph import surroundings

    model = open_on(device)
    if device.on_gpu:
        try:
            model.warm_up()
        except Exception as error:  # the runtime's errors share no base class
            why = f"the model was loaded there and can't run: {error}"
            raise unavailable(device, surroundings(), why) from error
    return model
