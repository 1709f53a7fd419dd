"""The doctor finds each way in which an installation of `comm` can be broken."""

from __future__ import annotations

from pathlib import Path
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from comm import doctor
from tests.source import ROOT


JUPYTER = "from .base_comm import BaseComm\n__all__ = ['BaseComm']\n"
"""What Jupyter's `comm/__init__.py` amounts to."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder into which the package was installed."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "comm", tmp_path / "comm", ignore=ignore)
    for name, version in (doctor.DEPENDENCIES | doctor.EXTRAS).items():
        _install(tmp_path, name, version)
    _install(tmp_path, "comm_fabric", "0.1.0")
    return tmp_path


def _install(site: Path, name: str, version: str) -> None:
    """Leaves in the folder what an installer leaves there of a distribution."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata)


def _problems(package: Path, *search_path: Path) -> list[str]:
    findings = doctor.examine(package, [str(entry) for entry in search_path])
    return [" ".join(finding) for finding in findings if finding.advice]


def _run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "always", *arguments]
    return subprocess.run(
        command, cwd=site, check=False, capture_output=True, text=True
    )


def test_a_sound_installation_is_sound(site: Path) -> None:
    """Where nothing is wrong the doctor says so, and its exit status is 0."""
    assert _problems(site / "comm", site) == []
    told = _run(site, "-m", "comm", "doctor")
    assert "All sound." in told.stdout
    assert told.returncode == 0


def test_jupyters_distribution_is_found(site: Path) -> None:
    """A distribution called `comm` in the environment is a problem by itself."""
    _install(site, "comm", "0.2.2")
    told = _run(site, "-m", "comm", "doctor")
    assert re.search(r"PROBLEM .*`comm` 0\.2\.2 .* Jupyter's", told.stdout)
    assert "1 problem found." in told.stdout
    assert told.returncode == 1


def test_jupyters_file_beside_ours_is_found(site: Path) -> None:
    """`import comm` warns when `base_comm.py` lies beside it; the doctor explains."""
    assert _run(site, "-c", "import comm").stderr == ""
    (site / "comm" / "base_comm.py").write_text("class BaseComm: ...\n")
    assert "UserWarning: Jupyter's package" in _run(site, "-c", "import comm").stderr
    told = _run(site, "-m", "comm", "doctor")
    assert "base_comm.py belongs to Jupyter's `comm`" in told.stdout
    assert told.returncode == 1


def test_the_doctor_runs_in_jupyters_package(site: Path) -> None:
    """The doctor runs, and explains, when Jupyter's `__init__.py` has replaced ours."""
    (site / "comm" / "base_comm.py").write_text("class BaseComm: ...\n")
    (site / "comm" / "__init__.py").write_text(JUPYTER)
    told = _run(site, "-m", "comm", "doctor")
    assert "__init__.py is not ours" in told.stdout
    assert told.returncode == 1


def test_the_doctor_runs_without_a_package(site: Path) -> None:
    """The doctor runs, and explains, when an uninstaller has removed `__init__.py`.

    `-S` hides this environment: a folder without `__init__.py` comes behind every
    package of its name, and so behind a checkout that is installed for editing.
    """
    (site / "comm" / "__init__.py").unlink()
    told = _run(site, "-S", "-m", "comm", "doctor")
    assert "__init__.py is missing" in told.stdout
    assert told.returncode == 1


@pytest.mark.parametrize("shadow", ["comm.py", "comm/__init__.py"])
def test_a_shadow_is_found(
    site: Path, tmp_path_factory: pytest.TempPathFactory, shadow: str
) -> None:
    """Another `comm` is found if Python would come upon it first, and only then."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / shadow).parent.mkdir(exist_ok=True)
    (elsewhere / shadow).touch()
    (problem,) = _problems(site / "comm", elsewhere, site)
    assert f"{elsewhere / shadow} is imported instead" in problem
    assert _problems(site / "comm", site, elsewhere) == []


def test_another_copy_of_ours_is_no_shadow(site: Path) -> None:
    """A checkout before an installed copy is how one works on the library."""
    assert _problems(site / "comm", ROOT, site) == []


def test_a_missing_dependency_is_found(site: Path) -> None:
    """A dependency that is missing is a problem; an extra that is missing is none."""
    for name, version in (doctor.DEPENDENCIES | doctor.EXTRAS).items():
        shutil.rmtree(site / f"{name}-{version}.dist-info")
    problems = _problems(site / "comm", site)
    assert len(problems) == len(doctor.DEPENDENCIES)
    for problem, name in zip(problems, doctor.DEPENDENCIES, strict=True):
        assert problem.startswith(f"{name} is not installed. Run `pip install")


def test_an_old_dependency_is_found(site: Path) -> None:
    """A dependency is compared as a version, not as a text."""
    (site / "msgpack-1.0.8.dist-info").rename(site / "msgpack-1.0.10.dist-info")
    metadata = site / "msgpack-1.0.10.dist-info" / "METADATA"
    metadata.write_text("Name: msgpack\nVersion: 1.0.10\n")
    assert _problems(site / "comm", site) == []
    metadata.write_text("Name: msgpack\nVersion: 1.0.7rc1\n")
    (problem,) = _problems(site / "comm", site)
    assert "msgpack 1.0.7rc1 is too old" in problem


def test_an_old_python_is_found(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    """A Python that is too old is told as such."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    (problem,) = _problems(site / "comm", site)
    assert "Use Python 3.11 or newer." in problem


def test_the_doctor_knows_what_the_project_requires() -> None:
    """The doctor's tables of requirements are those of `pyproject.toml`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [f"{name}>={oldest}" for name, oldest in doctor.DEPENDENCIES.items()]
    optional = [f"{name}>={oldest}" for name, oldest in doctor.EXTRAS.items()]
    assert required == project["dependencies"]
    assert optional == project["optional-dependencies"]["msgspec"]
    assert (
        project["requires-python"] == f">={doctor.PYTHON_MIN[0]}.{doctor.PYTHON_MIN[1]}"
    )
