"""How texts are pronounced: the phones that the head learns to hear halfway.

espeak-ng says them; it comes with the package ``espeakng_loader``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import chain
from typing import Any, Final

import click

AMERICAN: Final = "en-us"
BRITISH: Final = "en-gb"

_SEPARATED: Final = "|"
_BLANK: Final = ""


@dataclass(frozen=True, slots=True)
class Phones:
    """A spelling: texts as phones, without stress and without the ends of words."""

    symbols: tuple[str, ...]
    """By token; token 0 is the blank."""
    said: Mapping[str, Sequence[str]]
    """The phones of every text that can be asked for."""

    def ids(self, text: str) -> list[int]:
        """Tokens of a text. Raises ``KeyError`` for one that was not pronounced."""
        number = {symbol: token for token, symbol in enumerate(self.symbols)}
        return [number[phone] for phone in self.said[text]]


def pronounce(texts: Iterable[str]) -> Phones:
    """The phones of ``texts`` as an American says them.

    Raises ``click.ClickException`` if espeak-ng is not installed.
    """
    from phonemizer.separator import Separator

    unique = list(dict.fromkeys(texts))
    separator = Separator(phone=_SEPARATED, word=" ", syllable="")
    lines = espeak(AMERICAN, with_stress=False).phonemize(unique, separator=separator, strip=True)
    said = {
        text: [phone for word in line.split() for phone in word.split(_SEPARATED) if phone]
        for text, line in zip(unique, lines, strict=True)
    }
    return Phones((_BLANK, *sorted(set(chain.from_iterable(said.values())))), said)


@cache
def espeak(language: str, *, with_stress: bool, tie: str | bool = False) -> Any:  # noqa: ANN401
    """espeak-ng for ``language``; tie: what joins the letters of one phone.

    Raises ``click.ClickException`` that says what to install.
    """
    try:
        loader: Any = import_module("espeakng_loader")
        wrapper: Any = import_module("phonemizer.backend.espeak.wrapper").EspeakWrapper
    except ImportError as error:
        raise click.ClickException(
            f"a package that pronounces texts is not installed ({error});"
            " try: pip install phonemizer espeakng_loader"
        ) from error
    wrapper.set_library(loader.get_library_path())
    wrapper.set_data_path(loader.get_data_path())
    return import_module("phonemizer.backend").EspeakBackend(
        language, preserve_punctuation=True, with_stress=with_stress, tie=tie
    )
