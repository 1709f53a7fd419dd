"""`BadCore`: a wrong variant of the core, as small edits of its real source.

The edits are text, so that a variant is no copy of the core that grows old: it follows
every change of the rest, and says so when the line that it gets wrong is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
import inspect
import sys
from textwrap import dedent
from typing import Any


__all__ = ["BadCore", "Edit"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one method.

    Attributes:
        owner: Its class.
        method: Its name; it may be a property.
        was: What stands there: a text that occurs in it once.
        becomes: What stands there instead.
    """

    owner: type
    method: str
    was: str
    becomes: str


@dataclass(frozen=True, slots=True)
class BadCore:
    """A core with one mistake.

    Attributes:
        name: What to call it.
        breaks: The promise that it breaks.
        text: What it does wrong, in one sentence.
        edits: How it comes to do so.
    """

    name: str
    breaks: str
    text: str
    edits: tuple[Edit, ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Makes every core a bad one for the duration of a `with` block.

        Raises:
            LookupError: If the core no longer reads as the edits say.
        """
        changed = list(_changed(self.edits).items())
        originals = [(owner, name, vars(owner)[name]) for (owner, name), _ in changed]
        try:
            for (owner, name), source in changed:
                setattr(owner, name, _compiled(owner, name, source))
            yield
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)


def _changed(edits: tuple[Edit, ...]) -> dict[tuple[type, str], str]:
    """Returns the new source of each method that is changed."""
    sources: dict[tuple[type, str], str] = {}
    for edit in edits:
        key = edit.owner, edit.method
        source = sources.get(key) or _source(*key)
        if source.count(edit.was) != 1:
            raise LookupError(
                f"{edit.owner.__name__}.{edit.method} has {source.count(edit.was)} "
                f"times {edit.was!r}; the edit needs it once"
            )
        sources[key] = source.replace(edit.was, edit.becomes)
    return sources


def _source(owner: type, name: str) -> str:
    found: Any = vars(owner)[name]
    return dedent(inspect.getsource(getattr(found, "fget", found)))


def _compiled(owner: type, name: str, source: str) -> object:
    """Returns a method, or a property, that sees what its module sees."""
    module_globals = vars(sys.modules[owner.__module__])
    place = f"<bad {owner.__name__}.{name}>"
    # Annotations are not evaluated in the real source, either.
    text = f"from __future__ import annotations\n{source}"
    made: dict[str, Any] = {}
    exec(compile(text, place, "exec"), module_globals, made)  # noqa: S102 - our own
    return made[name]
