"""The forms of types that offer a choice: enums, literals and unions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, Flag
from typing import Any

from comm.codec.forms import Form, Mismatch, expected, kind_of, with_fingerprint
from comm.codec.words import Value, Wire, class_of


__all__ = ["enumeration", "literal", "union"]

_SCALARS = (bool, int, float, str, bytes, type(None))
"""Types whose values look alike in every process that prints them."""


def enumeration(cls: type[Enum]) -> Form:
    """The form of an enum: its members travel by name, flags by value."""
    values = [
        f"{name}={member.value!r}" if isinstance(member.value, _SCALARS) else name
        for name, member in cls.__members__.items()
    ]
    name = cls.__qualname__
    if issubclass(cls, Flag):
        to_wire, from_wire = _flag(cls)
    else:
        to_wire, from_wire = _members(cls)
    return Form(
        name=name,
        layout=with_fingerprint(name, values),
        to_wire=to_wire,
        from_wire=from_wire,
        cls=cls,
        is_key=True,
    )


_Pair = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _members(cls: type[Enum]) -> _Pair:
    by_name = dict(cls.__members__)

    def to_wire(value: Value) -> Wire:
        if class_of(value) is not cls:
            raise expected(cls.__qualname__, value, cls)
        return value.name

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not str:
            raise expected(cls.__qualname__, wire)
        if wire not in by_name:
            raise Mismatch(f"{cls.__qualname__} has no member {wire[:32]!r}")
        return by_name[wire]

    return to_wire, from_wire


def _flag(cls: type[Flag]) -> _Pair:
    def to_wire(value: Value) -> Wire:
        if class_of(value) is not cls:
            raise expected(cls.__qualname__, value, cls)
        return value.value

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not int:
            raise expected(cls.__qualname__, wire)
        try:
            return cls(wire)
        except ValueError:
            raise Mismatch(f"{cls.__qualname__} has no such flags") from None

    return to_wire, from_wire


def literal(values: Sequence[Any]) -> Form:
    """The form of `Literal`: members of enums travel by name, others as they are."""
    wires = [each.name if isinstance(each, Enum) else each for each in values]
    to_wires = {(class_of(v), v): w for v, w in zip(values, wires, strict=True)}
    from_wires = {(class_of(w), w): v for v, w in zip(values, wires, strict=True)}
    name = f"Literal[{', '.join(sorted(map(str, map(_quoted, values))))}]"
    if len(from_wires) != len(to_wires):
        raise Mismatch(
            f"{name} cannot be carried: two of its values have the same name; "
            "use the enum itself"
        )
    return Form(
        name=name,
        layout=name,
        to_wire=_choose(to_wires, name),
        from_wire=_choose(from_wires, name),
        is_key=True,
    )


def _quoted(value: object) -> str:
    return str(value) if isinstance(value, Enum) else repr(value)


def _choose(table: dict[tuple[type, Any], Any], name: str) -> Callable[[Any], Any]:
    kinds = {kind for kind, _ in table}

    def choose(value: Value) -> Value:
        # Only values of these types are known to be hashable.
        key = (class_of(value), value)
        if class_of(value) not in kinds or key not in table:
            raise Mismatch(f"expected {name}, got {_shown(value)}")
        return table[key]

    return choose


def _shown(value: object) -> str:
    return repr(value[:32]) if isinstance(value, str) else kind_of(value)


def union(members: Sequence[Form]) -> Form:
    """The form of a value that has one of several forms.

    Values that travel as they are need no mark. Others are marked with the number of
    their form, unless None, which is nil, is all that there is besides.
    """
    members = _distinct(members)
    general = next((each for each in members if each.is_anything), None)
    if general is not None or len(members) == 1:
        return general or members[0]
    name = " | ".join(each.name for each in members)
    rest = [each for each in members if each.cls is not type(None)]
    is_marked = len(rest) > 1 and any(each.exact is None for each in members)
    if is_marked:
        to_wire, from_wire = _marked(rest, name)
    else:
        to_wire, from_wire = _unmarked(rest, name)
    if len(rest) < len(members):
        to_wire, from_wire = _none_or(to_wire), _none_or(from_wire)
    return Form(
        name=name,
        layout=" | ".join(each.layout for each in members),
        to_wire=to_wire,
        from_wire=from_wire,
        is_key=not is_marked and all(each.is_key for each in members),
        root=rest[0].root if len(rest) == 1 else "item",
    )


def _distinct(members: Sequence[Form]) -> list[Form]:
    # In the order of their layouts, because Python does not keep that of the source:
    # `Union[A, B]` and `Union[B, A]` are equal, and one may be taken for the other.
    distinct: dict[str, Form] = {}
    for member in sorted(members, key=lambda each: each.layout):
        same = distinct.setdefault(member.layout, member)
        if same.cls is not member.cls:
            raise Mismatch(
                f"a union of two types called {member.name} cannot be carried: "
                "their values would look the same; rename one of the types"
            )
    return list(distinct.values())


def _none_or(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _unmarked(members: Sequence[Form], name: str) -> _Pair:
    if len(members) == 1:
        return members[0].to_wire, members[0].from_wire
    classes = {each.exact for each in members}

    def choose(converts: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def convert(value: Value) -> Value:
            return (
                value if class_of(value) in classes else _first(converts, value, name)
            )

        return convert

    to_wires = [each.to_wire for each in members]
    return choose(to_wires), choose([each.from_wire for each in members])


def _first(converts: Sequence[Callable[[Any], Any]], value: Value, name: str) -> Value:
    for convert in converts:
        try:
            return convert(value)
        except Mismatch:
            continue
    raise expected(name, value)


def _marked(members: Sequence[Form], name: str) -> _Pair:
    marks = [_mark(number, each.to_wire) for number, each in enumerate(members)]
    classes = [each.cls for each in members]
    by_class = {
        cls: mark
        for cls, mark in zip(classes, marks, strict=True)
        if cls is not None and classes.count(cls) == 1
    }

    def to_wire(value: Value) -> Wire:
        mark = by_class.get(class_of(value))
        return mark(value) if mark is not None else _first(marks, value, name)

    from_wires = [each.from_wire for each in members]

    def from_wire(wire: Wire) -> Value:
        if class_of(wire) is not list or len(wire) != 2 or class_of(wire[0]) is not int:
            raise expected(name, wire)
        index: int = wire[0]
        if not 0 <= index < len(from_wires):
            raise Mismatch(f"expected {name}, got a type of another number")
        return from_wires[index](wire[1])

    return to_wire, from_wire


def _mark(number: int, to_wire: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: [number, to_wire(value)]
