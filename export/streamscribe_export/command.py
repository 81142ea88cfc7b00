"""``streamscribe export``: turn a checkpoint into a bundle that is served without PyTorch."""

import importlib.util
from pathlib import Path
from typing import Final

import click

NEEDED: Final = ("torch", "transformers", "onnx")
NEEDED_FOR_CTRANSLATE2: Final = ("onnx",)


@click.command()
@click.argument("checkpoint")
@click.option(
    "-o",
    "--output",
    metavar="BUNDLE",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; it must not be there yet.",
)
@click.option(
    "--quantize",
    type=click.Choice(["none", "int8", "fp16"]),
    default="none",
    show_default=True,
    help="int8: about a third of the size, and faster on most processors. fp16: for graphics"
    " processors.",
)
@click.option(
    "--task",
    type=click.Choice(["transcribe", "translate"]),
    default="transcribe",
    show_default=True,
    help="What the model writes: the words that were spoken, or a translation of them.",
)
@click.option(
    "--verify",
    metavar="AUDIO",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with PyTorch on this recording too.",
)
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
@click.option("--name", help="Name of the bundle; default: the folder's.")
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="CODE",
    help="Language that the model writes, as an ISO 639 code; default: what its card says. May be"
    " given more than once.",
)
def export(  # noqa: PLR0913 - one parameter per option
    checkpoint: str,
    output: Path,
    quantize: str,
    task: str,
    verify: Path | None,
    force: bool,
    name: str | None,
    languages: tuple[str, ...],
) -> None:
    """Turn CHECKPOINT, a folder or a hub id, into the bundle BUNDLE.

    The checkpoint is a Hugging Face model with a CTC head or with a decoder, or a Whisper model of
    CTranslate2. The graphs are compared with PyTorch on the same audio, and a bundle that says
    something else is not written.
    """
    _check_installed(NEEDED_FOR_CTRANSLATE2 if _is_ctranslate2(checkpoint) else NEEDED)
    from rich.console import Console

    from streamscribe.options import Task
    from streamscribe_export.exporting import Request, export_checkpoint
    from streamscribe_export.report import print_report, shown_stage

    console = Console(stderr=True)
    request = Request(
        checkpoint, output, quantize, Task(task), verify, force=force, name=name,
        languages=languages,
    )  # fmt: skip
    report = export_checkpoint(request, lambda text: shown_stage(console, text))
    print_report(Console(), report)
    click.echo(f"written to {output}")


def _is_ctranslate2(checkpoint: str) -> bool:
    return (Path(checkpoint).expanduser() / "model.bin").is_file()


def _check_installed(needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        from streamscribe_export.errors import ExportExtraMissing

        raise ExportExtraMissing(missing=" and ".join(missing))
