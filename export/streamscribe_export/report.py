"""What an export shows while it works, and the table at its end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from streamscribe_export.exporting import Report
from streamscribe_export.stages import Row

MB = 1e6


@contextmanager
def shown_stage(console: Console, text: str) -> Iterator[None]:
    """A stage, with a spinner where there is a terminal, and its seconds when it is done."""
    began = time.perf_counter()
    with console.status(text):
        yield
    console.print(f"{text}: {time.perf_counter() - began:.1f} s", highlight=False)


def print_report(console: Console, report: Report) -> None:
    """The closing table, and warnings about what one would not expect."""
    table = Table(title=f"{report.name}: {report.precision}", title_justify="left")
    for column in ("what", "found", "allowed"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in (*_sizes(report), *report.parity.rows(report.quantize), *_speeds(report)):
        table.add_row(*row)
    console.print(table)
    for warning in warnings(report):
        console.print(f"warning: {warning}", style="bold yellow", highlight=False)


def warnings(report: Report) -> list[str]:
    """What the user should know before using the bundle."""
    said = []
    slower = [speed for speed in report.speeds if _ratio(speed.median_s, "float32") < 1]
    if report.quantize == "int8" and slower:
        said.append(
            "int8 is SLOWER than float32 on this machine:"
            f" {_ratio(slower[-1].median_s, 'float32'):.2f} times its speed; use --quantize none"
        )
    if report.quantize == "fp16":
        said.append("fp16 is for graphics processors; on this processor float32 is faster")
    said += report.notes
    if not report.parity.real_speech:
        said.append("compared on artificial sound only; name a recording with --verify")
    return said


def _sizes(report: Report) -> list[Row]:
    return [
        ("checkpoint", f"{report.checkpoint_bytes / MB:.1f} MB", ""),
        ("encoder", f"{report.encoder_bytes / MB:.1f} MB", ""),
        *([("decoder", f"{report.decoder_bytes / MB:.1f} MB", "")] if report.decoder_bytes else []),
    ]


def _speeds(report: Report) -> list[Row]:
    rows = []
    for speed in report.speeds:
        for runtime, median_s in speed.median_s.items():
            shown = f"{1000 * median_s:.0f} ms, RTF {speed.rtf(runtime):.3f}"
            if runtime != "torch" and "torch" in speed.median_s:
                shown += f", {_ratio(speed.median_s, 'torch', runtime):.2f} x torch"
            rows.append((f"{speed.window_s:g} s of audio, {runtime}", shown, ""))
    rows.append(("threads", str(report.threads), ""))
    if report.peak_memory_bytes:
        rows.append(("peak memory of the export", f"{report.peak_memory_bytes / MB:.0f} MB", ""))
    return rows


def _ratio(medians: "dict[str, float] | object", base: str, runtime: str = "bundle") -> float:
    """How many times faster ``runtime`` is than ``base``; infinite where there is no base."""
    assert isinstance(medians, dict)
    return float(medians[base] / medians[runtime]) if base in medians else float("inf")
