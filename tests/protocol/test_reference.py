"""docs/protocol.md says everything that the code does."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from fakes_wire_server import say_how_much_came, scripted_server
from streamscribe_protocol.close_codes import CloseCode
from streamscribe_protocol.messages import (
    CLIENT_TYPES,
    SERVER_TYPES,
    AudioFormat,
    EffectiveOptions,
    Endpointing,
    Resume,
    Word,
    decode_client_message,
    decode_server_message,
)

REFERENCE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
PARTS: dict[str, type[Any]] = {
    "audio": AudioFormat,
    "endpointing": Endpointing,
    "resume": Resume,
    "options": EffectiveOptions,
    "words": Word,
}
DOCUMENTED = CLIENT_TYPES | SERVER_TYPES | PARTS


def section(name: str) -> str:
    """The text below the heading of a message or of a part of one, up to the next heading."""
    found = re.search(rf"^#{{3,4}} `{name}`\n(.*?)(?=^#|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/protocol.md has no section `{name}`"
    return found[1]


def documented_fields(name: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section(name), re.MULTILINE)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_field_of_every_message_stands_in_the_reference_in_order(name: str) -> None:
    assert documented_fields(name) == [field.name for field in fields(DOCUMENTED[name])]


def test_the_reference_knows_no_message_that_the_code_does_not() -> None:
    headings = set(re.findall(r"^#{3,4} `(\w+)`$", REFERENCE, re.MULTILINE))
    assert headings == set(DOCUMENTED)


def test_every_close_code_stands_in_the_reference() -> None:
    rows = re.findall(r"^\| (\d{4}) \| `(\w+)` \|", REFERENCE, re.MULTILINE)
    assert {(int(number), name) for number, name in rows} == {
        (code.value, code.name) for code in CloseCode
    }


def test_every_message_of_the_example_dialogue_is_valid() -> None:
    lines = re.findall(r"^([CS]) (\{.*\})$", REFERENCE, re.MULTILINE)
    decode = {"C": decode_client_message, "S": decode_server_message}
    messages = [decode[side](text) for side, text in lines]
    assert len(messages) == 25
    assert None not in messages


def test_the_example_client_works() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", REFERENCE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    with scripted_server(say_how_much_came) as address:
        finals = names["transcribe"](bytes(50_000), url=f"ws://{address}/v1/stream")
    assert finals == ["50000 bytes"]
