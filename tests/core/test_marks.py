"""Coverage marks: each is somewhere in the core, and counted only when asked for."""

from __future__ import annotations

import ast

from comm.marks import Mark, counted, reached
from tests.source import MODULES


def _marks_in_the_core() -> list[str]:
    return [
        node.attr
        for module in MODULES.values()
        if module.name != "comm.marks"
        for call in ast.walk(module.tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "reached"
        for node in ast.walk(call)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Mark"
    ]


def test_every_mark_is_on_a_path_of_the_core() -> None:
    """A mark that nothing reaches would fail every campaign, and one that is reached in
    several places would tell nothing."""
    assert sorted(_marks_in_the_core()) == sorted(mark.name for mark in Mark)


def test_marks_are_counted_only_inside_the_context() -> None:
    """What comes before, after, or inside an inner context is not counted."""
    reached(Mark.SILENT)
    with counted() as outer:
        reached(Mark.SILENT)
        with counted() as inner:
            reached(Mark.SILENT)
            reached(Mark.FENCED)
        reached(Mark.SILENT)
    reached(Mark.SILENT)
    assert outer == {Mark.SILENT: 2}
    assert inner == {Mark.SILENT: 1, Mark.FENCED: 1}
