"""``streamscribe finetune``: make a head for a frozen encoder from speech of your own."""

from importlib.util import find_spec
from pathlib import Path

import click

from streamscribe.errors import BundleError
from streamscribe.machine import usable_cores
from streamscribe.model_files import Role
from streamscribe.store import find_bundle
from streamscribe_export.errors import ExportExtraMissing

ENCODER_OF = "moonshine-tiny-en-ctc"
"""The bundle whose encoder a head is trained on: the default model's, as the vendor ships it."""
NEEDED = ("torch", "onnx")


@click.command()
@click.option(
    "--head",
    type=click.Choice(["ctc"]),
    default="ctc",
    show_default=True,
    help="Which head: ctc spells from the encoder's frames alone.",
)
@click.option(
    "--corpus",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Recordings with a manifest.jsonl; clips without text are labelled by a larger model.",
)
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Plain text for the synthetic voices to read; may be given several times.",
)
@click.option(
    "--noise",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Recordings of noise to mix in [default: synthetic noise alone].",
)
@click.option(
    "--kokoro",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Speakers of the voice Kokoro, package/voices in npm's kokoro-js [default: without it].",
)
@click.option(
    "--synthetic-hours",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Hours of synthetic speech to add.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=None,
    help="How often everything is heard [default: as the shipped head].",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="The bundle is written here; intermediate results lie in its folder `work`.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=usable_cores,
    show_default="all cores",
    help="Processor cores to use.",
)
def finetune(  # noqa: PLR0913 - one parameter per option
    head: str,
    corpus: Path,
    texts: tuple[Path, ...],
    noise: Path | None,
    kokoro: Path | None,
    synthetic_hours: float,
    epochs: int | None,
    output: Path,
    threads: int,
) -> None:
    """Train a head on the frozen encoder of the default model, and write it as a bundle.

    An interrupted run goes on where it was when it is started again with the same options.
    """
    assert head == "ctc"
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(str(ExportExtraMissing(missing=" and ".join(missing))))
    if synthetic_hours and not texts:
        raise click.ClickException("--synthetic-hours needs --texts: what should be read?")
    # Imported here, because the options must be shown without a second of loading.
    from streamscribe_export.ctc_head.making import Order, make

    try:
        bundle = find_bundle(ENCODER_OF)
        order = Order(
            corpus=corpus,
            texts=texts,
            noise=noise,
            kokoro=kokoro,
            synthetic_hours=synthetic_hours,
            epochs=epochs,
            output=output,
            threads=threads,
            encoder=bundle.file(Role.ENCODER),
            encoder_bundle=bundle.folder,
        )
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    make(order)
