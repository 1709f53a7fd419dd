from __future__ import annotations

from pathlib import Path
import re

import pytest

from tests.sim.commands import TARGETS, run_process


pytest.importorskip("distributed")


def test_dask_plays_a_sweep(tmp_path: Path) -> None:
    """A client of Dask is an executor: what is submitted can be pickled, and what its
    processes find comes back."""
    options = {
        "n_workers": "1",
        "threads_per_worker": "1",
        "dashboard_address": ":0",
        "processes": "true",
    }
    arguments = ("--seeds", "4", "--batch", "2", "--artifacts", tmp_path / "found")
    made = [f"{name}={value}" for name, value in options.items()]
    given = [part for each in made for part in ("--executor-option", each)]
    printed = run_process(
        "sweep",
        f"{TARGETS}:forgetful",
        *arguments,
        "--executor",
        "distributed.Client",
        *given,
        PYTHONWARNINGS="ignore",
    )
    assert printed.status == 1, printed.text
    assert re.search(r"seeds +4, of which 2 failed", printed.text), printed.text
    assert (tmp_path / "found" / "forgetful-3.json").exists()
