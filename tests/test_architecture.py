"""The house rules that a syntax tree can tell: layers, purity, sizes, order.

The layers and the modules that a pure one may not import stand in one place, the
import-linter contracts of `pyproject.toml`. This test reads them from there and needs
no tool, so that it always runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
import re
import subprocess
import sys
import tomllib

import pytest

from tests.source import MODULES, ROOT, Module


LINES_MAX = 400
FUNCTION_LINES_MAX = 50

PROGRAMS = ("comm", "comm.__main__", "comm.demo", "comm.doctor")
"""The package itself and its programs: above all layers, free to do I/O."""

DRIVERS = ("comm.net", "comm.sim")

Function = ast.FunctionDef | ast.AsyncFunctionDef


PURE = {
    name: module
    for name, module in MODULES.items()
    if module.part not in (*PROGRAMS, *DRIVERS)
}

DETERMINISTIC = {
    name: module
    for name, module in MODULES.items()
    if module.part not in (*PROGRAMS, "comm.net")
}


def each(modules: dict[str, Module]) -> pytest.MarkDecorator:
    """One test for each of the modules."""
    return pytest.mark.parametrize("module", modules.values(), ids=modules.keys())


@cache
def _contracts() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers, purity = settings["tool"]["importlinter"]["contracts"]
    return layers, purity


def _parts(line: str) -> list[str]:
    """The parts of the package that one line of the table names."""
    return re.findall(r"[\w.]+", line)


def _may_import(importer: str, imported: str, table: list[str]) -> bool:
    """Whether one part may import another: from below, or from beside if allowed."""
    if importer in {"comm", imported}:
        return True
    heights = {part: i for i, line in enumerate(table) for part in _parts(line)}
    above, below = heights[importer], heights[imported]
    return above < below or (above == below and ":" in table[above])


def _imports(tree: ast.AST) -> Iterator[str]:
    """The full name of everything that is imported, at whatever depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _part(imported: str) -> str:
    """The part of the package that a name is imported from.

    Of `comm.protocol.layout.Body` that is `comm.protocol`, and of `comm.Error` `comm`.
    """
    part = ".".join(imported.split(".")[:2])
    return part if part in {module.part for module in MODULES.values()} else "comm"


def _forbidden(tree: ast.AST, allowed: frozenset[str]) -> list[str]:
    """What is imported although a pure module may not."""
    roots = {imported.partition(".")[0] for imported in _imports(tree)}
    return sorted(roots & set(_contracts()[1]["forbidden_modules"]) - allowed)


def _sizes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function with its number of lines, less its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0]
                assert docstring.end_lineno is not None
                lines -= docstring.end_lineno - docstring.lineno + 1
            yield node.name, lines


def _unordered(tree: ast.AST) -> list[int]:
    """The lines that walk over a set, whose order differs from run to run."""
    sets = set(_names_of_sets(tree))
    return [
        walked.lineno
        for walked in _walked(tree)
        if _is_set(walked) or _last_name(walked) in sets
    ]


def _names_of_sets(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign):
            annotation = ast.unparse(node.annotation)
            if re.match(r"(frozen)?set\b", annotation):
                yield _last_name(node.target)
        elif isinstance(node, ast.Assign) and _is_set(node.value):
            yield from map(_last_name, node.targets)


def _walked(tree: ast.AST) -> Iterator[ast.expr]:
    walkers = {"dict.fromkeys", "enumerate", "iter", "list", "map", "next", "tuple"}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension):
            yield node.iter
        elif isinstance(node, ast.Starred):
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in walkers:
            yield from node.args


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return _last_name(node.func) in {"frozenset", "set"}
    return isinstance(node, ast.Set | ast.SetComp)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _orders_by_address(tree: ast.AST) -> list[int]:
    """The lines that put in order by `id` or `hash`, which differ from run to run."""
    sorters = {"sorted", "sort", "min", "max", "heappush", "insort"}
    return [
        call.lineno
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _last_name(call.func) in sorters
        for node in ast.walk(call)
        if isinstance(node, ast.Name) and node.id in {"hash", "id"}
    ]


def test_every_part_has_its_place() -> None:
    """Each part of the package is in the table of layers, and each pure one in the
    list of those that do no I/O."""
    parts = {module.part for module in MODULES.values()} - {"comm"}
    layers, purity = _contracts()
    placed = {part for line in layers["layers"] for part in _parts(line)}
    assert parts - placed == set(), "add it to the layers"
    pure = {module.part for module in PURE.values()}
    assert pure == set(purity["source_modules"]), "list it among the pure modules"


@each(MODULES)
def test_imports_go_downwards(module: Module) -> None:
    """A module imports only from the layers below its own."""
    imported = {_part(name) for name in _imports(module.tree) if _is_ours(name)}
    if module.part in PROGRAMS:
        imported.discard("comm")  # They use the package as any program does.
    assert "comm" not in imported, "import from the module that defines the name"
    table = _contracts()[0]["layers"]
    assert [
        part for part in sorted(imported) if not _may_import(module.part, part, table)
    ] == []


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "comm"


@each(PURE)
def test_the_core_is_pure(module: Module) -> None:
    """A pure module imports nothing that does I/O, tells the time or draws lots."""
    exceptions = _contracts()[1]["ignore_imports"]
    pairs = [exception.split(" -> ") for exception in exceptions]
    allowed = frozenset(target for source, target in pairs if source == module.name)
    assert _forbidden(module.tree, allowed) == []


@each(MODULES)
def test_files_and_functions_are_small(module: Module) -> None:
    """No file has more than 400 lines, and no function more than 50."""
    assert module.lines <= LINES_MAX
    long = {name: n for name, n in _sizes(module.tree) if n > FUNCTION_LINES_MAX}
    assert long == {}


@each(MODULES)
def test_every_module_says_what_it_offers(module: Module) -> None:
    """Every module has a docstring and an `__all__`."""
    assert ast.get_docstring(module.tree)
    assert "__all__" in {
        _last_name(target)
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }


@each(DETERMINISTIC)
def test_order_does_not_differ_from_run_to_run(module: Module) -> None:
    """Core and simulator never walk over a set, nor order by address or hash."""
    assert _unordered(module.tree) == [], "use a dict as an ordered set, or sort it"
    assert _orders_by_address(module.tree) == [], (
        "use a number that the core has issued"
    )


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "z = [x for x in {a for a in b}]",
        "z = [*{1, 2}]",
        "z: set[int] = f()\nfor x in z: pass",
        "self.z = set()\nfor x in self.z: pass",
        "z: frozenset[int]\ny = list(z)",
    ],
)
def test_walks_over_sets_are_seen(source: str) -> None:
    """The check for walks over sets finds those that there are."""
    assert _unordered(ast.parse(source)) != []
    assert _unordered(ast.parse("z: set[int]\nfor x in sorted(z): pass")) == []


def test_impurity_is_seen() -> None:
    """The check for impure imports finds one that is hidden in a function."""
    tree = ast.parse("import struct\ndef f():\n    from os import path, sep")
    assert _forbidden(tree, frozenset()) == ["os"]
    assert _forbidden(tree, frozenset({"os"})) == []


def test_upward_imports_are_seen() -> None:
    """The check for layers knows up from down, and beside from beside."""
    table = ["comm.net | (comm.sim)", "comm.a : comm.b", "comm.errors"]
    assert _may_import("comm.net", "comm.errors", table)
    assert _may_import("comm.a", "comm.b", table)
    assert _may_import("comm.a", "comm.a", table)
    assert not _may_import("comm.a", "comm.net", table)
    assert not _may_import("comm.sim", "comm.net", table)


def test_orders_by_address_are_seen() -> None:
    """The check for orders by address lets identity be used for anything else."""
    assert _orders_by_address(ast.parse("y = sorted(x, key=id)")) == [1]
    assert _orders_by_address(ast.parse("x.sort(key=lambda y: hash(y))")) == [1]
    assert _orders_by_address(ast.parse("z = seen[id(x)]")) == []


def test_importing_comm_loads_no_driver() -> None:
    """`import comm` loads neither asyncio nor anything else that does I/O."""
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); "
        "import comm; print(*(set(sys.modules) - before))"
    )
    command = [sys.executable, "-I", "-W", "error", "-c", code, str(ROOT)]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True)
    modules = set(loaded.stdout.split())
    assert "comm.errors" in modules
    banned = {
        "asyncio",
        "concurrent",
        "logging",
        "random",
        "socket",
        "ssl",
        "threading",
    }
    assert modules & banned == set()
