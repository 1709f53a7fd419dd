"""The pages that list things list all of them, as they are."""

from __future__ import annotations

from dataclasses import fields
import re
from typing import get_args

from comm import effects, errors, events
from comm.config import Config
from tests.source import ROOT


CONFIG = re.compile(r"<!-- begin config -->(.*)<!-- end config -->", re.DOTALL)
ROW = re.compile(r"^\| `(\w+)`[^|]* \| (.+?) \| (.+) \|$", re.MULTILINE)


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_the_table_of_the_configuration_is_complete() -> None:
    """It has the fields of `Config` in their order, each with its default."""
    table = CONFIG.search(_page("configuration.md"))
    assert table is not None
    rows = [(name, default) for name, default, _ in ROW.findall(table[1])]
    assert rows == [(each.name, f"`{each.default!r}`") for each in fields(Config)]


def test_each_option_is_explained() -> None:
    """Each field of `Config` has a paragraph on when to change it."""
    explained = re.findall(r"\*\*`(\w+)`\*\*", _page("configuration.md"))
    assert explained == [each.name for each in fields(Config)]


def _tree(text: str) -> list[str]:
    """Returns the lines of a tree; the builtin bases may be noted behind them."""
    lines = (line.strip().split(" (also")[0].rstrip() for line in text.splitlines())
    return [line for line in lines if "──" in line]


def test_the_tree_of_errors_is_the_real_one() -> None:
    """The page has the tree of `comm.errors`, line by line."""
    assert _tree(_page("errors.md")) == _tree(errors.__doc__ or "") != []


def test_every_error_is_explained() -> None:
    """Each exception has a row that says who raises it, and what to do."""
    rows = [name for name, _, _ in ROW.findall(_page("errors.md"))]
    assert {*errors.__all__} - {*rows} == {"BrokenError"}


def test_every_event_is_explained() -> None:
    """Each event has a row with its fields, in their order."""
    rows = {name: columns for name, columns, _ in ROW.findall(_page("errors.md"))}
    for event in get_args(events.Event):
        named = re.findall(r"`(\w+)`", rows[event.__name__])
        assert named == [each.name for each in fields(event)]


def test_every_effect_is_explained() -> None:
    """The page for embedders has a row for each effect."""
    rows = re.findall(r"^\| `(\w+)\(", _page("embedding.md"), re.MULTILINE)
    kinds = (*get_args(effects.Request), *get_args(effects.Happening))
    assert sorted(rows) == sorted(kind.__name__ for kind in kinds)
