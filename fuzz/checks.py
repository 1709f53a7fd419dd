"""What is looked at beside the oracles: behind each action, and at the end."""

from __future__ import annotations

from comm.errors import Error
from comm.mpsc import Batch
from comm.sim.items import cut_items, read_header
from comm.sim.machine import MachineCluster, Node, Sink, Source
from comm.sim.watcher import Watcher
from comm.statistics import ProducerStatistics
from fuzz.model import Conversation


__all__ = ["Witness", "check_accounts", "check_queries"]


class Witness(Watcher):
    """Writes down who received what of whom, and holds it against the model."""

    def __init__(self) -> None:
        self._conversations: dict[tuple[int, int], Conversation] = {}
        self._told: dict[int, Error] = {}

    def source_failed(self, source: Source, error: Error) -> None:
        """Something went wrong, and the application of the source knows."""
        self._told[source.name] = error

    def handed_out(
        self, sink: Sink, batch: Batch, first: int, count: int, data: bytes
    ) -> None:
        """An application has received items."""
        cluster = sink.node.cluster
        if _is_tainted(cluster, sink.node.index, batch.node_id):
            return
        for item in cut_items(data, count):
            header = read_header(item)
            assert header.size == len(item), (sink.name, first, count, header)
            source = cluster.sources[header.source]
            self._between(source, sink).receive([item])

    def check_end(self, cluster: MachineCluster) -> None:
        """All has come to rest: nothing is missing without a word."""
        for source in cluster.sources:
            for sink in cluster.sinks:
                if self._must_be_whole(source, sink):
                    self._between(source, sink).require_whole()

    def _between(self, source: Source, sink: Sink) -> Conversation:
        key = (source.name, sink.name)
        known = self._conversations.get(key)
        if known is None:
            name = f"source {source.name} to sink {sink.name}"
            known = self._conversations[key] = Conversation(name, source.accepted)
        return known

    def _must_be_whole(self, source: Source, sink: Sink) -> bool:
        if sink.sender is None or source.sender != sink.sender or sink.is_closed:
            return False
        cluster, lives = source.node.cluster, source.node.is_alive
        if not lives or not sink.node.is_alive or source.name in self._told:
            return False
        if _is_tainted(cluster, source.node.index, sink.node.index):
            return False
        group = [each for each in cluster.sinks if each.group == sink.group]
        receives = all(each.pace.items or not each.is_alive for each in group)
        return receives and source.is_finished and not source.is_aborted


def check_accounts(cluster: MachineCluster) -> None:
    """G2: accepted = delivered + lost + queued, for every producer, at any time."""
    for source in cluster.sources:
        if source.node.is_alive:
            known = source.core.statistics()
            assert known.accepted == len(source.accepted), known
            # A broadcast as a whole counts a loss once for each node that has it.
            for account in known.legs if source.is_broadcast else (known,):
                assert account.accepted == _accounted_for(account), account


def _accounted_for(account: ProducerStatistics) -> int:
    return account.delivered + account.lost + account.queued_items


def check_queries(node: Node) -> None:
    """A query has no side effects, whichever it is."""
    core = node.core
    before = core.fingerprint()
    core.check_invariants()
    for query in (core.statistics, core.undelivered, core.missing, core.next_timeout):
        query()
    for other in range(core.size):
        core.peer(other)
    assert core.fingerprint() == before, "a query has changed something"


def _is_tainted(cluster: MachineCluster, first: int, second: int) -> bool:
    return (min(first, second), max(first, second)) in cluster.tainted
