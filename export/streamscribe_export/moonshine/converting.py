"""From the vendor's files to a bundle. Needs neither PyTorch nor a model hub."""

import platform
from pathlib import Path
from typing import Any, Final

from streamscribe.tokens import ByteTokenTable
from streamscribe_export.drawing import Drawing
from streamscribe_export.errors import CheckpointError
from streamscribe_export.front_end import SAMPLE_RATE
from streamscribe_export.graph import save
from streamscribe_export.manifest import write_manifest, write_tokens
from streamscribe_export.moonshine.front import KERNELS, STRIDES, draw_front
from streamscribe_export.moonshine.graphs import POSITIONS, draw_decoder, draw_encoder
from streamscribe_export.moonshine.loudness import hear, say
from streamscribe_export.moonshine.vendor import DECODER as VENDOR_DECODER
from streamscribe_export.moonshine.vendor import ENCODER as VENDOR_ENCODER
from streamscribe_export.moonshine.vendor import read_weights
from streamscribe_export.moonshine.weights import Weights
from streamscribe_export.pieces import Piece
from streamscribe_export.quantize import quantize_int8, weight_range
from streamscribe_export.stages import DECODER, ENCODER, FRONT
from streamscribe_export.staging import staged

TOKENIZER: Final = "tokenizer.bin"
BEGIN: Final = 1
END: Final = 2
"""Of a sequence."""
BLOCK: Final = 32
"""Weights of the decoder that share a scale, and numbers of a row that do."""
MAX_PER_S: Final = 6.5
"""More tokens than this per second are not speech."""


def convert_moonshine(source: Path, output: Path, about: dict[str, Any], quantize: str) -> None:
    """Write the vendor's files in folder ``source`` as the bundle ``output``.

    about: ``name``, ``title``, ``licence`` and ``source`` of the bundle.
    quantize: ``none`` or ``int8``.
    Raises ``ExportError``; then nothing of the bundle is left.
    """
    if quantize not in ("none", "int8"):
        raise CheckpointError(f"Moonshine can't be quantised to {quantize}; allowed: none, int8")
    weights = read_weights(source)
    pieces = _pieces(source / TOKENIZER, weights.vocabulary_size)
    size = sum((source / name).stat().st_size for name in (VENDOR_ENCODER, VENDOR_DECODER))
    with staged(output, force=True, weight_bytes=size) as folder:
        precision = write_graphs(weights, folder, quantize)
        write_tokens(pieces, folder)
        fields = {
            **{name: about[name] for name in ("name", "title", "licence", "source")},
            **bundle_fields(weights),
        }
        write_manifest(fields, folder, {"quantize": quantize, "precision": precision})


def write_graphs(weights: Weights, folder: Path, quantize: str) -> str:
    """Write the three graphs; returns what the quantisation did."""
    front, encoder = draw_front(weights), draw_encoder(weights)
    precision = "float32"
    if quantize == "int8":
        # The last product is for many rows at once too dear in blocks.
        decoder = draw_decoder(weights, Drawing(BLOCK, stepped=True), tied=False)
        chosen = weight_range(machine=platform.machine())
        known, heard = hear(front, encoder)
        count = quantize_int8(encoder, chosen, head=False, known=known)
        known = say(decoder, heard, weights.vocabulary_size)
        count += quantize_int8(decoder, chosen, head=False, known=known)
        precision = (
            f"{count} matrix products in int8, weights of {chosen.bits} bits: {chosen.reason};"
            f" all others of the decoder in 8 bits, in blocks of {BLOCK};"
            " the convolutions in float32"
        )
    else:
        decoder = draw_decoder(weights)
    for graph, name in ((front, FRONT), (encoder, ENCODER), (decoder, DECODER)):
        save(graph, folder / name)
    return precision


def bundle_fields(weights: Weights) -> dict[str, Any]:
    """The fields of ``bundle.json`` that do not depend on who asks."""
    field_len, stride_len = 1, 1
    for kernel, stride in zip(KERNELS, STRIDES, strict=True):
        field_len += (kernel - 1) * stride_len
        stride_len *= stride
    return {
        "family": "seq2seq",
        "architecture": "moonshine",
        "task": "transcribe",
        "languages": ["en"],
        "sample_rate": SAMPLE_RATE,
        "front_end": {
            "features": "waveform",
            "receptive_field_len": field_len,
            "stride_len": stride_len,
            "normalize": False,
        },
        "tokens": {
            "format": "pieces",
            "vocabulary_size": weights.vocabulary_size,
            "eos": END,
            "max_per_s": MAX_PER_S,
            "suppressed": [],
            "suppressed_first": [],
        },
        "prompt": {"start": [BEGIN], "languages": {}, "tasks": {}, "end": []},
        "decoder": {
            "layers": weights.layers("decoder"),
            "heads": weights.heads,
            "head_dim": weights.head_dim,
            "positions": POSITIONS,
            "alignment_heads": 0,
        },
    }


def _pieces(file: Path, size: int) -> list[Piece]:
    """What each token adds to the text; a token without a name adds nothing."""
    table = ByteTokenTable.read(file)
    if len(table) > size:
        raise CheckpointError(f"{file} has {len(table)} tokens; the graphs know {size}")
    return [_piece(table.token_bytes(token)) for token in range(len(table))] + [""] * (
        size - len(table)
    )


def _piece(content: bytes) -> Piece:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return list(content)
