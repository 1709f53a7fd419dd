"""What the state machine looks at beside the oracles, and that it sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from comm.mpsc import ProducerCore
from comm.sim import MachineCluster
from comm.sim.machine import Source
from comm.switchboard import SwitchboardCore
from fuzz.checks import Witness, check_accounts, check_queries
from fuzz.model import NotHonestError


def talk(witness: Witness) -> tuple[MachineCluster, Source]:
    """Has node 1 send ten items to node 0."""
    cluster = MachineCluster(2, watchers=[witness], oracles=False)
    sink = cluster[0].open()
    sender = sink.sender
    assert sender is not None
    source = cluster[1].connect(sender)
    source.offer(10, 20)
    source.finish()
    cluster.run_until(lambda: sink.received == 10)
    return cluster, source


def test_what_goes_well_is_not_complained_of() -> None:
    """Accounts are balanced, queries change nothing, and all that was sent came."""
    witness = Witness()
    cluster, _ = talk(witness)
    check_accounts(cluster)
    for node in cluster.live:
        check_queries(node)
    witness.check_end(cluster)


def test_items_that_never_came_are_missed() -> None:
    """A source that knows of nothing wrong has delivered everything it accepted."""
    witness = Witness()
    cluster, source = talk(witness)
    source.accepted.append(b"one more")
    with pytest.raises(NotHonestError, match=r"\[10\] never came"):
        witness.check_end(cluster)


@pytest.mark.parametrize("name", ["accepted", "delivered", "lost", "queued_items"])
def test_a_wrong_account_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the four numbers is held against the other three."""
    cluster, _ = talk(Witness())
    statistics = ProducerCore.statistics

    def wrong(self: ProducerCore) -> Any:
        known = statistics(self)
        return replace(known, **{name: getattr(known, name) + 1})

    monkeypatch.setattr(ProducerCore, "statistics", wrong)
    with pytest.raises(AssertionError):
        check_accounts(cluster)


@pytest.mark.parametrize(
    "query", ["statistics", "undelivered", "missing", "next_timeout"]
)
def test_a_query_with_side_effects_is_seen(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked, the fingerprint of the core stays as it was."""
    cluster, _ = talk(Witness())
    asked: Callable[[SwitchboardCore], object] = getattr(SwitchboardCore, query)

    def wrong(self: SwitchboardCore) -> object:
        self._fabric.next_id()
        return asked(self)

    monkeypatch.setattr(SwitchboardCore, query, wrong)
    with pytest.raises(AssertionError, match="a query has changed something"):
        check_queries(cluster[0])
