"""The forms of collections: lists, tuples, sets and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import call
from typing import Any

from comm.codec.forms import (
    Convert,
    Form,
    Mismatch,
    expected,
    kind_of,
    segment,
    wrong_count,
)
from comm.codec.words import Value, Wire, class_of, is_a


__all__ = ["array", "convert_each", "fixed_tuple", "mapping"]

_call: Callable[..., Value] = call


def convert_each(
    values: Iterable[Any], converts: Sequence[Convert], steps: Sequence[str]
) -> list[Any]:
    """Converts each value in its own way; `steps` lead to the values."""
    converted: list[Any] = []
    try:
        converted.extend(map(_call, converts, values))
    except Mismatch as mismatch:
        mismatch.at(steps[len(converted)])
        raise
    return converted


def _convert_all(
    values: Value, convert: Convert, are_plain: Callable[[Iterable[Any]], bool]
) -> list[Any]:
    if are_plain(values):
        plain: list[Any] = values if class_of(values) is list else list(values)
        return plain
    converted: list[Any] = []
    try:
        converted.extend(map(convert, values))
    except Mismatch as mismatch:
        mismatch.at(f"[{len(converted)}]")
        raise
    return converted


def _plainness(form: Form) -> Callable[[Iterable[Any]], bool]:
    """Returns what tells whether all of some values travel as they are."""
    if form.is_unseen:
        return lambda values: True
    if form.exact is None:
        return _never
    only = frozenset({form.exact})
    return lambda values: only.issuperset(map(class_of, values))


def _never(_values: Iterable[Any]) -> bool:
    return False


def array(
    cls: type,
    item: Form,
    *,
    name: str,
    takes: type | tuple[type, ...],
    order: Callable[[Any], bytes] | None = None,
) -> Form:
    """The form of a collection whose items all have one form.

    Args:
        cls: The class that arrives: list, tuple, set or frozenset.
        item: The form of the items.
        name: What the type is called, its items left aside.
        takes: What is taken for sending.
        order: If given, the items travel in the order of what this makes of them.
    """
    make: Callable[[list[Any]], Value] | None = None if cls is list else cls
    are_plain = _plainness(item)
    full_name = f"{name}[{item.name}{', ...' if cls is tuple else ''}]"

    def to_wire(value: Value) -> Wire:
        if not is_a(value, takes):
            raise expected(full_name, value)
        wire = _convert_all(value, item.to_wire, are_plain)
        return wire if order is None else sorted(wire, key=order)

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not list:
            raise expected(full_name, wire)
        values = _convert_all(wire, item.from_wire, are_plain)
        try:
            return values if make is None else make(values)
        except TypeError as error:
            raise Mismatch(f"{full_name} cannot hold its items: {error}") from None

    return Form(
        name=full_name,
        layout=f"{name}[{item.layout}{', ...' if cls is tuple else ''}]",
        to_wire=to_wire,
        from_wire=from_wire,
        cls=cls if takes is cls else None,
    )


def fixed_tuple(items: Sequence[Form]) -> Form:
    """The form of a tuple each of whose items has its own form."""
    count = len(items)
    name = f"tuple[{', '.join(item.name for item in items) or '()'}]"
    steps = [f"[{index}]" for index in range(count)]
    to_wires = [item.to_wire for item in items]
    from_wires = [item.from_wire for item in items]

    def to_wire(value: Value) -> Wire:
        if not is_a(value, tuple):
            raise expected(name, value)
        if len(value) != count:
            raise wrong_count(name, count, value)
        return convert_each(value, to_wires, steps)

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not list:
            raise expected(name, wire)
        if len(wire) != count:
            raise wrong_count(name, count, wire)
        return tuple(convert_each(wire, from_wires, steps))

    return Form(
        name=name,
        layout=f"tuple[{', '.join(item.layout for item in items) or '()'}]",
        to_wire=to_wire,
        from_wire=from_wire,
        cls=tuple,
    )


def mapping(
    key: Form, value: Form, *, name: str, takes: type | tuple[type, ...]
) -> Form:
    """The form of a dict: a map if the keys allow it, or else an array of pairs."""
    full_name = f"{name}[{key.name}, {value.name}]"
    keys_are_plain, values_are_plain = _plainness(key), _plainness(value)

    def is_plain(given: dict[Any, Any]) -> bool:
        return keys_are_plain(given) and values_are_plain(given.values())

    def to_wire(given: Value) -> Wire:
        if not is_a(given, takes):
            raise expected(full_name, given)
        if class_of(given) is dict and is_plain(given):
            return given
        pairs = _convert_pairs(given.items(), key.to_wire, value.to_wire)
        return dict(pairs) if key.is_key else pairs

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not (dict if key.is_key else list):
            raise expected(full_name, wire)
        if key.is_key and is_plain(wire):
            return wire
        pairs = wire.items() if key.is_key else _convert_all(wire, _pair, _never)
        try:
            return dict(_convert_pairs(pairs, key.from_wire, value.from_wire))
        except TypeError as error:
            raise Mismatch(f"{full_name} cannot have its keys: {error}") from None

    return Form(
        name=full_name,
        layout=f"{name}[{key.layout}, {value.layout}]",
        to_wire=to_wire,
        from_wire=from_wire,
        cls=dict if takes is dict else None,
    )


def _pair(wire: Wire) -> Wire:
    if class_of(wire) is not list or len(wire) != 2:
        raise Mismatch(f"expected a key and its value, got {kind_of(wire)}")
    return wire


def _convert_pairs(
    pairs: Iterable[Any], convert_key: Convert, convert_value: Convert
) -> list[list[Any]]:
    converted: list[list[Any]] = []
    key: Value = None
    step = ""
    try:
        for key, value in pairs:
            step = " key "
            new_key = convert_key(key)
            step = ""
            converted.append([new_key, convert_value(value)])
    except Mismatch as mismatch:
        mismatch.at(step + segment(key))
        raise
    return converted
