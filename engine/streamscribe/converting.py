"""Making the bundle of a model with a recipe: once, out of files that this machine has or is given.

The engine itself knows no converter. It finds the one that the recipe names among the entry points
of what is installed. A bundle is made in a folder of its own and gets its place when it is whole
and verified; of two processes that make the same one, the second finds the place taken.
"""

import atexit
import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

from streamscribe.bundle import Bundle, load_bundle
from streamscribe.errors import BrokenModel, BundleError, ConverterMissing, NoRoom
from streamscribe.recipes import Recipe, assemble_installed, lies_installed
from streamscribe.store import (
    DEFAULT_MODEL,
    UNFINISHED,
    default_models_dir,
    defect,
    find_bundle,
    find_recipe,
    keep,
)

CONVERTERS = "streamscribe.converters"
"""Group of entry points: each takes the source files' folder, the bundle's folder that it is to
write, what the bundle is to state of itself, and how to quantise it."""
ROOM = 4
"""Room that a conversion may need, in sizes of the source files."""

Converter: TypeAlias = Callable[[Path, Path, dict[str, str], str], None]

logger = logging.getLogger(__name__)
_unkept: dict[tuple[Path, str, str], Path] = {}
"""Folders of models that could not be kept, as long as this process lives."""


def ready_bundle(model: str = DEFAULT_MODEL, models_dir: Path | None = None) -> Bundle:
    """What ``find_bundle`` finds; a model with a recipe is made first, if its files are installed.

    That takes seconds, once, and is said as a warning. Where the bundle can't be kept in
    ``models_dir``, it is made in a temporary folder, which goes when this process ends.
    Raises what ``find_bundle`` raises, and what a converter raises.
    """
    where = models_dir if models_dir is not None else default_models_dir()
    recipe = find_recipe(model)
    if recipe is None or not lies_installed(recipe):
        return find_bundle(model, where)
    where = _unkept.get((where, recipe.name, recipe.key), where)
    try:
        found = find_bundle(model, where)
    except BundleError:
        return _make_installed(recipe, where)
    return found if defect(found) is None else _make_installed(recipe, where)


def make_bundle(recipe: Recipe, models_dir: Path, fill: Callable[[Path], None]) -> None:
    """Make the bundle of ``recipe`` in ``models_dir``.

    fill: puts the source files into the folder that it is given.
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
        fill(source)
        logger.warning("converting %s, which takes some seconds, once", recipe.name)
        convert(source, made, recipe.about, recipe.quantize)
        left = defect(load_bundle(made))
        if left is not None:
            raise BrokenModel(f"{recipe.name} was converted, and still: {left}") from left
        keep(made, recipe, models_dir)


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


def _make_installed(recipe: Recipe, models_dir: Path) -> Bundle:
    """Make a bundle of installed files, for good or for this process."""
    try:
        _check_writable(models_dir)
    except OSError as error:
        folder = Path(tempfile.mkdtemp(prefix="streamscribe-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        logger.warning(
            "%s can't be kept in %s (%s), so every process makes it anew",
            recipe.name, models_dir, error.strerror,
        )  # fmt: skip
        _unkept[models_dir, recipe.name, recipe.key] = folder
        models_dir = folder
    make_bundle(recipe, models_dir, lambda source: assemble_installed(recipe, source))
    return find_bundle(recipe.name, models_dir)


def _check_writable(folder: Path) -> None:
    """Raise ``OSError`` unless files can be written into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextmanager
def _room_for(recipe: Recipe, models_dir: Path) -> Iterator[None]:
    """Say a lack of room before anything is fetched, or when it is noticed only later."""
    needed = ROOM * recipe.source_size
    free = shutil.disk_usage(models_dir).free
    if free < needed:
        raise NoRoom(name=recipe.name, folder=models_dir, free=free, needed=needed)
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(models_dir).free
            raise NoRoom(name=recipe.name, folder=models_dir, free=free, needed=needed) from error
        raise
