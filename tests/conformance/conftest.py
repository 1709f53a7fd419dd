"""The factories over which the conformance suite runs."""

from __future__ import annotations

import pytest

from tests.cluster import ClusterFactory
from tests.wires import FACTORIES


@pytest.fixture(params=sorted(FACTORIES))
def cluster(request: pytest.FixtureRequest) -> ClusterFactory:
    """Returns what makes clusters over one of the transports."""
    return FACTORIES[request.param]
