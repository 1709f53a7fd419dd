"""What annotations say: the types of a class's fields, once all names are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    LiteralString,
    NotRequired,
    Protocol,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from comm.codec.forms import Mismatch, told
from comm.codec.words import Hint, is_a


__all__ = [
    "class_behind",
    "describe",
    "field_hints",
    "is_hashable",
    "is_init_only",
    "required_keys",
    "substitute",
    "unwrap",
]

_Scope = Mapping[Any, Any]

_QUALIFIERS = {"Final", "NotRequired", "ReadOnly", "Required"}
"""What says something about a field, and nothing about its type."""


def class_behind(hint: Hint) -> Hint:
    """Returns the class that an annotation names, its parameters left aside."""
    origin: Hint = get_origin(hint)
    return hint if origin is None else origin


def describe(hint: Hint) -> str:
    """Returns what messages call a type, without the names of modules.

    A program's classes are in `__main__` for one process, and elsewhere for another.
    """
    origin = class_behind(hint)
    if hint is NoneType or hint is ...:
        return "None" if hint is NoneType else "..."
    if origin is hint or origin is Literal:
        plain = str(hint).removeprefix("typing.")
        name: str = getattr(hint, "__qualname__", plain)
        return name
    names = [describe(each) for each in get_args(hint)]
    if origin is Annotated:
        return names[0]
    if origin in {Union, UnionType}:
        return " | ".join(sorted(names))
    return f"{describe(origin)}[{', '.join(names) or '()'}]"


def unwrap(hint: Hint) -> Hint:
    """Returns the type in what only says more about it, or gives it another name."""
    while True:
        if is_a(hint, TypeVar) and not hint.__constraints__:
            hint = hint.__bound__ or Any
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif getattr(class_behind(hint), "_name", None) in _QUALIFIERS:
            (hint,) = get_args(hint)
        elif hint is LiteralString:
            return str
        else:
            return NoneType if hint is None else hint


def is_hashable(hint: Hint) -> bool:
    """Whether an annotation can be looked up."""
    try:
        hash(hint)
    except TypeError:
        return False
    return True


def field_hints(hint: Hint) -> dict[str, Any]:
    """Returns the annotations of a class, or of a generic class with its parameters.

    Raises:
        Mismatch: If a name in an annotation cannot be resolved.
    """
    cls = class_behind(hint)
    scopes: dict[Any, _Scope] = {}
    _collect_scopes(hint, scopes)
    hints: dict[str, Any] = {}
    for name, annotation in _resolve(cls).items():
        owners = (b for b in cls.__mro__ if name in getattr(b, "__annotations__", ()))
        hints[name] = substitute(annotation, scopes.get(next(owners, cls), {}))
    return hints


def _resolve(cls: Hint) -> dict[str, Any]:
    # A class that was made inside a function can at least name itself, and one that
    # says `class Box[T]` its parameters, which some Pythons overlook.
    parameters = getattr(cls, "__type_params__", ())
    local_names = {each.__name__: each for each in (cls, *parameters)}
    try:
        try:
            return get_type_hints(cls, include_extras=True)
        except NameError:
            return get_type_hints(cls, localns=local_names, include_extras=True)
    # An annotation is code, which may raise anything.
    except Exception as error:  # noqa: BLE001
        raise Mismatch(
            f"{cls.__qualname__} has an annotation that cannot be resolved: "
            f"{told(error)}; define what it names at the top level of the module"
        ) from None


def _collect_scopes(hint: Hint, scopes: dict[Any, _Scope]) -> None:
    """Finds what the type variables of a class and of its bases stand for."""
    cls = class_behind(hint)
    parameters = getattr(cls, "__parameters__", ())
    scope = dict(zip(parameters, get_args(hint), strict=False))
    scopes[cls] = scope
    for base in getattr(cls, "__orig_bases__", ()):
        if class_behind(base) not in {Generic, Protocol}:
            _collect_scopes(substitute(base, scope), scopes)


def substitute(hint: Hint, scope: _Scope) -> Hint:
    """Returns the annotation with type variables replaced by what they stand for."""
    if isinstance(hint, TypeVar):
        return scope.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(scope.get(each, each) for each in parameters)]


def required_keys(cls: Hint, hints: Mapping[str, Any]) -> frozenset[str]:
    """Returns the keys without which a typed dict is not whole.

    The class itself knows them only if its annotations were no text.
    """
    required = set(cls.__required_keys__)
    for name, hint in hints.items():
        if get_origin(hint) is Required:
            required.add(name)
        elif get_origin(hint) is NotRequired:
            required.discard(name)
    return frozenset(required)


def is_init_only(hint: Hint) -> bool:
    """Whether an annotation makes a parameter of the constructor, and no field."""
    return hint is InitVar or isinstance(hint, InitVar)
