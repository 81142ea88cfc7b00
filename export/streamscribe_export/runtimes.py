"""The two that are compared: the checkpoint in PyTorch and the graph in ONNX Runtime.

Both take windows of samples and do the checkpoint's front-end themselves, with the same threads.
"""

from pathlib import Path

import numpy as np

from streamscribe.encoder_input import encoder_input
from streamscribe.model import Samples
from streamscribe_export.checkpoint import Extractor, TorchModel, quiet
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.families import CheckpointFamily
from streamscribe_export.front_end import SAMPLE_RATE, FrontEndFacts
from streamscribe_export.parity import Logits, Run
from streamscribe_export.signals import babble


def torch_run(model: TorchModel, front_end: FrontEndFacts, threads: int) -> Run:
    """The checkpoint, as PyTorch runs it unless told otherwise (eager)."""
    import torch

    torch.set_num_threads(threads)

    def run(samples: Samples) -> Logits:
        with torch.inference_mode():
            logits = model(torch.from_numpy(features_of(samples, front_end))).logits
        return np.asarray(logits.numpy(), dtype=np.float32)

    return run


def graph_run(file: Path, family: CheckpointFamily, front_end: FrontEndFacts, threads: int) -> Run:
    """The graph in ``file``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that spin after a call would slow the other runtime down, whose turn it is then.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(samples: Samples) -> Logits:
        (logits,) = session.run(None, {family.input_name: features_of(samples, front_end)})
        return np.asarray(logits)

    return run


def check_features(extractor: Extractor | None, front_end: FrontEndFacts) -> None:
    """Refuse a front-end that gives other features than the checkpoint's own extractor.

    extractor: None where it can't be loaded; then there is nothing to compare with.
    """
    if extractor is None:
        return
    samples = babble(20_001)
    with quiet():
        given = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="np")
    theirs = np.asarray(given["input_features" if front_end.mel else "input_values"])
    ours = features_of(samples[np.newaxis], front_end)
    # Theirs may be filled up at the end, which its mask says.
    theirs = theirs[:, : ours.shape[1]]
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=1e-3, atol=1e-3):
        difference = abs(theirs - ours).max() if theirs.shape == ours.shape else float("inf")
        raise UnsupportedCheckpoint(
            f"{type(extractor).__name__} of this checkpoint gives features {theirs.shape}, ours"
            f" are {ours.shape} and differ by up to {difference:.2g}; allowed: 1e-3"
        )


def features_of(samples: Samples, front_end: FrontEndFacts) -> Samples:
    """(batch, samples) to what the model takes."""
    return np.stack([encoder_input(window, front_end) for window in samples], dtype=np.float32)
