"""From Whisper's weights to the files of a bundle. Needs neither PyTorch nor a model hub."""

import json
import platform
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from streamscribe.features import MelFrontEnd
from streamscribe_export.drawing import Drawing
from streamscribe_export.errors import CheckpointError, DamagedCheckpoint
from streamscribe_export.front_end import SAMPLE_RATE, whisper_mel
from streamscribe_export.graph import save, weights_beside
from streamscribe_export.manifest import write_manifest, write_tokens
from streamscribe_export.quantize import quantize_int8, weight_range, write_fp16
from streamscribe_export.stages import DECODER, ENCODER
from streamscribe_export.staging import staged
from streamscribe_export.whisper import ctranslate2
from streamscribe_export.whisper.facts import Told, WhisperFacts, front_end_lengths, read_facts
from streamscribe_export.whisper.graphs import draw_decoder, draw_encoder
from streamscribe_export.whisper.weights import Weights

BLOCKS: Final = (128, 64, 32)
"""Weights that share a scale: the more, the faster; a width must be a whole number of them."""


def convert_ctranslate2(source: Path, output: Path, about: dict[str, Any], quantize: str) -> None:
    """Write the CTranslate2 model in folder ``source`` as the bundle ``output``.

    about: ``name``, ``title``, ``licence`` and ``source`` of the bundle.
    quantize: ``none``, ``int8`` or ``fp16``.
    Raises ``ExportError``; then nothing of the bundle is left.
    """
    config = ctranslate2.read_config(source)
    weights = ctranslate2.read_weights(source / ctranslate2.BINARY)
    facts = read_facts(read_told(config, source / "tokenizer.json"), weights)
    size = (source / ctranslate2.BINARY).stat().st_size
    with staged(output, force=True, weight_bytes=size) as folder:
        precision = write_graphs(weights, facts, folder, quantize)
        write_bundle(weights, facts, folder, about, {"quantize": quantize, "precision": precision})


def write_graphs(weights: Weights, facts: WhisperFacts, folder: Path, quantize: str) -> str:
    """Write both graphs; returns what the quantisation did."""
    encoder, decoder = folder / ENCODER, folder / DECODER
    if quantize == "int8":
        block = next(size for size in BLOCKS if weights.width % size == 0)
        graph = draw_encoder(weights, facts.heads)
        chosen = weight_range(machine=platform.machine())
        count = quantize_int8(graph, chosen, head=False)
        save(graph, encoder)
        save(draw_decoder(weights, facts.heads, Drawing(block)), decoder)
        return (
            f"encoder: {count} matrix products in int8, weights of {chosen.bits} bits:"
            f" {chosen.reason}; decoder: all in int8, in blocks of {block}"
        )
    save(draw_encoder(weights, facts.heads), encoder)
    save(draw_decoder(weights, facts.heads), decoder)
    if quantize == "none":
        return "float32"
    with TemporaryDirectory(dir=folder) as apart:
        for file in (encoder, decoder):
            plain = file.rename(Path(apart) / file.name)
            if weights_beside(file).exists():
                weights_beside(file).rename(weights_beside(plain))
            write_fp16(file, plain)
    return "float16 inside, float32 outside"


def write_bundle(
    weights: Weights,
    facts: WhisperFacts,
    folder: Path,
    about: dict[str, Any],
    measured: dict[str, Any],
) -> None:
    """Write the tokens and the manifest of the graphs in ``folder``."""
    mel = whisper_mel({"feature_size": weights.mels})
    fields = {
        **{name: about[name] for name in ("name", "title", "licence", "source")},
        "task": "transcribe",
        "sample_rate": SAMPLE_RATE,
        **bundle_fields(weights, facts, mel),
    }
    write_tokens(facts.pieces, folder)
    write_manifest(fields, folder, measured)


def bundle_fields(weights: Weights, facts: WhisperFacts, mel: MelFrontEnd) -> dict[str, Any]:
    """The fields of ``bundle.json`` that weights and facts give."""
    return {
        "family": "seq2seq",
        "architecture": "whisper",
        "languages": list(facts.languages),
        "front_end": {"features": "log-mel", "mel": asdict(mel), **front_end_lengths(weights)},
        "tokens": facts.tokens,
        "prompt": facts.prompt,
        "decoder": {
            "layers": weights.layers("decoder"),
            "heads": weights.heads,
            "head_dim": weights.width // weights.heads,
            "positions": weights.positions,
            "alignment_heads": len(facts.heads),
        },
    }


def read_told(config: dict[str, Any], tokenizer: Path) -> Told:
    """What a folder of CTranslate2 says beside its weights."""
    try:
        return Told(
            names=_token_names(tokenizer),
            suppressed=config["suppress_ids"],
            suppressed_first=config["suppress_ids_begin"],
            alignment_heads=config.get("alignment_heads", ()),
        )
    except KeyError as error:
        raise CheckpointError(
            f"{tokenizer.parent / 'config.json'} has no field {error}; allowed: the one that"
            " CTranslate2's converter writes"
        ) from error


def _token_names(path: Path) -> dict[int, str]:
    """Every token of a ``tokenizer.json``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {int(token): str(name) for name, token in content["model"]["vocab"].items()}
        added = {int(one["id"]): str(one["content"]) for one in content["added_tokens"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpoint(f"{path} can't be read as a tokenizer: {error!r}") from error
    return names | added
