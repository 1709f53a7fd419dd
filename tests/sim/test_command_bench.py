from __future__ import annotations

import pytest

from comm.sim.command.bench.workloads import WORKLOADS
from tests.sim.commands import run_here


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_workload_can_be_measured(name: str) -> None:
    """A workload gives its figures beside its target."""
    printed = run_here("bench", name, "--rounds", "1", "--size", "0.01", "--cpu-time")
    assert printed.status == 0
    (row,) = (
        line for line in printed.text.splitlines() if WORKLOADS[name].unit in line
    )
    assert row.split()[0] == name


def test_a_workload_can_be_profiled() -> None:
    """`--profile` prints the functions that take the time, the longest first."""
    printed = run_here("bench", "--profile", "idle", "--size", "0.01")
    assert printed.status == 0
    assert "Ordered by: internal time" in printed.text
    assert "(_step)" in printed.text
