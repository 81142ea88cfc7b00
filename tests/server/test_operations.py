from pathlib import Path

import click
import pytest

from streamscribe_server.command import serve

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.mark.parametrize(
    "option",
    [parameter.opts[0] for parameter in serve.params if isinstance(parameter, click.Option)],
)
def test_every_option_of_serve_is_documented(option: str) -> None:
    assert f"| `{option}` |" in OPERATIONS.read_text()
