"""Attention as one operation of the graph, where a model lets its attention be replaced.

ONNX Runtime's operation goes over the frames in blocks, so it neither writes the matrix of all
frames by all frames nor moves heads about in memory. Models with an attention of their own (SEW-D,
WavLM, M-CTC-T, wav2vec2-BERT, wav2vec2-conformer) and those that add to the scores (Parakeet) keep
the plain operations.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from streamscribe_export.checkpoint import TorchModel

CONTRIBUTED: Final = "com.microsoft"
"""Domain of the operations that ONNX Runtime has beside the standard ones."""

OPSETS: Final = {CONTRIBUTED: 1}
"""What a graph with this operation needs beside the standard operations."""
_NAME: Final = "streamscribe_graph"


@contextmanager
def attention_for_graphs(model: TorchModel) -> Iterator[None]:
    """While the block runs, ``model`` has the attention that is written into a graph."""
    with attention_named(model, _NAME, _register):
        yield


@contextmanager
def attention_named(model: TorchModel, name: str, register: Callable[[], None]) -> Iterator[None]:
    """While the block runs, ``model`` has the attention ``name``, if it lets it be replaced.

    register: makes the name known to transformers.
    """
    usual = model.config._attn_implementation
    can_be_set = model._can_set_attn_implementation()
    if can_be_set:
        register()
        model.set_attn_implementation(name)
    try:
        yield
    finally:
        if can_be_set:
            model.set_attn_implementation(usual)


@cache
def _register() -> None:
    """Make the attention known to transformers."""
    import torch
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    class OneOperation(torch.autograd.Function):
        """(batch, frames, channels) each; the heads lie side by side."""

        @staticmethod
        def symbolic(graph: Any, *inputs: Any) -> Any:  # noqa: ANN401
            *of_frames, heads, scale = inputs
            name = f"{CONTRIBUTED}::MultiHeadAttention"
            output = graph.op(name, *of_frames, num_heads_i=heads, scale_f=scale)
            output.setType(of_frames[0].type())
            return output

        @staticmethod
        def forward(_: Any, *inputs: Any) -> Any:  # noqa: ANN401
            *of_frames, heads, scale = inputs
            by_head = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in of_frames)
            seen = torch.nn.functional.scaled_dot_product_attention(*by_head, scale=scale)
            return seen.transpose(1, 2).flatten(2)

    def attention(
        module: Any,  # noqa: ANN401
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        **_: Any,  # noqa: ANN401
    ) -> tuple[torch.Tensor, None]:
        """(batch, heads, frames, channels) to (batch, frames, heads, channels)."""
        # The trace must take these for constants.
        heads, width = int(query.shape[1]), int(query.shape[3])
        scale = float(width**-0.5 if scaling is None else scaling)
        if attention_mask is not None:
            scores = query @ key.transpose(2, 3) * scale + attention_mask
            return (scores.softmax(dim=-1) @ value).transpose(1, 2), None
        side_by_side = (x.transpose(1, 2).flatten(2) for x in (query, key, value))
        seen = OneOperation.apply(*side_by_side, heads, scale)
        return seen.unflatten(2, (heads, width)), None

    ALL_ATTENTION_FUNCTIONS.register(_NAME, attention)
