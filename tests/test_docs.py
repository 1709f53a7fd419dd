"""Each block of Python in the documentation runs, and each link leads somewhere.

The blocks of one page run in order, in one namespace and one event loop; a block may
`await` at its top level. A block below the comment `<!-- not run: why -->` is compiled
only. Blocks of other languages, `console` among them, are for the reader alone.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
import inspect
from pathlib import Path
import re
import shlex
import sys
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

import pytest

from tests.leaks import tasks_left
from tests.source import ROOT


PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

FENCE = re.compile(r"( *)(```+)(\S*)\s*$")
NOT_RUN = re.compile(r"<!-- not run: \S.* -->$")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")

README_COMMANDS = re.compile(r"^python3 -m venv .*$", re.MULTILINE)


class Block(NamedTuple):
    """One block of Python in a page."""

    line: int
    text: str
    is_run: bool


def _blocks(page: str) -> Iterator[Block]:
    lines = iter(enumerate(page.splitlines(), 1))
    last = ""
    for number, line in lines:
        if fence := FENCE.match(line):
            indent, ticks, language = fence.groups()
            inside = list(_until(lines, indent, ticks))
            if language == "python":
                text = "\n".join(inside) + "\n"
                yield Block(number, text, NOT_RUN.match(last.strip()) is None)
        last = line.strip() or last


def _until(lines: Iterator[tuple[int, str]], indent: str, ticks: str) -> Iterator[str]:
    for _, line in lines:
        if line == indent + ticks:
            return
        yield line.removeprefix(indent)
    raise AssertionError("a block is never closed")


def _compile(block: Block, path: Path) -> CodeType:
    """Makes tracebacks point at the page."""
    tree = ast.increment_lineno(ast.parse(block.text), block.line)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(tree, str(path), "exec", flags, dont_inherit=True)
    return code


def _run(blocks: list[Block], path: Path, module: ModuleType) -> None:
    with asyncio.Runner() as runner:
        for block in blocks:
            code = _compile(block, path)
            if not block.is_run:
                continue
            result = FunctionType(code, module.__dict__)()
            if inspect.iscoroutine(result):
                runner.run(result)
        assert runner.run(tasks_left()) == []


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module for a page: types are looked up in the module that defines them."""
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return module


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_run(
    path: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every block of Python in a page runs as it stands there."""
    monkeypatch.chdir(tmp_path)
    _run(list(_blocks(path.read_text(encoding="utf-8"))), path, module)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_lead_somewhere(path: Path) -> None:
    """Each relative link of a page names a file that exists."""
    targets = [link.partition("#")[0] for link in LINK.findall(path.read_text("utf-8"))]
    files = [target for target in targets if target and "://" not in target]
    assert [file for file in files if not (path.parent / file).exists()] == []


def test_blocks_are_found(module: ModuleType) -> None:
    """Blocks are found with their line, indented or not, and awaiting or not."""
    page = (
        "# Page\n```python\nimport asyncio\nx = 1\n```\n\n- item\n\n"
        "  ```python\n  async def f():\n      return x + 1\n  y = await f()\n  ```\n"
        "<!-- not run: there is no such module -->\n\n```python\nimport nowhere\n```\n"
        "```console\n$ exit 1\n```\n"
    )
    blocks = list(_blocks(page))
    assert [(block.line, block.is_run) for block in blocks] == [
        (2, True),
        (9, True),
        (16, False),
    ]
    _run(blocks, Path("page.md"), module)
    assert module.y == 2


def test_errors_point_at_the_page(module: ModuleType) -> None:
    """The traceback of a block that fails names the page and its line there."""
    page = "\n\n```python\nx = 1\nx / 0\n```\n"
    with pytest.raises(ZeroDivisionError) as caught:
        _run(list(_blocks(page)), Path("page.md"), module)
    last = caught.traceback[-1]
    assert (str(last.path).endswith("page.md"), last.lineno + 1) == (True, 5)


@pytest.mark.parametrize(
    "page", ["```python\nx = (\n```\n", "<!-- not run: why -->\n```python\n)\n```\n"]
)
def test_blocks_that_are_not_run_are_compiled(page: str, module: ModuleType) -> None:
    """Whether it is run or not, each block is Python."""
    with pytest.raises(SyntaxError):
        _run(list(_blocks(page)), Path("page.md"), module)


def test_the_first_screen_has_the_two_commands() -> None:
    """README gives one line that runs the demo, and one that runs the tests.

    `.ci/run` reads the two from README, each by how it ends.
    """
    commands = README_COMMANDS.findall((ROOT / "README.md").read_text("utf-8"))
    assert [shlex.split(command)[-3:] for command in commands] == [
        ["-m", "comm", "demo"],
        ["pytest", "-n", "auto"],
    ]
