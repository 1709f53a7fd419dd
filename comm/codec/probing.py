"""Finding out which part of an item it is that cannot be encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from enum import Enum
import sys
from typing import Any

from comm.codec.forms import Mismatch, Probe, kind_of, segment, told
from comm.codec.packing import NoFormError
from comm.codec.words import Value, is_a


__all__ = ["describe_failure", "prober"]

_DEPTH_MAX = 16
"""How deep the bad part is looked for; each level is packed once more."""


def prober(pack: Callable[[Any], bytes]) -> Probe:
    """Returns what raises `Mismatch` for a value that `pack` cannot pack.

    The mismatch has the path to the part that is to blame.
    """

    def probe(value: Value, depth: int = 0) -> None:
        try:
            pack(value)
        # Packing runs code of the application, which may raise anything.
        except Exception as error:
            if not _is_too_deep(error) and depth < _DEPTH_MAX:
                for step, part in _parts(value):
                    try:
                        probe(part, depth + 1)
                    except Mismatch as mismatch:
                        mismatch.at(step)
                        raise
            raise Mismatch(_explain(value, error)) from error

    return probe


def _parts(value: Value) -> Iterator[tuple[str, Any]]:
    if is_a(value, dict):
        for key, part in value.items():
            yield " key " + segment(key), key
            yield segment(key), part
    elif is_a(value, list | tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif is_a(value, set | frozenset):
        yield from (("{}", part) for part in value)


def _is_too_deep(error: Exception) -> bool:
    return isinstance(error, RecursionError) or "recursion limit" in str(error)


def describe_failure(value: object, error: Exception) -> str:
    """Returns why a value cannot be encoded."""
    kind = kind_of(value)
    if _is_too_deep(error):
        return f"{kind} is nested too deeply, or contains itself"
    return f"{kind} cannot be encoded: {told(error)}"


def _explain(value: object, error: Exception) -> str:
    """Returns why a value cannot be packed, and what to do."""
    kind = kind_of(value)
    if isinstance(error, UnicodeEncodeError):
        return "str with half a surrogate pair, which UTF-8 cannot carry"
    is_struct = isinstance(value, getattr(sys.modules.get("msgspec"), "Struct", ()))
    if is_dataclass(value) or is_struct or isinstance(value, Enum):
        return (
            f"{kind} only travels where its type is announced: give the channel, or "
            f"the field that holds it, the item type {kind}"
        )
    if not isinstance(error, NoFormError):
        return describe_failure(value, error)
    return (
        f"{kind} cannot be encoded; send its data instead, or teach both ends with "
        "`comm.codec.register_extension`"
    )
