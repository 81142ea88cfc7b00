"""Graphs on ONNX Runtime: the only module that loads and runs them.

The runtime goes on without a provider that it can't create, and says so in a log at most. So a
graph counts as opened on a device only if the device's provider is in use afterwards.
"""

import contextlib
import ctypes
import io
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeAlias

import onnxruntime as ort

from streamscribe.device import (
    CPU,
    GPU_PACKAGE,
    PROVIDERS,
    Device,
    Kind,
    Surroundings,
    obstacle,
    unavailable,
)
from streamscribe.errors import BrokenModel
from streamscribe.machine import usable_cores
from streamscribe.nvidia import find_driver
from streamscribe.store import default_models_dir

Graph: TypeAlias = ort.InferenceSession

LABOUR: Final = re.compile(r"MatMul|Gemm|Conv|Attention|LSTM|GRU")
"""Kinds of nodes that a model's time goes to; the others may run anywhere."""
SPINNING: Final = {"session.force_spinning_stop": "1"}
"""Threads that spin between two calls would take the cores from voice activity and sockets."""
UNTOLD: Final = "the runtime does not say why; its CUDA and cuDNN must fit the driver and the GPU"
_SILENT: Final = 4
_ASSIGNMENT: Final = "session.record_ep_graph_assignment_info"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one graph of a model really runs."""

    graph: str
    """What the graph is for, like ``encoder``."""
    provider: str
    on_cpu: Mapping[str, int] | None
    """Of a graph on a GPU: how many nodes of each kind the processor computes all the same; the
    runtime puts there what the GPU's provider can't do. ``None``: this runtime does not tell."""

    @property
    def labour_on_cpu(self) -> tuple[str, ...]:
        """Kinds of those nodes that the time goes to: with any, the GPU is of little use."""
        return tuple(kind for kind in self.on_cpu or () if LABOUR.search(kind))


def default_threads() -> int:
    """Threads of one model call: a call this small gains nothing from more than four."""
    return min(4, usable_cores())


def input_names(graph: Graph) -> set[str]:
    """What the graph wants to be given."""
    return {graph_input.name for graph_input in graph.get_inputs()}


def open_graph(path: Path, threads: int, device: Device = CPU) -> Graph:
    """The graph in a file, ready to run on ``device`` and nowhere else.

    Raises ``BrokenModel`` if the runtime can't load it, ``DeviceUnavailable`` if the device can't
    be had.
    """
    if device.on_gpu:
        return _open_on_gpu(path, threads, device)
    try:
        return ort.InferenceSession(path, _options(threads), providers=[device.provider])
    except Exception as error:  # the runtime's errors share no base class
        raise BrokenModel(f"{path} can't be loaded by ONNX Runtime: {error}") from error


def _open_on_gpu(path: Path, threads: int, device: Device) -> Graph:
    there = surroundings()
    problem = obstacle(device, there)
    if problem is not None:
        raise problem
    _load_libraries()
    options = _options(threads)
    options.add_session_config_entry(_ASSIGNMENT, "1")
    try:
        graph = ort.InferenceSession(
            path, options, providers=_providers(device), enable_fallback=False
        )
    except Exception as error:  # the runtime's errors share no base class
        open_graph(path, threads)  # raises if it is the file's fault
        why = f"{device.provider} can't be created: {_lacking(device) or error}"
        raise unavailable(device, there, why) from error
    if graph.get_providers()[0] != device.provider:
        why = f"{device.provider} can't be created: {_lacking(device) or UNTOLD}"
        raise unavailable(device, there, why)
    return graph


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A plan of memory would be kept for every shape that ever came, and windows have all lengths.
    options.enable_mem_pattern = False
    for name, value in SPINNING.items():
        options.add_session_config_entry(name, value)
    return options


def _providers(device: Device) -> list[Any]:
    """Providers with their options, the one that is wanted first.

    The GPU's memory grows by what is asked for, not by doubling: copies of a model, and other
    programs, share it. Every window has a new length, so searching for the fastest convolution
    would never end, and a recorded graph of kernels could not be played again.
    """
    cuda = (
        PROVIDERS[Kind.CUDA],
        {
            "device_id": str(device.index),
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "HEURISTIC",
        },
    )
    if device.kind is Kind.CUDA:
        return [cuda, CPU.provider]
    cache = default_models_dir().parent / "tensorrt"
    cache.mkdir(parents=True, exist_ok=True)
    tensorrt = {
        "device_id": str(device.index),
        "trt_fp16_enable": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
    }
    return [(device.provider, tensorrt), cuda, CPU.provider]


def surroundings() -> Surroundings:
    """What there is to run graphs on."""
    packages = []
    for name in ("onnxruntime", GPU_PACKAGE):
        with contextlib.suppress(PackageNotFoundError):
            packages.append(f"{name} {version(name)}")
    return Surroundings(tuple(packages), tuple(ort.get_available_providers()), find_driver())


def _load_libraries() -> None:
    """Load CUDA's libraries from where pip put them, as far as they are there."""
    ort.set_default_logger_severity(_SILENT)  # what goes wrong is raised
    if hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            ort.preload_dlls()


def _lacking(device: Device) -> str:
    """Which library the provider of ``device`` can't do without and does not find, if one."""
    prefix, suffix = ("", ".dll") if sys.platform == "win32" else ("lib", ".so")
    name = f"{prefix}onnxruntime_providers_{device.kind}{suffix}"
    try:
        ctypes.CDLL(str(Path(ort.__file__).parent / "capi" / name))
    except OSError as error:  # of a symbol: the runtime would have given that itself
        return "" if "undefined symbol" in str(error) else str(error)
    return ""


def placement(name: str, graph: Graph) -> Placement:
    """Where the graph called ``name`` runs."""
    provider = str(graph.get_providers()[0])
    if provider == CPU.provider:
        return Placement(name, provider, {})
    if not hasattr(graph, "get_provider_graph_assignment_info"):
        return Placement(name, provider, None)
    parts = graph.get_provider_graph_assignment_info()
    if not parts:  # files in the runtime's own format are assigned without a record
        return Placement(name, provider, None)
    on_cpu = Counter(
        str(node.op_type)
        for part in parts
        if part.ep_name == CPU.provider
        for node in part.get_nodes()
    )
    return Placement(name, provider, on_cpu)


def output_names(graph: Graph) -> set[str]:
    """What the graph gives."""
    return {graph_output.name for graph_output in graph.get_outputs()}
