"""What the package offers: each public name is there, is meant, explains itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
import subprocess
import sys

import pytest

import comm
from comm import errors
from tests.source import MODULES, ROOT, Module


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(tree: ast.Module) -> set[str]:
    """The names without an underscore that a module itself binds at its top level."""
    return {name for name in _bound(tree) if not name.startswith("_")}


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case (
                ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name)
            ):
                yield name
            case ast.Assign(targets=[ast.Name(name)], value=value):
                if not _is_type_variable(value):
                    yield name
            case ast.AnnAssign(target=ast.Name(name)):
                yield name
            case _:
                pass


def _is_type_variable(value: ast.expr) -> bool:
    """`T = TypeVar("T")` has to be a plain name, and is nobody's business."""
    return isinstance(value, ast.Call) and ast.unparse(value.func) in {
        "ParamSpec",
        "TypeVar",
        "TypeVarTuple",
    }


def _undocumented(tree: ast.Module) -> Iterator[str]:
    """The public classes, functions and methods that no sentence introduces."""
    pending: list[tuple[str, ast.AST]] = [("", tree)]
    while pending:
        prefix, node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, Definition) or child.name.startswith("_"):
                continue
            name = f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                pending.append((f"{name}.", child))
            if not _begins_with_a_sentence(child) and not _inherits_its_words(child):
                yield name


def _begins_with_a_sentence(node: Definition) -> bool:
    first = (ast.get_docstring(node) or "").partition("\n\n")[0]
    return first.endswith((".", "?", "!")) and not first[0].islower()


def _inherits_its_words(node: Definition) -> bool:
    """The setter of a property and an overload stand beside the one that explains."""
    decorators = {ast.unparse(each).split(".")[-1] for each in node.decorator_list}
    return bool(decorators & {"overload", "override", "setter"})


def test_the_public_names_are_there() -> None:
    """Whatever `comm.__all__` lists can be had, in alphabetical order."""
    assert comm.__all__ == sorted(comm.__all__)
    for name in comm.__all__:
        assert getattr(comm, name) is not None
        assert name in dir(comm)


def test_every_error_is_public() -> None:
    """`comm` offers the whole tree of errors, and errors are nothing else."""
    assert set(errors.__all__) <= set(comm.__all__)
    for name in errors.__all__:
        assert getattr(comm, name) is getattr(errors, name)
        assert issubclass(getattr(errors, name), errors.Error)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy loading of names does not swallow mistakes."""
    with pytest.raises(AttributeError, match="no attribute 'Switchbord'"):
        _ = comm.Switchbord  # type: ignore[attr-defined]  # the mistake


@pytest.mark.parametrize("source", MODULES.values(), ids=MODULES.keys())
def test_all_is_what_is_public(source: Module) -> None:
    """`__all__` of a module lists every public name that it defines.

    A module offers no other, unless it is a package that gathers those of its modules.
    """
    module = import_module(source.name)
    offered, defined = set(module.__all__), _public(source.tree)
    assert len(offered) == len(module.__all__), "a name is listed twice"
    assert defined <= offered, "list the name, or begin it with an underscore"
    if not hasattr(module, "__path__"):
        assert offered <= defined, "offer a name where it is defined"
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


@pytest.mark.parametrize("source", MODULES.values(), ids=MODULES.keys())
def test_public_things_explain_themselves(source: Module) -> None:
    """Each public class, function and method begins its docstring with a sentence."""
    assert list(_undocumented(source.tree)) == []


def test_what_explains_nothing_is_seen() -> None:
    """The check for docstrings sees those that are missing, or are no sentence."""
    source = "class A:\n    def f(self):\n        '''gives f'''\n    def _g(self): pass"
    assert list(_undocumented(ast.parse(source))) == ["A", "A.f"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["demo", "--help"], ["doctor", "-h"]]
)
def test_the_command_line_explains_itself(arguments: list[str]) -> None:
    """`python -m comm` and its commands tell how they are used."""
    command = [sys.executable, "-m", "comm", *arguments]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "usage: python -m comm" in told.stdout


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_an_unknown_command_is_refused(arguments: list[str]) -> None:
    """The command line names what it knows when it does not know what it was given."""
    command = [sys.executable, "-m", "comm", *arguments]
    told = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert told.returncode == 2
    assert "COMMAND" in told.stderr
