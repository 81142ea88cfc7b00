"""What a model card's front matter says of licence and languages."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

UNDETERMINED = "und"
"""ISO 639-2: the language is not known."""


@dataclass(frozen=True, slots=True)
class Card:
    """The part of a model card that a bundle states."""

    licence: str = "unknown"
    languages: tuple[str, ...] = (UNDETERMINED,)


def read_card(folder: Path) -> Card:
    """The card in ``README.md``; what it does not say in a way that can be read is unknown."""
    path = folder / "README.md"
    if not path.is_file():
        return Card()
    parts = path.read_text(encoding="utf-8", errors="replace").split("---\n", 2)
    if len(parts) < 3 or parts[0].strip("\ufeff \n"):
        return Card()
    yaml = import_module("yaml")
    try:
        fields = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return Card()
    if not isinstance(fields, dict):
        return Card()
    licence = _texts(fields.get("license"))
    if licence == ("other",):
        licence = _texts(fields.get("license_name")) or licence
    languages = _texts(fields.get("language")) or _texts(fields.get("languages"))
    return Card(", ".join(licence) or "unknown", languages or (UNDETERMINED,))


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    # YAML reads the language code of Norwegian as False.
    said = ["no" if item is False else item for item in items]
    return tuple(item.strip() for item in said if isinstance(item, str) and item.strip())
