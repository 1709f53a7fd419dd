"""The forms of types with named fields: dataclasses, structs, named tuples and typed
dicts. All but the last travel as the array of their values, in the order of their
fields; a typed dict, which may leave out some, as a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set as AbstractSet
from operator import attrgetter
from typing import Any

from comm.codec.containers import convert_each
from comm.codec.forms import (
    Convert,
    Form,
    Mismatch,
    expected,
    segment,
    told,
    with_fingerprint,
    wrong_count,
)
from comm.codec.words import Value, Wire, class_of, is_a


__all__ = ["call_by_name", "call_in_order", "record", "typed_dict"]

_Build = Callable[[Sequence[Any]], Any]


def call_in_order(cls: type) -> _Build:
    """Returns what makes an instance out of the values, given by position."""
    return lambda values: cls(*values)


def call_by_name(cls: type, names: Sequence[str]) -> _Build:
    """Returns what makes an instance out of the values, given by name."""
    return lambda values: cls(**dict(zip(names, values, strict=True)))


def record(cls: type, name: str, fields: Mapping[str, Form], build: _Build) -> Form:
    """The form of a class with fields.

    Args:
        cls: The class. An instance of a subclass is refused: what it has besides
            would be lost without a word.
        name: What the type is called, its parameters included.
        fields: The fields that travel, in order.
        build: Makes an instance out of the values.
    """
    count = len(fields)
    steps = [f".{each}" for each in fields]
    fetch = _fetcher(cls, list(fields))
    forms = list(fields.values())
    to_wires = [each.to_wire for each in forms]
    from_wires = [each.from_wire for each in forms]
    # Where all fields travel as they are, their types can be compared at one go.
    exact = tuple(each.exact for each in forms)
    is_plain = None not in exact

    def to_wire(value: Value) -> Wire:
        if class_of(value) is not cls:
            raise expected(name, value, cls)
        values = fetch(value)
        if is_plain and tuple(map(class_of, values)) == exact:
            return list(values)
        return convert_each(values, to_wires, steps)

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not list:
            raise expected(name, wire)
        if len(wire) < count:
            raise Mismatch("missing").at(steps[len(wire)])
        if len(wire) > count:
            raise wrong_count(name, count, wire)
        values = wire
        if not is_plain or tuple(map(class_of, wire)) != exact:
            values = convert_each(wire, from_wires, steps)
        try:
            return build(values)
        # Whatever the code of the application raises, only this item is bad.
        except Exception as error:
            raise Mismatch(f"{name} refuses its fields: {told(error)}") from error

    return Form(
        name=name,
        layout=with_fingerprint(
            name, [f"{each}: {form.layout}" for each, form in fields.items()]
        ),
        to_wire=to_wire,
        from_wire=from_wire,
        cls=cls,
        root=name,
    )


def _fetcher(cls: type, names: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    if issubclass(cls, tuple):
        return lambda value: value
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def typed_dict(
    name: str, fields: Mapping[str, Form], required: AbstractSet[str]
) -> Form:
    """The form of a typed dict: a map of the keys that are there."""
    layouts = [
        f"{key!r}{'' if key in required else '?'}: {form.layout}"
        for key, form in fields.items()
    ]

    def converter(converts: Mapping[str, Convert]) -> Convert:
        def convert(given: Value) -> Value:
            if not is_a(given, dict):
                raise expected(name, given)
            return _convert_keys(given, converts, required)

        return convert

    return Form(
        name=name,
        layout=with_fingerprint(name, layouts),
        to_wire=converter({key: form.to_wire for key, form in fields.items()}),
        from_wire=converter({key: form.from_wire for key, form in fields.items()}),
        cls=dict,
        root=name,
    )


def _convert_keys(
    given: dict[Any, Any], converts: Mapping[str, Convert], required: AbstractSet[str]
) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for key, convert in converts.items():
        if key in given:
            try:
                converted[key] = convert(given[key])
            except Mismatch as mismatch:
                mismatch.at(segment(key))
                raise
        elif key in required:
            raise Mismatch("missing").at(segment(key))
    if len(converted) < len(given):
        unknown = next(key for key in given if key not in converted)
        raise Mismatch("unknown").at(segment(unknown))
    return converted
