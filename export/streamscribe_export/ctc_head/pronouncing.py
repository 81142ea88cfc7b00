"""How texts are pronounced: the phones that the head learns to hear halfway.

espeak-ng says them; it comes with the package ``espeakng_loader``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

import click

AMERICAN: Final = "en-us"
BRITISH: Final = "en-gb"

_SEPARATED: Final = "|"


@dataclass(frozen=True, slots=True)
class Phones:
    """A spelling: texts as phones, without stress and without the ends of words."""

    size: int
    """How many tokens there are; token 0 is the blank."""
    tokens: Mapping[str, list[int]]
    """Of every text that can be asked for."""

    def ids(self, text: str) -> list[int]:
        """Tokens of a text. Raises ``KeyError`` for one that was not pronounced."""
        return self.tokens[text]


def pronounce(texts: Iterable[str]) -> Phones:
    """The phones of ``texts`` as an American says them.

    Raises ``click.ClickException`` if espeak-ng is not installed.
    """
    speaker = espeak(AMERICAN, with_stress=False)
    separator = import_module("phonemizer.separator").Separator(phone=_SEPARATED, word=" ")
    unique = list(dict.fromkeys(texts))
    lines = speaker.phonemize(unique, separator=separator, strip=True)
    said = [[phone for phone in re.split(r"[ |]", line) if phone] for line in lines]
    known = sorted({phone for phones in said for phone in phones})
    number = {phone: token for token, phone in enumerate(known, 1)}
    return Phones(
        size=len(known) + 1,
        tokens={
            text: [number[phone] for phone in phones]
            for text, phones in zip(unique, said, strict=True)
        },
    )


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
