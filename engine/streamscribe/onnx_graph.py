"""Graphs on ONNX Runtime: the only module that loads and runs them."""

from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort

from streamscribe.errors import BrokenModel
from streamscribe.machine import usable_cores

Graph: TypeAlias = ort.InferenceSession


def default_threads() -> int:
    """Threads of one model call: a call this small gains nothing from more than four."""
    return min(4, usable_cores())


def input_names(graph: Graph) -> set[str]:
    """What the graph wants to be given."""
    return {graph_input.name for graph_input in graph.get_inputs()}


def open_graph(path: Path, threads: int) -> Graph:
    """The graph in a file, ready to run. Raises ``BrokenModel`` if the runtime can't load it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that spin between two calls would take the cores from voice activity and sockets.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base class
        raise BrokenModel(f"{path} can't be loaded by ONNX Runtime: {error}") from error


def output_names(graph: Graph) -> set[str]:
    """What the graph gives."""
    return {graph_output.name for graph_output in graph.get_outputs()}
