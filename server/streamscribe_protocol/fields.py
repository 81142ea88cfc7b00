"""JSON objects to frozen dataclasses and back, driven by the classes' annotations.

An annotation may be ``int``, ``float``, ``str``, ``bool``, a ``Literal`` of strings, another
dataclass, ``tuple[X, ...]`` or ``X | None``. Parsing is strict about the fields that a class has
(a field without a default is required) and ignores all others. It raises
``RemoteProtocolError("invalid_message", ...)`` and nothing else.
"""

import math
import reprlib
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, TypeAlias, Union, get_args, get_origin, get_type_hints

from streamscribe_protocol.errors import RemoteProtocolError

Parser: TypeAlias = Callable[[Any, str], Any]
"""Takes a JSON value and the path of its field, gives the value to store."""

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON implementation holds exactly."""


def to_json_value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """``value`` with dataclasses as dicts and tuples as lists."""
    if is_dataclass(value):
        return {field.name: to_json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_json_value(item) for item in value]
    return value


def object_parser(cls: type[Any]) -> Parser:
    """A parser that gives instances of the dataclass ``cls``."""
    hints = get_type_hints(cls)
    parsers = {field.name: _parser_of(hints[field.name]) for field in fields(cls)}
    required = {field.name for field in fields(cls) if field.default is MISSING}

    def parse(value: Any, path: str) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            _reject(path, value, "an object")
        missing = sorted(required - value.keys())
        if missing:
            raise RemoteProtocolError("invalid_message", f"{path} lacks {', '.join(missing)}")
        known = {name: parse for name, parse in parsers.items() if name in value}
        return cls(**{name: parse(value[name], f"{path}.{name}") for name, parse in known.items()})

    return parse


def _parser_of(annotation: Any) -> Parser:  # noqa: ANN401
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if is_dataclass(annotation):
        return object_parser(annotation)  # type: ignore[arg-type]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choice_parser(arguments)
    if origin is tuple:
        return _list_parser(_parser_of(arguments[0]))
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _optional_parser(_parser_of(inner))
    raise TypeError(f"no wire form for {annotation!r}")


def _reject(path: str, got: object, allowed: str) -> NoReturn:
    raise RemoteProtocolError(
        "invalid_message", f"{path} is {reprlib.repr(got)}; allowed: {allowed}"
    )


def _parse_int(value: Any, path: str) -> int:  # noqa: ANN401
    if type(value) is not int or abs(value) > MAX_INTEGER:
        _reject(path, value, f"an integer of at most {MAX_INTEGER} in size")
    return value


def _parse_float(value: Any, path: str) -> float:  # noqa: ANN401
    if type(value) is int and abs(value) <= MAX_INTEGER:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        _reject(path, value, "a finite number")
    return value


def _parse_bool(value: Any, path: str) -> bool:  # noqa: ANN401
    if type(value) is not bool:
        _reject(path, value, "true or false")
    return value


def _parse_str(value: Any, path: str) -> str:  # noqa: ANN401
    if type(value) is not str:
        _reject(path, value, "a string")
    if not is_unicode(value):
        _reject(path, value, "a string of whole Unicode characters (this has lone surrogates)")
    return value


_SCALARS: dict[Any, Parser] = {
    int: _parse_int,
    float: _parse_float,
    bool: _parse_bool,
    str: _parse_str,
}


def is_unicode(text: str) -> bool:
    """Whether ``text`` has a UTF-8 form, that is, no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _choice_parser(choices: tuple[str, ...]) -> Parser:
    def parse(value: Any, path: str) -> str:  # noqa: ANN401
        if type(value) is not str or value not in choices:
            _reject(path, value, " or ".join(f'"{choice}"' for choice in choices))
        return value

    return parse


def _list_parser(parse_item: Parser) -> Parser:
    def parse(value: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
        if not isinstance(value, list):
            _reject(path, value, "a list")
        return tuple(parse_item(item, f"{path}[{index}]") for index, item in enumerate(value))

    return parse


def _optional_parser(parse_inner: Parser) -> Parser:
    def parse(value: Any, path: str) -> Any:  # noqa: ANN401
        return None if value is None else parse_inner(value, path)

    return parse
