"""Plain JSON to frozen dataclasses, every field's type checked."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, cast

T = TypeVar("T")


def structure(kind: type[T], data: object, place: str = "") -> T:
    """Data as a `kind`: a dataclass, tuple[X, ...], dict[str, X], X | None, str, int, float, bool or Any.

    Raises ValueError with the place of what does not fit. A field that the dataclass does not have is an error.
    """
    return cast("T", _structure(kind, data, place))


def _structure(kind: Any, data: object, place: str) -> object:
    if kind is Any:
        return data
    if is_dataclass(kind):
        return _record(cast("type[Any]", kind), data, place)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if data is None else _structure(arguments[0], data, place)
    if origin is tuple:
        return tuple(_structure(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(_list(data, place)))
    if origin is dict:
        return {name: _structure(arguments[1], item, f"{place}.{name}") for name, item in _object(data, place).items()}
    return _plain(kind, data, place)


def _record(kind: type[Any], data: object, place: str) -> object:
    given, hints = _object(data, place), typing.get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    stranger = next((name for name in given if name not in known), None)
    if stranger is not None:
        raise ValueError(f"`{_join(place, stranger)}` is no field of this format")
    absent = next((name for name, field in known.items() if name not in given and field.default is MISSING), None)
    if absent is not None:
        raise ValueError(f"`{_join(place, absent)}` is missing")
    return kind(**{name: _structure(hints[name], item, _join(place, name)) for name, item in given.items()})


def _object(data: object, place: str) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise _wrong(place, "an object")
    return cast("dict[str, object]", data)


def _list(data: object, place: str) -> Sequence[object]:
    if not isinstance(data, (list, tuple)):
        raise _wrong(place, "a list")
    return cast("Sequence[object]", data)


def _plain(kind: type[object], data: object, place: str) -> object:
    number = isinstance(data, (int, float)) and not isinstance(data, bool)
    if kind is float and number:
        return float(cast("float", data))
    if type(data) is not kind:
        raise _wrong(place, {"str": "a text", "int": "an integer", "float": "a number", "bool": "true or false"}[kind.__name__])
    return data


def _wrong(place: str, wanted: str) -> ValueError:
    return ValueError(f"`{place}` is not {wanted}" if place else f"it is not {wanted}")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
