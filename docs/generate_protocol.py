"""Writes the tables and diagrams of `docs/protocol.md` from the code.

    python docs/generate_protocol.py            rewrites what is out of date
    python docs/generate_protocol.py --check    fails if something is

Each generated part stands between a line `<!-- begin NAME -->` and a line
`<!-- end NAME -->`; everything else in the page is written by hand.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from enum import Enum
import inspect
from itertools import pairwise, takewhile
from pathlib import Path
import re
import sys
import textwrap
from typing import Any

from comm.config import Config
from comm.link import LEGAL_FRAMES, TRANSITIONS
from comm.mpsc import PRODUCER_TRANSITIONS
from comm.protocol import FORMS, PROTOCOL_MAGIC, Body, ChannelKind, Kind, Reason
from comm.session import SESSION_TRANSITIONS


__all__ = ["PAGE", "SECTIONS", "diagram", "is_current", "render"]

PAGE = Path(__file__).with_name("protocol.md")

Table = Mapping[Any, Mapping[Any, Any]]
"""From a state, by an event, to a state; all of them members of enums."""


def render(text: str) -> str:
    """Returns the page with every generated part made anew.

    Raises:
        ValueError: If a part has no place in the page, or a place no part.
    """
    seen: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        seen.append(name)
        if name not in SECTIONS:
            raise ValueError(f"nothing generates {name!r}")
        return f"<!-- begin {name} -->\n\n{SECTIONS[name]()}\n\n<!-- end {name} -->"

    pattern = r"<!-- begin (?P<name>[\w-]+) -->\n.*?<!-- end (?P=name) -->"
    rendered = re.sub(pattern, replace, text, flags=re.DOTALL)
    if sorted(seen) != sorted(SECTIONS):
        raise ValueError(f"the page has {seen}; generated are {list(SECTIONS)}")
    return rendered


def is_current() -> bool:
    """Tells whether the page is what would be generated."""
    text = PAGE.read_text("utf-8")
    return render(text) == text


def diagram(table: Table) -> str:
    """Draws a table of transitions as a Mermaid state diagram.

    A state that none leads to is a beginning, and one that leads nowhere an end.
    """
    targets = {target for moves in table.values() for target in moves.values()}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {state.name}' for state in table]
    lines += [f"    [*] --> {state.name}" for state in table if state not in targets]
    for state, moves in table.items():
        for target in dict.fromkeys(moves.values()):
            events = [event.value for event, to in moves.items() if to is target]
            lines.append(f"    {state.name} --> {target.name} : {' / '.join(events)}")
    lines += [
        f"    {state.name} --> [*]" for state, moves in table.items() if not moves
    ]
    return "\n".join([*lines, "```"])


def member_docs(cls: type[Enum]) -> dict[str, str]:
    """Reads the docstrings that stand below the members of an enum."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    class_node = tree.body[0]
    assert isinstance(class_node, ast.ClassDef)
    docs: dict[str, str] = {}
    for node, below in pairwise(class_node.body):
        match node, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
            case _:
                pass
    return docs


def attribute_docs(cls: type[object]) -> dict[str, str]:
    """Reads the section `Attributes:` of a class's docstring."""
    lines = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2].splitlines()
    docs: dict[str, str] = {}
    name = ""
    for line in takewhile(lambda line: line.startswith("    "), lines):
        if match := re.match(r"    (\w+): (.*)", line):
            name, text = match.groups()
            docs[name] = text
        else:
            docs[name] += f" {line.strip()}"
    return docs


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _magic() -> str:
    return f"```text\n{PROTOCOL_MAGIC.hex(' ')}\n```"


def _frames() -> str:
    docs = member_docs(Kind)
    rows = [
        (
            kind.value,
            f"`{kind.name}`",
            form.sender,
            "its number" if form.names_stream else "",
            form.sequence,
            form.value,
            f"`{form.body.__name__}`" if form.body else form.payload,
            docs[kind.name],
        )
        for kind, form in FORMS.items()
    ]
    head = ("kind", "name", "sent by", "`stream`", "`sequence`", "`value`", "payload")
    return _table((*head, "meaning"), rows)


def _bodies() -> str:
    users: dict[type[Body], list[str]] = {}
    for kind, form in FORMS.items():
        if form.body is not None:
            users.setdefault(form.body, []).append(f"`{kind.name}`")
    return "\n\n".join(_body(body, names) for body, names in users.items())


def _body(body: type[Body], kinds: list[str]) -> str:
    docs = attribute_docs(body)
    rows = [(f"`{name}`", field.name, docs[name]) for name, field in body.LAYOUT]
    table = _table(("field", "type", "meaning"), rows)
    return f"**`{body.__name__}`**, in {', '.join(kinds)}:\n\n{table}"


def _codes(cls: type[Reason | ChannelKind]) -> str:
    docs = member_docs(cls)
    rows = [(code.value, f"`{code.name}`", docs[code.name]) for code in cls]
    return _table(("code", "name", "meaning"), rows)


def _states(table: Table) -> str:
    docs = member_docs(type(next(iter(table))))
    rows = [(state.value, docs.get(state.name, "")) for state in table]
    return f"{diagram(table)}\n\n{_table(('state', 'meaning'), rows)}"


def _legal_frames() -> str:
    def names(legal: frozenset[int]) -> Iterator[str]:
        return (f"`{kind.name}`" for kind in Kind if kind in legal)

    rows = [(s.value, ", ".join(names(k)) or "none") for s, k in LEGAL_FRAMES.items()]
    return _table(("state of the link", "frames that may come in"), rows)


def _limits() -> str:
    docs = attribute_docs(Config)
    rows = [(f"`{f.name}`", f"`{f.default}`", docs[f.name]) for f in fields(Config)]
    return _table(("option", "default", "meaning"), rows)


SECTIONS: Mapping[str, Callable[[], str]] = {
    "magic": _magic,
    "frames": _frames,
    "bodies": _bodies,
    "reasons": lambda: _codes(Reason),
    "channel-kinds": lambda: _codes(ChannelKind),
    "limits": _limits,
    "link-states": lambda: _states(TRANSITIONS),
    "legal-frames": _legal_frames,
    "session-states": lambda: _states(SESSION_TRANSITIONS),
    "producer-states": lambda: _states(PRODUCER_TRANSITIONS),
}
"""The name of each generated part, and what makes it."""


def main(arguments: list[str]) -> str | None:
    """Does what the command line asks for; returns what is wrong."""
    if arguments == ["--check"]:
        advice = f"{PAGE.name} is out of date: run python docs/{Path(__file__).name}"
        return None if is_current() else advice
    if arguments:
        return f"unknown arguments: {' '.join(arguments)}"
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
