"""The package as text: each of its modules with its syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple


__all__ = ["MODULES", "ROOT", "Module"]

ROOT = Path(__file__).parents[1]


class Module(NamedTuple):
    """One file of the package."""

    name: str
    tree: ast.Module
    lines: int

    @property
    def part(self) -> str:
        """The module or package directly below `comm` to which it belongs."""
        return ".".join(self.name.split(".")[:2])


def _load(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name, ast.parse(text), text.count("\n"))


MODULES = {each.name: each for each in map(_load, sorted(ROOT.glob("comm/**/*.py")))}
