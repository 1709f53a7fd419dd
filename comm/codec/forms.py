"""Forms: how the values of one type travel, and how they are checked on both sides.

A form turns a value into what MessagePack carries, its **wire value**, and back. It is
made once for each type, out of the forms of its parts, so that nothing is looked up in
annotations while items pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from comm.codec.extensions import arrives_as
from comm.codec.words import Value, Wire, class_of


__all__ = [
    "Convert",
    "Form",
    "Mismatch",
    "Probe",
    "anything",
    "deferred",
    "expected",
    "kind_of",
    "leaf",
    "number",
    "segment",
    "told",
    "with_fingerprint",
    "wrong_count",
]

Convert = Callable[[Any], Any]

Probe = Callable[[Any], None]
"""Raises `Mismatch` for a value that no codec can carry."""

_PATH_SEGMENTS_MAX = 16


class Mismatch(Exception):  # noqa: N818 - nothing but a note to the codec itself
    """A value does not have its form: what is wrong, and where inside the item."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self._problem = problem
        self._path: list[str] = []

    def at(self, step: str) -> Mismatch:
        """Adds the step that leads to the part from what encloses it."""
        self._path.append(step)
        return self

    def text(self, root: str) -> str:
        """Returns the path, which begins with the name of the item, and the problem."""
        path = self._path[::-1]
        if not path:
            return f"item: {self._problem}"
        if len(path) > _PATH_SEGMENTS_MAX:
            path = [*path[: _PATH_SEGMENTS_MAX - 1], "…", path[-1]]
        return f"{root}{''.join(path)}: {self._problem}"


@dataclass(slots=True, kw_only=True)
class Form:
    """How the values of one type travel.

    Attributes:
        name: What messages call the type.
        layout: What both ends must have in common, as text.
        to_wire: Turns a value into its wire value; raises `Mismatch`.
        from_wire: Turns a wire value into a value; raises `Mismatch`.
        cls: The class of all its values, if they have one and the same.
        exact: The class whose very own instances travel as they are, if there is one.
        is_key: Whether the wire values can be keys of a map.
        is_anything: Whether there is nothing to check.
        is_unseen: Whether all values travel as they are, without so much as a look.
        root: What the path to a part of it begins with.
    """

    name: str
    layout: str
    to_wire: Convert
    from_wire: Convert
    cls: type | None = None
    exact: type | None = None
    is_key: bool = False
    is_anything: bool = False
    is_unseen: bool = False
    root: str = "item"


def kind_of(value: object) -> str:
    """Returns what messages call the type of a value."""
    return _class_name(class_of(value))


def told(error: Exception) -> str:
    """Returns what an exception says, which may come from anybody's code."""
    try:
        return f"{kind_of(error)}: {str(error)[:200]}"
    except Exception:  # noqa: BLE001 - it does not even say
        return kind_of(error)


def _class_name(cls: type) -> str:
    return "None" if cls is type(None) else cls.__qualname__


def expected(name: str, value: object, cls: type | None = None) -> Mismatch:
    """Returns the complaint that a value is not of the type with this name."""
    kind = kind_of(value)
    if cls is None or kind != name:
        return Mismatch(f"expected {name}, got {kind}")
    # The usual cause is a module that was loaded twice, once as `__main__`.
    return Mismatch(
        f"expected {name} of module {cls.__module__}, "
        f"got {kind} of module {class_of(value).__module__}"
    )


def wrong_count(name: str, count: int, values: Sequence[object]) -> Mismatch:
    """Returns the complaint that there are more or fewer values than there should."""
    return Mismatch(f"expected the {count} values of {name}, got {len(values)}")


def with_fingerprint(name: str, parts: Iterable[str]) -> str:
    """Returns the name with eight digits that stand for what the type consists of."""
    text = "\n".join(parts).encode("utf-8", "backslashreplace")
    return f"{name}#{sha256(text).hexdigest()[:8]}"


def segment(key: object) -> str:
    """Returns the step of a path that leads to the value of a key."""
    if isinstance(key, str):
        return f"[{key[:32]!r}]" if len(key) <= 32 else f"[{key[:32]!r}…]"
    if isinstance(key, int) and key.bit_length() <= 64:
        return f"[{key}]"
    return f"[{kind_of(key)}]"


def deferred(name: str, cls: type | None, resolve: Callable[[], Form]) -> Form:
    """The form of a type inside its own definition, when it is not made yet."""
    return Form(
        name=name,
        layout=name,
        to_wire=lambda value: resolve().to_wire(value),
        from_wire=lambda wire: resolve().from_wire(wire),
        cls=cls,
    )


def anything(probe: Probe | None = None) -> Form:
    """The form of values of whatever type the codec itself knows."""

    def to_wire(value: Value) -> Wire:
        if probe is not None:
            probe(value)
        return value

    def from_wire(value: Value) -> Value:
        return value

    return Form(
        name="object",
        layout="object",
        to_wire=to_wire,
        from_wire=from_wire,
        is_key=True,
        is_anything=True,
        is_unseen=probe is None,
    )


def leaf(cls: type, probe: Probe | None = None) -> Form:
    """The form of a class whose instances travel as they are.

    An instance of a subclass is taken if it arrives as one of the class.
    """
    name = _class_name(cls)

    def to_wire(value: Value) -> Wire:
        if class_of(value) is not cls and arrives_as(class_of(value)) is not cls:
            raise expected(name, value, cls)
        if probe is not None:
            probe(value)
        return value

    def from_wire(value: Value) -> Value:
        if class_of(value) is cls:
            return value
        raise expected(name, value, cls)

    return Form(
        name=name,
        layout=name,
        to_wire=to_wire,
        from_wire=from_wire,
        cls=cls,
        # A probe is to see each value.
        exact=cls if probe is None else None,
        is_key=cls is not set,
    )


def number() -> Form:
    """The form of `float`, for which an `int` will do."""

    def convert(value: Value) -> Value:
        if class_of(value) is float:
            return value
        if arrives_as(class_of(value)) not in {float, int}:
            raise expected("float", value)
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("expected float, got an int beyond its range") from None

    return Form(
        name="float",
        layout="float",
        to_wire=convert,
        from_wire=convert,
        cls=float,
        exact=float,
        is_key=True,
    )
