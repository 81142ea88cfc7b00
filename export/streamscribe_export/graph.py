"""From a PyTorch model to an ONNX graph.

One way for all families: PyTorch's own exporter by tracing, around a wrapper that takes nothing but
the window. There is no attention mask, because windows are never padded. Optimum's exporter was
tried and left out: the version that fits our transformers can't even be imported without
torchvision, it knows neither wav2vec2-bert nor parakeet, and one way is better than two. PyTorch's
newer exporter gives the same figures for every family tried, but takes ten times as long.

Tracing writes down one run, so whatever a model decides from its input's length would be frozen.
That none of them does is not taken on trust: parity is checked at lengths that were not traced.
"""

from pathlib import Path
from typing import Any, Final

from streamscribe_export.attention import OPSETS, attention_for_graphs
from streamscribe_export.checkpoint import TorchModel, quiet
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.families import CheckpointFamily, Geometry

OPSET: Final = 17
"""The first with LayerNormalization."""
TRACED_FRAMES: Final = 53
"""Odd, and long enough for every convolution over frames."""
PROTOBUF_MAX_BYTES: Final = 2**31 - 2**24
"""What one ONNX file can hold, less some room for the graph itself."""
WEIGHTS_SUFFIX: Final = ".weights"


def save(model: Any, file: Path) -> None:  # noqa: ANN401
    """Write an ONNX model; weights that one file can't hold go into ``weights_beside(file)``."""
    import onnx

    size = sum(len(weight.raw_data) for weight in model.graph.initializer)
    if size <= PROTOBUF_MAX_BYTES:
        onnx.save(model, file)
        return
    onnx.save(
        model, file, save_as_external_data=True, all_tensors_to_one_file=True,
        location=weights_beside(file).name,
    )  # fmt: skip


def weights_beside(file: Path) -> Path:
    """Where ``save`` puts the weights of a large model."""
    return file.with_name(file.name + WEIGHTS_SUFFIX)


def trace(
    model: TorchModel, family: CheckpointFamily, geometry: Geometry, mels: int, file: Path
) -> None:
    """Write the graph: the window in, ``logits`` out, batch and time of any length.

    mels: width of the features; not used by families that take samples.
    """
    import torch

    fold_weight_norms(model)
    with quiet(), torch.no_grad(), attention_for_graphs(model):
        length = geometry.samples(TRACED_FRAMES)
        shape = (2, length // 160, mels) if family.takes_features else (2, length)
        generator = torch.Generator().manual_seed(0)
        window = torch.randn(shape, generator=generator)
        axis = "frames_in" if family.takes_features else "samples"
        try:
            torch.onnx.export(
                _wrapped(model), (window,), str(file), dynamo=False, opset_version=OPSET,
                custom_opsets=OPSETS, autograd_inlining=False,
                input_names=[family.input_name], output_names=["logits"],
                dynamic_axes={
                    family.input_name: {0: "batch", 1: axis},
                    "logits": {0: "batch", 1: "frames"},
                },
            )  # fmt: skip
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError) as error:
            raise UnsupportedCheckpoint(
                f"the model can't be written as a graph: {str(error).splitlines()[0]}"
            ) from error


def fold_weight_norms(model: TorchModel) -> None:
    """Replace weights that are computed at every call by their values."""
    from torch.nn.utils import parametrize

    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)


def _wrapped(model: TorchModel) -> Any:  # noqa: ANN401
    import torch

    class LogitsOnly(torch.nn.Module):
        """The model with one input and one output."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, window: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(window).logits
            return logits

    return LogitsOnly().eval()
