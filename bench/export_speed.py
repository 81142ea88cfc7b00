"""Exports: how long they take, what they need, and how much faster their graphs are than PyTorch.

Checkpoints have random weights and the sizes of published ones: a matrix product takes as long
whatever its numbers are. What random weights can't tell is accuracy; see the parity of a real
export for that.

How much of the machine a runtime uses says how much faster another could be: the operations of a
window are counted, and a plain product of large float32 matrices shows what the cores can do.
"""

import json
import multiprocessing
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import click

from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from streamscribe.timeline import SAMPLE_RATE

MB: Final = 1e6
GIGA: Final = 1e9
SIDE: Final = 2_048
"""Rows and columns of the matrices that show what the machine can do."""
LETTERS: Final = "|ETAONIHSRDLUMWCFGYPBVK'XJQZ"
SEW_TINY: Final = {
    "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2_048,
    "num_hidden_layers": 12, "squeeze_factor": 2,
}  # fmt: skip
"""Of the SEW paper's table of models (Wu et al., 2021): 41 M parameters."""
WAV2VEC2_SAME: Final = {
    "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2_048,
    "num_hidden_layers": 12, "conv_dim": (256,) * 7,
}  # fmt: skip
"""A wav2vec2 of the same width and depth, and nearly as many parameters."""
MODELS: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "wav2vec2_base": ("Wav2Vec2", {}, "none"),
    "wav2vec2_base_int8": ("Wav2Vec2", {}, "int8"),
    "sew_tiny": ("SEW", SEW_TINY, "none"),
    "wav2vec2_sized_as_sew_tiny": ("Wav2Vec2", WAV2VEC2_SAME, "none"),
}


@bench_command("export_speed", needs_speech=False)
@click.option("--only", type=click.Choice(list(MODELS)), help="Only this one.")
def main(request: Request, only: str | None) -> Outcome:
    """Export time and memory, and the speed of graphs against PyTorch in the same run."""
    # A process each, so that one's peak of memory is not another's.
    fresh = multiprocessing.get_context("spawn")
    figures: dict[str, Any] = {}
    for name in MODELS if only is None else (only,):
        with fresh.Pool(1) as pool:
            figures[name] = pool.apply(_export, (name,))
        with fresh.Pool(1) as pool:
            figures["product_gflops"] = pool.apply(_product_gflops, (figures[name]["threads"],))
    if "sew_tiny" in figures and "wav2vec2_sized_as_sew_tiny" in figures:
        figures["sew_gain"] = _gain(figures)
    return Outcome(figures, (_grid(figures),))


def _export(name: str) -> dict[str, Any]:
    from streamscribe_export.exporting import Request as ExportRequest
    from streamscribe_export.exporting import export_checkpoint

    prefix, settings, quantize = MODELS[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "checkpoint"
        parameters = _save(prefix, settings, folder)
        asked = ExportRequest(str(folder), Path(scratch) / "bundle", quantize, name="bench")
        stages: dict[str, float] = {}
        began = time.perf_counter()
        report = export_checkpoint(asked, lambda text: nullcontext())
        stages["export_s"] = time.perf_counter() - began
    speeds = {}
    for speed in report.speeds:
        medians = dict(speed.median_s)
        gflop = _gflop(prefix, settings, speed.window_s)
        speeds[f"window_{speed.window_s:g}s"] = {
            "median_s": medians,
            "times_torch": {name: medians["torch"] / median for name, median in medians.items()},
            "gflop": gflop,
            "gflops": {name: gflop / median for name, median in medians.items()},
        }
    return {
        "parameters": parameters,
        "export_s": stages["export_s"],
        "peak_memory_mb": report.peak_memory_bytes / MB,
        "checkpoint_mb": report.checkpoint_bytes / MB,
        "encoder_mb": report.encoder_bytes / MB,
        "threads": report.threads,
        "parity": report.parity.as_json(),
        "speed": speeds,
    }


def _gflop(prefix: str, settings: dict[str, Any], window_s: float) -> float:
    """Operations of products and convolutions that one window takes, in thousands of millions."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from streamscribe_export.graph import fold_weight_norms

    model = _model(prefix, settings).eval()
    fold_weight_norms(model)  # they confuse the counter
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, round(window_s * SAMPLE_RATE)))
    return float(counter.get_total_flops() / GIGA)


def _product_gflops(threads: int) -> float:
    """What a product of large float32 matrices reaches on this machine; the best of some."""
    import torch

    torch.set_num_threads(threads)
    left, right = torch.rand(2, SIDE, SIDE)
    taken_s = []
    for _ in range(10):
        began = time.perf_counter()
        left @ right
        taken_s.append(time.perf_counter() - began)
    return float(2 * SIDE**3 / min(taken_s) / GIGA)


def _save(prefix: str, settings: dict[str, Any], folder: Path) -> int:
    """Write a checkpoint with random weights; returns how many parameters it has."""
    import torch
    import transformers

    torch.manual_seed(0)
    model = _model(prefix, settings)
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    tokens = ["<pad>", "<s>", "</s>", "<unk>", *LETTERS]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    return sum(weight.numel() for weight in model.parameters())


def _model(prefix: str, settings: dict[str, Any]) -> Any:  # noqa: ANN401
    import transformers

    config = getattr(transformers, f"{prefix}Config")(vocab_size=32, pad_token_id=0, **settings)
    return getattr(transformers, f"{prefix}ForCTC")(config)


def _gain(figures: Figures) -> dict[str, float]:
    """Seconds of the wav2vec2 for a second of the SEW, by runtime, 10 s of audio."""
    sew, other = (
        figures[name]["speed"]["window_10s"]["median_s"]  # type: ignore[index]
        for name in ("sew_tiny", "wav2vec2_sized_as_sew_tiny")
    )
    return {runtime: other[runtime] / sew[runtime] for runtime in ("torch", "bundle")}


def _grid(figures: Figures) -> Grid:
    rows = []
    for name, found in figures.items():
        if not isinstance(found, dict) or "speed" not in found:
            continue
        gains = [speed["times_torch"]["bundle"] for speed in found["speed"].values()]
        rows.append(
            (
                name, f"{found['parameters'] / MB:.1f}", f"{found['encoder_mb']:.0f}",
                f"{found['export_s']:.0f}", f"{found['peak_memory_mb']:.0f}",
                " / ".join(f"{gain:.2f}" for gain in gains),
            )
        )  # fmt: skip
    columns = ("model", "M parameters", "MB", "export s", "peak MB", "x torch, 5 s / 10 s")
    return Grid("Exports", columns, rows)


if __name__ == "__main__":
    main()
