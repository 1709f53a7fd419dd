"""`Token`: the name of a broadcast channel."""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
from typing import Any, Generic, TypeVar, overload

from comm.errors import UsageError


__all__ = ["Token"]

T = TypeVar("T")


# With slots, Python 3.11 could not make a `Token[Job]("jobs")`.
@dataclass(frozen=True)
class Token(Generic[T]):
    """The name of a broadcast channel, which every node knows beforehand.

    Two tokens of the same name are the same channel, in whatever program they were
    made. A name is no secret: it gives no protection.

    Attributes:
        name: The name.
        item_type: What is sent; both ends must say the same.
        loopback: Whether a node receives what it sends itself.
    """

    name: str
    item_type: Any = object
    loopback: bool = False

    @overload
    def __init__(
        self, name: str, item_type: type[T], *, loopback: bool = False
    ) -> None: ...

    @overload
    def __init__(
        self: Token[Any],
        name: str,
        item_type: object = object,
        *,
        loopback: bool = False,
    ) -> None: ...

    def __init__(
        self, name: str, item_type: object = object, *, loopback: bool = False
    ) -> None:
        if not _is_name(name):
            raise UsageError(f"a token needs a name, not {name!r}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "item_type", item_type)
        object.__setattr__(self, "loopback", loopback)

    @property
    def channel(self) -> bytes:
        """16 bytes, the channel's id: a hash of the name, the same everywhere."""
        return hashlib.sha256(b"comm broadcast\0" + self.name.encode()).digest()[:16]


def _is_name(given: object) -> bool:
    return isinstance(given, str) and bool(given)
