"""A stand-in for the module ``onnxruntime`` on a machine with any GPUs, or none.

Like the real one it goes on without a provider that it can't create, and says nothing.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamscribe import onnx_graph
from streamscribe.device import Driver

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
A10 = Driver("12.4", ("NVIDIA A10",))
TWO = Driver("12.4", ("NVIDIA A10", "NVIDIA T4"))


class FakeOptions:
    """``SessionOptions``."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}

    def add_session_config_entry(self, name: str, value: str) -> None:
        self.entries[name] = value


@dataclass
class FakeRuntime:
    """The module's surface that is used, and what was asked of it."""

    providers: Sequence[str] = (TENSORRT, CUDA, CPU)
    not_created: Sequence[str] = ()
    """Providers that are there, and fail when a session wants them."""
    raises: Exception | None = None
    """What a session on a GPU raises."""
    broken_file: bool = False
    assigned: dict[str, list[str]] | None = field(default_factory=dict)
    """Kinds of nodes by provider; ``None``: the runtime is too old to tell."""
    prints: str = ""
    """What preloading prints; the runtime here always offers it."""
    folder: Path = Path("/no/such/folder")
    opened: list[tuple[list[Any], FakeOptions, dict[str, object]]] = field(default_factory=list)
    preloaded: int = 0
    severity: int = 2

    SessionOptions = FakeOptions

    @property
    def __file__(self) -> str:
        return str(self.folder / "__init__.py")

    def get_available_providers(self) -> list[str]:
        return list(self.providers)

    def set_default_logger_severity(self, severity: int) -> None:
        self.severity = severity

    def preload_dlls(self) -> None:
        self.preloaded += 1
        sys.stdout.write(self.prints)

    def InferenceSession(
        self, path: Path, options: FakeOptions, providers: list[Any], **more: object
    ) -> SimpleNamespace:
        self.opened.append((providers, options, more))
        names = [one if isinstance(one, str) else one[0] for one in providers]
        if self.broken_file:
            raise RuntimeError("not a graph")
        if self.raises is not None and names != [CPU]:
            raise self.raises
        used = [name for name in names if name in self.providers and name not in self.not_created]
        graph = SimpleNamespace(get_providers=lambda: used)
        if self.assigned is not None:
            parts = [
                SimpleNamespace(ep_name=name, get_nodes=lambda kinds=kinds: _nodes(kinds))
                for name, kinds in self.assigned.items()
            ]
            graph.get_provider_graph_assignment_info = lambda: parts
        return graph


def _nodes(kinds: list[str]) -> list[SimpleNamespace]:
    return [SimpleNamespace(op_type=kind) for kind in kinds]


def installed(
    patch: pytest.MonkeyPatch, runtime: FakeRuntime, driver: Driver | None = A10
) -> FakeRuntime:
    """Put the stand-in, and a driver, in the place of the real ones."""
    patch.setattr(onnx_graph, "ort", runtime)
    patch.setattr(onnx_graph, "find_driver", lambda: driver)
    patch.setattr(onnx_graph, "version", lambda name: "1.24.0")
    return runtime
