"""Texts are pronounced, or what is missing is named."""

from collections.abc import Iterator
from typing import Any

import click
import pytest

from streamscribe_export.ctc_head import pronouncing
from streamscribe_export.ctc_head.pronouncing import AMERICAN, espeak, pronounce


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    espeak.cache_clear()
    yield
    espeak.cache_clear()


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:  # noqa: ANN401
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(pronouncing, "import_module", missing)
    with pytest.raises(click.ClickException, match="pip install phonemizer espeakng_loader"):
        espeak(AMERICAN, with_stress=False)
    with pytest.raises(click.ClickException, match="pip install phonemizer espeakng_loader"):
        pronounce(["the sea"])


def test_words_that_sound_alike_have_the_same_phones() -> None:
    pytest.importorskip("phonemizer")
    pytest.importorskip("espeakng_loader")
    phones = pronounce(["the sea", "the see", "the sky"])
    assert phones.ids("the sea") == phones.ids("the see") != phones.ids("the sky")
    assert all(0 < token < phones.size for token in phones.ids("the sky"))
    with pytest.raises(KeyError):
        phones.ids("the shore")
