"""`Kinds`: frozen dataclasses as JSON and back, told apart by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
import json
from typing import Any, cast


__all__ = ["Kinds"]


class Kinds:
    """A set of dataclasses whose values can be written down.

    A value becomes an object with its `kind` and those fields that are not as they
    are by default; a tuple becomes a list, and every list comes back as a tuple.

    Args:
        kinds: The dataclasses.
    """

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Iterable[type[Any]]) -> None:
        self._kinds = {kind.__name__: kind for kind in kinds}

    def dumps(self, value: object, *, indent: int | None = None) -> str:
        """Returns a value as text."""
        return json.dumps(self.encode(value), indent=indent)

    def loads(self, text: str) -> Any:  # noqa: ANN401 - whatever was written
        """Returns the value that `dumps` has written.

        Raises:
            ValueError: If it is no such text, or has kinds or fields that are unknown.
        """
        return self.decode(json.loads(text))

    def encode(self, value: object) -> object:
        """Returns a value as what JSON knows."""
        if is_dataclass(value) and not isinstance(value, type):
            encoded: dict[str, object] = {"kind": type(value).__name__}
            for field in fields(value):
                given = getattr(value, field.name)
                if not _is_default(field, given):
                    encoded[field.name] = self.encode(given)
            return encoded
        if isinstance(value, (list, tuple)):
            return [self.encode(each) for each in cast("list[object]", value)]
        if isinstance(value, dict):
            given = cast("dict[str, object]", value)
            return {key: self.encode(each) for key, each in given.items()}
        return value

    def decode(self, value: object) -> Any:  # noqa: ANN401 - whatever was written
        """Returns what `encode` was given."""
        if isinstance(value, list):
            return tuple(self.decode(each) for each in cast("list[object]", value))
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, object]", value)
        decoded: dict[str, Any] = {k: self.decode(each) for k, each in given.items()}
        return self._build(decoded) if "kind" in decoded else decoded

    def _build(self, decoded: dict[str, Any]) -> object:
        name = decoded.pop("kind")
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise ValueError(f"{name!r} is no kind; there are {sorted(self._kinds)}")
        try:
            return kind(**decoded)
        except TypeError as error:
            raise ValueError(f"this is no {name}: {error}") from None


def _is_default(field: Any, given: object) -> bool:  # noqa: ANN401 - a Field
    if field.default is not MISSING:
        return bool(given == field.default)
    return field.default_factory is not MISSING and given == field.default_factory()
