"""The guarantees name the tests that hold them, and the tests are there."""

from __future__ import annotations

import ast
from pathlib import Path
import re

import pytest

from tests.source import ROOT


PAGE = ROOT / "docs" / "guarantees.md"

SECTION = re.compile(r"^## (G\d+)\. .*$", re.MULTILINE)
HELD_BY = "**Held by:**"
FILE = re.compile(
    r"^- \[`(tests/[\w/]+\.py)`\]\(\.\./(tests/[\w/]+\.py)\):", re.MULTILINE
)
FUNCTION = re.compile(r"`(test_\w+)`")

PROMISES = [f"G{number}" for number in range(1, 19)]

Named = dict[str, dict[str, list[str]]]
"""For each promise, the files that are named, and the tests in each."""


def _named(page: str) -> Named:
    _, *parts = SECTION.split(page)
    return {
        promise: _tests(text.partition(HELD_BY)[2])
        for promise, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _tests(text: str) -> dict[str, list[str]]:
    _, *parts = FILE.split(text)
    tests: dict[str, list[str]] = {}
    for label, target, names in zip(*(parts[i::3] for i in range(3)), strict=True):
        assert label == target, "a link leads to another file than it says"
        tests[target] = FUNCTION.findall(names)
    return tests


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


@pytest.fixture(scope="module")
def named() -> Named:
    """Returns what the page names."""
    return _named(PAGE.read_text("utf-8"))


def test_every_promise_has_its_section(named: Named) -> None:
    """G1 to G18 each have a section, in this order."""
    assert list(named) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_is_held(promise: str, named: Named) -> None:
    """Each promise names at least one test."""
    assert any(named[promise].values())


@pytest.mark.parametrize("promise", PROMISES)
def test_the_tests_exist(promise: str, named: Named) -> None:
    """Each test that is named is a function of the file that is named."""
    missing = {
        file: sorted(set(names) - _functions(ROOT / file))
        for file, names in named[promise].items()
    }
    assert not any(missing.values()), missing


def test_names_are_found() -> None:
    """The names are read as they stand in the page, over the ends of lines."""
    page = (
        "# Page\n\n## G1. One\n\nNot `test_this`.\n\n**Held by:**\n\n"
        "- [`tests/a.py`](../tests/a.py): `test_b`,\n  `test_c`\n"
        "- [`tests/d/e.py`](../tests/d/e.py): `test_f`\n\n## G2. Two\n\nNothing.\n"
    )
    assert _named(page) == {
        "G1": {"tests/a.py": ["test_b", "test_c"], "tests/d/e.py": ["test_f"]},
        "G2": {},
    }
