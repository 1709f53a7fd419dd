"""Names for values whose types only show while a program runs, and for looking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias


__all__ = ["Hint", "Value", "Wire", "class_of", "is_a", "is_kind_of"]

Value: TypeAlias = Any
"""An item, or part of one, as the application has it."""

Wire: TypeAlias = Any
"""What stands for a value in MessagePack: plain data, or an extension."""

Hint: TypeAlias = Any
"""A type, as it stands in an annotation."""

class_of: Callable[[object], type] = type
is_a: Callable[[object, Any], bool] = isinstance
is_kind_of: Callable[[Any, Any], bool] = issubclass
# Under names of their own these do not make a type checker believe that it knows half
# of a type: that a value is a list, of nobody knows what.
