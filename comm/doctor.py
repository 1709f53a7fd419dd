"""`python -m comm doctor`: is this installation sound, and if not, what is to be done?

Two distributions own the folder `comm`: ours, which is called `comm-fabric`, and
Jupyter's, which is called `comm`. Whichever was installed last has overwritten the
other's `comm/__init__.py`, and uninstalling one removes a file of the other. This
module therefore imports nothing but the standard library: it must still run when
`comm/__init__.py` is not ours, or is not there at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
import platform
import re
import sys
from typing import NamedTuple


__all__ = ["DEPENDENCIES", "EXTRAS", "PYTHON_MIN", "Finding", "examine", "main"]

PYTHON_MIN = (3, 11)

DEPENDENCIES = {"msgpack": "1.0.8", "sortedcontainers": "2.4"}
"""What must be installed, each with the oldest version that will do."""

EXTRAS = {"msgspec": "0.18.6"}
"""What may be installed, each with the oldest version that will do."""

_SEPARATE = (
    "Give each an environment of its own. If this one is to be ours, run "
    "`pip uninstall -y comm comm-fabric` and install `comm-fabric` again."
)

_REINSTALL = "Install `comm-fabric` again, with `pip install --force-reinstall`."


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        text: What was found.
        advice: What to do about it; empty if it is as it should be.
    """

    text: str
    advice: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints what was found, and returns 0 if all of it is sound, else 1.

    Args:
        argv: The command line behind `doctor`; `sys.argv[1:]` if left out.
    """
    argparse.ArgumentParser(
        prog="python -m comm doctor",
        description="Checks this installation, and explains what is wrong with it. "
        "The exit status is 0 if it is sound, and 1 if it is not.",
    ).parse_args(argv)
    findings = examine(Path(__file__).parent, [str(Path.cwd()), *sys.path])
    for text, advice in findings:
        print(f"PROBLEM {text}\n        {advice}" if advice else f"ok      {text}")
    count = sum(bool(finding.advice) for finding in findings)
    print(f"\n{count} problem{'s' * (count != 1)} found." if count else "\nAll sound.")
    return 1 if count else 0


def examine(package: Path, search_path: Sequence[str]) -> list[Finding]:
    """Looks at everything that has to be right for `import comm` to work.

    Args:
        package: The folder of the package `comm` to be examined.
        search_path: Where Python looks for modules, in order.
    """
    return [
        _examine_python(),
        _examine_ourselves(package, search_path),
        _examine_jupyter(package, search_path),
        _examine_init(package),
        *_examine_shadows(package, search_path),
        *_examine_requirements(search_path),
    ]


def _examine_python() -> Finding:
    oldest = ".".join(map(str, PYTHON_MIN))
    if sys.version_info < PYTHON_MIN:
        return Finding(
            f"Python {platform.python_version()} is too old.",
            f"Use Python {oldest} or newer.",
        )
    return Finding(f"Python {platform.python_version()} ({sys.executable})")


def _examine_ourselves(package: Path, search_path: Sequence[str]) -> Finding:
    version = _version("comm-fabric", search_path) or "(not installed: a checkout)"
    return Finding(f"comm-fabric {version} in {package}")


def _examine_jupyter(package: Path, search_path: Sequence[str]) -> Finding:
    version = _version("comm", search_path)
    if version is not None:
        return Finding(
            f"The distribution `comm` {version} is installed in this environment. It "
            "is Jupyter's, and owns the same folder as `comm-fabric`.",
            _SEPARATE,
        )
    if (package / "base_comm.py").exists():
        return Finding(
            f"{package / 'base_comm.py'} belongs to Jupyter's `comm`, which was "
            "installed into the same folder.",
            _SEPARATE,
        )
    return Finding("no trace of Jupyter's `comm`, which owns the same folder")


def _examine_init(package: Path) -> Finding:
    init = package / "__init__.py"
    if not init.exists():
        return Finding(
            f"{init} is missing: uninstalling Jupyter's `comm` removes it.",
            _REINSTALL,
        )
    if "SwitchboardCore" not in init.read_text(encoding="utf-8", errors="replace"):
        return Finding(
            f"{init} is not ours: Jupyter's `comm` was installed later.",
            _SEPARATE,
        )
    return Finding(f"{init} is ours")


def _examine_shadows(package: Path, search_path: Sequence[str]) -> Iterator[Finding]:
    """Whatever is called `comm` and stands before us is imported in our place."""
    for entry in dict.fromkeys(Path(entry).resolve() for entry in search_path):
        if (entry / "comm").resolve() == package.resolve():
            return
        if (entry / "comm" / "doctor.py").exists():
            continue  # Another copy of ours, say an installed one behind a checkout.
        for shadow in (entry / "comm" / "__init__.py", entry / "comm.py"):
            if shadow.exists():
                yield Finding(
                    f"{shadow} is imported instead of {package}: Python looks in "
                    f"{entry} first.",
                    "Rename it, or start Python from another folder.",
                )


def _examine_requirements(search_path: Sequence[str]) -> Iterator[Finding]:
    for name, oldest in (DEPENDENCIES | EXTRAS).items():
        version = _version(name, search_path)
        if version is None and name in EXTRAS:
            yield Finding(f"{name} is not installed; it is optional")
        elif version is None:
            advice = f"Run `pip install '{name}>={oldest}'`."
            yield Finding(f"{name} is not installed.", advice)
        elif _release(version) < _release(oldest):
            advice = f"Run `pip install '{name}>={oldest}'`."
            yield Finding(f"{name} {version} is too old.", advice)
        else:
            yield Finding(f"{name} {version}")


def _version(distribution: str, search_path: Sequence[str]) -> str | None:
    found = metadata.distributions(name=distribution, path=list(search_path))
    return next((each.version for each in found), None)


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: what a lower bound compares."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))
