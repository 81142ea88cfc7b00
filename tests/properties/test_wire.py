"""Any message survives the wire; any text gives a message or a RemoteProtocolError."""

import json
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from streamscribe_protocol.errors import RemoteProtocolError
from streamscribe_protocol.messages import (
    CLIENT_TYPES,
    SERVER_TYPES,
    ClientMessage,
    ServerMessage,
    decode_client_message,
    decode_server_message,
    encode,
)

LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**53) + 1, 2**53 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    str: st.text(max_size=20),
    NoneType: st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401
    if annotation in LEAVES:
        return LEAVES[annotation]
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation) | {"version": Literal[1]}
        names = [field.name for field in fields(annotation)]
        return st.builds(annotation, **{name: values_of(hints[name]) for name in names})
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if get_origin(annotation) is tuple:
        return st.lists(values_of(get_args(annotation)[0]), max_size=3).map(tuple)
    return st.one_of([values_of(choice) for choice in get_args(annotation)])


CLIENT_MESSAGES = st.one_of([values_of(cls) for cls in CLIENT_TYPES.values()])
SERVER_MESSAGES = st.one_of([values_of(cls) for cls in SERVER_TYPES.values()])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELD_NAMES = sorted(
    {
        field.name
        for cls in [*CLIENT_TYPES.values(), *SERVER_TYPES.values()]
        for field in fields(cls)
    }
)
NEARLY_MESSAGES = st.builds(
    lambda name, content: json.dumps(content | {"type": name}),
    st.sampled_from([*CLIENT_TYPES, *SERVER_TYPES]),
    st.dictionaries(st.sampled_from(FIELD_NAMES), JSON_VALUES, max_size=8),
)


@given(message=CLIENT_MESSAGES)
def test_every_client_message_comes_out_of_the_wire_as_it_went_in(message: ClientMessage) -> None:
    assert decode_client_message(encode(message)) == message


@given(message=SERVER_MESSAGES)
def test_every_server_message_comes_out_of_the_wire_as_it_went_in(message: ServerMessage) -> None:
    assert decode_server_message(encode(message)) == message


@given(octets=st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_protocol_error(octets: bytes) -> None:
    decodes_or_refuses(octets.decode("utf-8", "surrogateescape"))


@given(text=st.text(st.characters(), max_size=200))
def test_any_text_gives_a_message_or_a_protocol_error(text: str) -> None:
    decodes_or_refuses(text)


@given(text=NEARLY_MESSAGES)
def test_any_json_in_the_fields_gives_a_message_or_a_protocol_error(text: str) -> None:
    decodes_or_refuses(text)


@given(message=CLIENT_MESSAGES | SERVER_MESSAGES, data=st.data())
def test_a_cut_message_gives_a_protocol_error(
    message: ClientMessage | ServerMessage, data: st.DataObject
) -> None:
    whole = encode(message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert decodes_or_refuses(cut) is False


def decodes_or_refuses(text: str) -> bool:
    """Whether either side would take ``text``; any error but a RemoteProtocolError gets out.

    What is taken means the same once it is written again.
    """
    taken = 0
    for decode in (decode_client_message, decode_server_message):
        try:
            message = decode(text)
            assert message is None or decode(encode(message)) == message  # None: a later kind
            taken += 1
        except RemoteProtocolError as error:
            error.message.encode()  # it has to fit into an error message
    return taken > 0
