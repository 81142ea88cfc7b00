"""From a PyTorch encoder-decoder to two ONNX graphs, by tracing.

The encoder's graph gives no hidden states but what the decoder makes of them: keys and values of
its cross-attention, which are the same for every token of a window::

    encoder    input_values (batch, samples), or input_features (batch, frames, width)
               -> cross_key_i, cross_value_i    (batch, heads, encoder frames, head_dim), per layer
    decoder    tokens (batch, n), n >= 1
               past_key_i, past_value_i         (batch, heads, past, head_dim), past >= 0
               cross_key_i, cross_value_i
               -> logits                        (batch, n, vocabulary)
                  key_i, value_i                (batch, heads, past + n, head_dim)

So the decoder's is one graph for the first tokens, for one more, and for many at once. It is traced
with some tokens behind some others; that no other number is frozen by it is not taken on trust, but
tested with none, with one and with more.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

from streamscribe_export.attention import OPSETS, attention_for_graphs, attention_named
from streamscribe_export.checkpoint import TorchModel, quiet
from streamscribe_export.errors import UnsupportedCheckpoint
from streamscribe_export.families import geometry
from streamscribe_export.graph import OPSET, TRACED_FRAMES, fold_weight_norms, save
from streamscribe_export.seq2seq_families import JOINED, Seq2SeqFamily, feature_width

BATCH: Final = 2
SEEN_FRAMES: Final = TRACED_FRAMES + 4
"""Not the traced number: what a model remembers of a length would be traced as it is."""
TRACED_TOKENS: Final = 3
TRACED_PAST: Final = 5
"""Both at least 2, and different from each other."""

CROSS_ATTENTION: Final = ("encoder_attn", "crossattention")
"""What transformers calls a layer's cross-attention."""
_NAME: Final = "streamscribe_decoder"
_NOT_TRACEABLE: Final = (RuntimeError, ValueError, TypeError, AttributeError, AssertionError)
"""What transformers and the exporter raise for decoders that keep their cache in another way."""

Tensor: TypeAlias = Any
Axes: TypeAlias = dict[int, str]


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Of the keys and values that the decoder keeps."""

    layers: int
    heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class _Ports:
    """What goes into a graph and comes out of it, and which of their axes may be of any length."""

    inputs: list[str]
    outputs: list[str]
    axes: dict[str, Axes]


def write_seq2seq_graphs(
    model: TorchModel, family: Seq2SeqFamily, encoder_file: Path, decoder_file: Path
) -> CacheShape:
    """Write both graphs; batch and every length may be any.

    Raises ``UnsupportedCheckpoint`` where that can't be done.
    """
    import torch

    fold_weight_norms(model)
    _unpad_heads(model)
    try:
        with quiet(), torch.no_grad():
            crossing = _crossing(model)
            cross = crossing(_window(model, family, SEEN_FRAMES))
            window = _window(model, family, TRACED_FRAMES)
            _write_encoder(crossing, family, window, len(cross) // 2, encoder_file)
            _write_decoder(_decoding(model), cross, decoder_file)
    except (torch.onnx.errors.OnnxExporterError, *_NOT_TRACEABLE) as error:
        reason = str(error).partition("\n")[0]
        raise UnsupportedCheckpoint(f"the model can't be written as graphs: {reason}") from error
    return CacheShape(len(cross) // 2, cross[0].shape[1], cross[0].shape[3])


def _window(model: TorchModel, family: Seq2SeqFamily, frames: int) -> Tensor:
    """Noise that gives so many frames."""
    import torch

    length = geometry(family, model.config, None).samples(frames)
    shape: tuple[int, ...] = (BATCH, length)
    if family.takes_features:
        shape = (*shape, feature_width(model.config))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _write_encoder(
    crossing: TorchModel, family: Seq2SeqFamily, window: Tensor, layers: int, file: Path
) -> None:
    names = [name for layer in range(layers) for name in _pair("cross_", layer)]
    heard = "frames_in" if family.takes_features else "samples"
    axes = {family.input_name: {0: "batch", 1: heard}}
    axes |= {name: {0: "batch", 2: "frames"} for name in names}
    _export(crossing, (window,), _Ports([family.input_name], names, axes), OPSETS, file)


def _write_decoder(decoding: TorchModel, cross: Sequence[Tensor], file: Path) -> None:
    import torch

    shape = (*cross[0].shape[:2], TRACED_PAST, cross[0].shape[3])
    tokens = torch.arange(BATCH * TRACED_TOKENS).reshape(BATCH, TRACED_TOKENS) + 3
    inputs, names, kept = [tokens], ["tokens"], []
    axes: dict[str, Axes] = {name: {0: "batch", 1: "tokens"} for name in ("tokens", "logits")}
    for layer in range(len(cross) // 2):
        past = [torch.randn(shape) for _ in range(2)]
        inputs += [*past, *cross[2 * layer : 2 * layer + 2]]
        names += [*_pair("past_", layer), *_pair("cross_", layer)]
        kept += _pair("", layer)
        axes |= {name: {0: "batch", 2: "past"} for name in _pair("past_", layer)}
        axes |= {name: {0: "batch", 2: "frames"} for name in _pair("cross_", layer)}
        axes |= {name: {0: "batch", 2: "kept"} for name in _pair("", layer)}
    _export(decoding, tuple(inputs), _Ports(names, ["logits", *kept], axes), {}, file)


def _pair(prefix: str, layer: int) -> list[str]:
    return [f"{prefix}key_{layer}", f"{prefix}value_{layer}"]


def _export(
    module: TorchModel,
    inputs: tuple[Tensor, ...],
    ports: _Ports,
    opsets: dict[str, int],
    file: Path,
) -> None:
    import onnx
    import torch

    with TemporaryDirectory(dir=file.parent) as folder, _axes_counted_from_the_first():
        traced = Path(folder) / file.name
        torch.onnx.export(
            module, inputs, str(traced), dynamo=False, opset_version=OPSET,
            custom_opsets=opsets, autograd_inlining=False,
            input_names=ports.inputs, output_names=ports.outputs, dynamic_axes=ports.axes,
        )  # fmt: skip
        whole = onnx.load(traced)
        _prune(whole.graph)
        save(whole, file)


def _prune(graph: Any) -> None:  # noqa: ANN401
    """Take away what no output needs; the tracer keeps what changes a tensor in place."""
    needed = {output.name for output in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    weights = [weight for weight in graph.initializer if weight.name in needed]
    for field, kept in ((graph.node, nodes[::-1]), (graph.initializer, weights)):
        del field[:]
        field.extend(kept)


def _crossing(model: TorchModel) -> Any:  # noqa: ANN401
    import torch

    class Crossing(torch.nn.Module):
        """The encoder, and of the decoder what it makes of the encoder's frames."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, ...]:
            encoder, cache = self.model.get_encoder(), _cache(())
            with attention_for_graphs(encoder):
                heard = encoder(window)[0]
            if hasattr(self.model, "enc_to_dec_proj"):
                heard = self.model.enc_to_dec_proj(heard)
            tokens = torch.zeros((window.shape[0], 1), dtype=torch.long)
            with _nothing_asked(self.model, window.shape[0]):
                _run_decoder(self.model, heard, tokens, cache)
            return _tensors(cache.cross_attention_cache)

    return Crossing().eval()


@contextmanager
def _nothing_asked(model: TorchModel, batch: int) -> Iterator[None]:
    """While the block runs, cross-attention is asked nothing, instead of what the decoder asks.

    Else the decoder's layers were traced too, because keys are as many as there are questions.
    """
    import torch

    def ask(_: Any, positional: tuple[Tensor, ...], named: dict[str, Tensor]) -> Any:  # noqa: ANN401
        asked = named["hidden_states"] if "hidden_states" in named else positional[0]
        nothing = torch.zeros((batch, 1, int(asked.shape[2])))
        if "hidden_states" in named:
            return positional, named | {"hidden_states": nothing}
        return (nothing, *positional[1:]), named

    hooks = [
        module.register_forward_pre_hook(ask, with_kwargs=True)
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in CROSS_ATTENTION
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _decoding(model: TorchModel) -> Any:  # noqa: ANN401
    import torch

    class Decoding(torch.nn.Module):
        """The decoder, with everything that it keeps among its inputs and outputs.

        Of the encoder's frames it is told the number alone: the cache has the rest.
        """

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: torch.Tensor, *kept: torch.Tensor) -> tuple[torch.Tensor, ...]:
            cache = _cache(kept)
            frames = torch.zeros((tokens.shape[0], kept[2].shape[2], 1))
            logits = _run_decoder(self.model, frames, tokens, cache)
            return logits, *_tensors(cache.self_attention_cache)

    return Decoding().eval()


def _run_decoder(model: TorchModel, heard: Tensor, tokens: Tensor, cache: Any) -> Tensor:  # noqa: ANN401
    """The logits after ``tokens``; what the layers keep goes into ``cache``.

    heard: (batch, frames, width), as wide as the decoder wants; once cached, only frames count.
    """
    from transformers.modeling_outputs import BaseModelOutput

    settings = {"past_key_values": cache, "use_cache": True}
    with attention_named(model.get_decoder(), _NAME, _register):
        if model.config.model_type == JOINED:
            return model.decoder(tokens, encoder_hidden_states=heard, **settings).logits
        whole = BaseModelOutput(last_hidden_state=heard)
        return model(encoder_outputs=whole, decoder_input_ids=tokens, **settings).logits


def _cache(kept: Sequence[Tensor]) -> Any:  # noqa: ANN401
    """The four tensors of each layer, as transformers keeps them."""
    from transformers import EncoderDecoderCache
    from transformers.cache_utils import Cache, DynamicLayer

    class Layer(DynamicLayer):
        """Keys and values of one layer, (batch, heads, length, head_dim) each."""

        def update(
            self, key_states: Tensor, value_states: Tensor, *settings: object
        ) -> tuple[Tensor, Tensor]:
            if self.is_initialized:
                return super().update(key_states, value_states, *settings)
            self.lazy_initialization(key_states)
            self.keys, self.values = key_states, value_states
            return key_states, value_states

    def filled(first: int) -> Cache:
        layers = Cache(layer_class_to_replicate=Layer)
        for at in range(first, len(kept), 4):
            layers.update(kept[at], kept[at + 1], at // 4)
        return layers

    return EncoderDecoderCache(filled(0), filled(2))


def _tensors(cache: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
    return tuple(each for layer in cache.layers for each in (layer.keys, layer.values))


@contextmanager
def _axes_counted_from_the_first() -> Iterator[None]:
    """While the block runs, ``repeat_interleave`` gets no -1, which is exported as another axis."""
    import torch

    usual = torch.Tensor.repeat_interleave

    def counted(tensor: Tensor, repeats: int, dim: int, **settings: Any) -> Tensor:  # noqa: ANN401
        return usual(tensor, repeats, dim % tensor.dim(), **settings)

    torch.Tensor.repeat_interleave = counted
    try:
        yield
    finally:
        torch.Tensor.repeat_interleave = usual


def _unpad_heads(model: TorchModel) -> None:
    """Let no head be widened with zeros, which changes nothing but what it costs."""
    for module in model.modules():
        if hasattr(module, "head_dim_padding"):
            module.head_dim_padding = 0


@cache
def _register() -> None:
    """Make attention and mask known to transformers."""
    import torch
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def attention(
        module: Any,  # noqa: ANN401
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        **_: Any,  # noqa: ANN401
    ) -> tuple[torch.Tensor, None]:
        """(batch, heads, length, head_dim) to (batch, length, heads, head_dim)."""
        scale = query.shape[3] ** -0.5 if scaling is None else scaling
        scores = query * scale @ key.transpose(2, 3)
        if attention_mask is not None:
            scores = scores + attention_mask
        return (scores.softmax(dim=-1) @ value).transpose(1, 2), None

    def mask(cache_position: torch.Tensor, kv_length: int, **_: Any) -> torch.Tensor:  # noqa: ANN401
        """(1, 1, tokens, past and tokens): what is added to the scores."""
        later = torch.arange(kv_length) > cache_position[:, None]
        return (later * torch.finfo(torch.float32).min)[None, None]

    ALL_ATTENTION_FUNCTIONS.register(_NAME, attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, mask)
