"""From a type to its form."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Hashable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
import dataclasses
from enum import Enum
import sys
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    TypeVar,
    Union,
    get_args,
)

from comm.codec.choices import enumeration, literal, union
from comm.codec.containers import array, fixed_tuple, mapping
from comm.codec.extensions import extension_of
from comm.codec.forms import (
    Form,
    Mismatch,
    Probe,
    anything,
    deferred,
    leaf,
    number,
)
from comm.codec.hints import (
    class_behind,
    describe,
    field_hints,
    is_hashable,
    is_init_only,
    required_keys,
    substitute,
    unwrap,
)
from comm.codec.records import call_by_name, call_in_order, record, typed_dict
from comm.codec.words import Hint, Value, Wire, is_a, is_kind_of
from comm.errors import ConfigurationError


__all__ = ["compile_form"]


def compile_form(
    item_type: Hint,
    pack: Callable[[Any], bytes],
    probe: Probe | None = None,
    mentioned: list[Hint] | None = None,
) -> Form:
    """Returns the form of a type.

    Args:
        item_type: A class, or whatever else can stand in an annotation.
        pack: Puts the items of sets in order.
        probe: Is shown each value that would travel as it is, and may refuse it.
        mentioned: Gets the type parameters of extension types: what a `Sender[Answer]`
            inside an item says that can be sent to it.

    Raises:
        ConfigurationError: If values of the type cannot be carried.
    """
    try:
        return _Compiler(pack, probe, mentioned).compile(item_type)
    except Mismatch as mismatch:
        raise ConfigurationError(mismatch.text(describe(item_type))) from None
    except RecursionError:
        raise ConfigurationError(
            f"{describe(item_type)}: its definition never comes to an end"
        ) from None


class _Compiler:
    """Makes the form of one type, and so those of all the types that it refers to."""

    def __init__(
        self,
        pack: Callable[[Any], bytes],
        probe: Probe | None,
        mentioned: list[Hint] | None,
    ) -> None:
        self._pack = pack
        self._probe = probe
        self._mentioned: list[Hint] = [] if mentioned is None else mentioned
        self._named: dict[Hashable, Form] = {}
        self._by_class: dict[Hint, Callable[[Hint], Form]] = {
            Annotated: self._annotated,
            Any: self._anything,
            Literal: lambda hint: literal(get_args(hint)),
            Union: self._union,
            UnionType: self._union,
            NoneType: self._leaf,
            object: self._anything,
            bool: self._leaf,
            bytes: self._leaf,
            float: lambda _: number(),
            int: self._leaf,
            str: self._leaf,
            Mapping: self._mapping,
            MutableMapping: self._mapping,
            MutableSequence: self._sequence,
            Sequence: self._sequence,
            dict: self._mapping,
            frozenset: self._set,
            list: self._sequence,
            set: self._set,
            tuple: self._tuple,
        }

    def compile(self, hint: Hint) -> Form:
        """Returns the form of what an annotation says."""
        hint = unwrap(hint)
        cls = class_behind(hint)
        if is_hashable(cls) and cls in self._by_class:
            return self._by_class[cls](hint)
        if is_a(hint, TypeVar):
            return union([self.compile(each) for each in hint.__constraints__])
        if hasattr(cls, "__value__"):
            return self._once(hint, None, self._alias)
        if is_a(cls, type):
            return self._class(hint, cls)
        raise _uncarriable(hint)

    def _leaf(self, hint: Hint) -> Form:
        return leaf(hint, self._probe)

    def _anything(self, _hint: Hint) -> Form:
        return anything(self._probe)

    def _annotated(self, hint: Hint) -> Form:
        form = self.compile(get_args(hint)[0])
        # Whoever uses such metadata has loaded what defines them.
        meta = getattr(sys.modules.get("msgspec"), "Meta", ())
        limits = [each for each in hint.__metadata__ if isinstance(each, meta)]
        if not limits:
            return form
        return _limited(form, Annotated[(form.cls or get_args(hint)[0], *limits)])

    def _union(self, hint: Hint) -> Form:
        return union([self.compile(each) for each in get_args(hint)])

    def _parts(self, hint: Hint, count: int) -> list[Form]:
        arguments = get_args(hint) or (Any,) * count
        if len(arguments) != count:
            raise Mismatch(f"{describe(hint)} should have {count} type parameters")
        return [self.compile(each) for each in arguments]

    def _sequence(self, hint: Hint) -> Form:
        (item,) = self._parts(hint, 1)
        origin = class_behind(hint)
        if origin is list:
            return array(list, item, name="list", takes=list)
        return array(list, item, name=origin.__name__, takes=(list, tuple))

    def _set(self, hint: Hint) -> Form:
        cls = class_behind(hint)
        (item,) = self._parts(hint, 1)
        if item.is_anything:
            return leaf(cls, self._probe)
        return array(cls, item, name=cls.__name__, takes=cls, order=self._pack)

    def _tuple(self, hint: Hint) -> Form:
        # An empty tuple has no arguments, and neither has one with anything inside.
        arguments = get_args(hint) if hasattr(hint, "__args__") else (Any, ...)
        if arguments[-1:] != (...,):
            return fixed_tuple([self.compile(each) for each in arguments])
        return array(tuple, self.compile(arguments[0]), name="tuple", takes=tuple)

    def _mapping(self, hint: Hint) -> Form:
        key, value = self._parts(hint, 2)
        origin = class_behind(hint)
        takes = dict if origin is dict else Mapping
        return mapping(key, value, name=origin.__name__, takes=takes)

    def _once(self, hint: Hint, cls: type | None, make: Callable[[Any], Form]) -> Form:
        """Makes a form that may refer to itself."""
        key = hint if is_hashable(hint) else id(hint)
        if key not in self._named:
            name = describe(hint)
            self._named[key] = deferred(name, cls, lambda: self._named[key])
            self._named[key] = make(hint)
        return self._named[key]

    def _alias(self, hint: Hint) -> Form:
        alias = class_behind(hint)
        scope = dict(zip(alias.__type_params__, get_args(hint), strict=False))
        return self.compile(substitute(alias.__value__, scope))

    def _class(self, hint: Hint, cls: Hint) -> Form:
        if extension_of(cls) is not None:
            self._mentioned.extend(get_args(hint))
            return leaf(cls, self._probe)
        if is_kind_of(cls, Enum):
            return enumeration(cls)
        if is_kind_of(cls, dict) and hasattr(cls, "__required_keys__"):
            return self._once(hint, dict, self._typed_dict)
        if is_kind_of(cls, tuple) and hasattr(cls, "_fields"):
            return self._once(hint, cls, self._named_tuple)
        if hasattr(cls, "__dataclass_fields__"):
            return self._once(hint, cls, self._dataclass)
        if is_kind_of(cls, getattr(sys.modules.get("msgspec"), "Struct", ())):
            return self._once(hint, cls, self._struct)
        raise _uncarriable(hint)

    def _fields(
        self, hints: Mapping[str, Any], names: Sequence[str]
    ) -> dict[str, Form]:
        forms: dict[str, Form] = {}
        for name in names:
            try:
                forms[name] = self.compile(hints.get(name, Any))
            except Mismatch as mismatch:
                mismatch.at(f".{name}")
                raise
        return forms

    def _typed_dict(self, hint: Hint) -> Form:
        hints = field_hints(hint)
        cls = class_behind(hint)
        required = required_keys(cls, hints)
        return typed_dict(describe(hint), self._fields(hints, list(hints)), required)

    def _named_tuple(self, hint: Hint) -> Form:
        cls = class_behind(hint)
        fields = self._fields(field_hints(hint), cls._fields)
        return record(cls, describe(hint), fields, call_in_order(cls))

    def _struct(self, hint: Hint) -> Form:
        cls = class_behind(hint)
        names = cls.__struct_fields__
        fields = self._fields(field_hints(hint), names)
        return record(cls, describe(hint), fields, call_by_name(cls, names))

    def _dataclass(self, hint: Hint) -> Form:
        cls = class_behind(hint)
        hints = field_hints(hint)
        for name, each in hints.items():
            if is_init_only(each) and not hasattr(cls, name):
                raise Mismatch("nobody could give this InitVar again").at(f".{name}")
        given = [each for each in dataclasses.fields(cls) if each.init]
        names = [each.name for each in given]
        in_order = cls.__dataclass_params__.init and not any(f.kw_only for f in given)
        build = call_in_order(cls) if in_order else call_by_name(cls, names)
        return record(cls, describe(hint), self._fields(hints, names), build)


def _uncarriable(hint: Hint) -> Mismatch:
    if isinstance(hint, str | ForwardRef):
        return Mismatch(f"{hint!r} is a mere name here; give the type itself")
    return Mismatch(
        f"values of {describe(hint)} cannot be carried; use a dataclass, NamedTuple, "
        "TypedDict, enum or msgspec.Struct, a type that MessagePack knows, or "
        "`comm.codec.register_extension`"
    )


def _limited(form: Form, hint: Hint) -> Form:
    """Adds the limits of `msgspec.Meta`, which `msgspec` itself has to check."""
    msgspec: Any = sys.modules["msgspec"]
    try:
        msgspec.convert(None, hint)
    except msgspec.ValidationError:
        pass  # None is none of the type's values; what counts is that it can tell.
    except TypeError as error:
        raise Mismatch(str(error)) from None

    def check(value: Value) -> Value:
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            raise Mismatch(str(error)) from None
        return value

    def to_wire(value: Value) -> Wire:
        return form.to_wire(check(value))

    def from_wire(wire: Wire) -> Value:
        return check(form.from_wire(wire))

    return dataclasses.replace(form, to_wire=to_wire, from_wire=from_wire, exact=None)
