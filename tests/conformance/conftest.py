"""The factories over which the conformance suite runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.cluster import ClusterFactory
from tests.wires import FACTORIES, simulated


WORLDS = {f"sim-{seed}": simulated(seed) for seed in range(1, 5)}
"""More simulated worlds, each with latencies and cuts of its own."""


@pytest.fixture(params=sorted(FACTORIES | WORLDS))
def cluster(request: pytest.FixtureRequest) -> ClusterFactory:
    """Returns what makes clusters over one of the transports."""
    return (FACTORIES | WORLDS)[request.param]


@pytest.fixture
def new_event_loop(
    cluster: ClusterFactory,
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Returns what makes event loops in which clusters of that transport can run."""
    return cluster.new_event_loop
