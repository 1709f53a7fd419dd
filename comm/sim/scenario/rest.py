"""The liveness phase: faults stop, some nodes survive, and everything must finish.

It is not enough that nothing wrong is ever done: once the network is whole, all that
was begun must come to its end within a time that can be stated beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comm.sim.faults import Injector
from comm.sim.host import HostState
from comm.sim.machine import EAGER, MachineCluster, Node, Sink, Source, StuckError
from comm.sim.network import Conditions
from comm.sim.world import seconds


__all__ = ["bring_to_rest", "leave"]

_GRACE_S = 30.0
"""What all that remains to be sent may take, in a network in which nothing is wrong."""

_LEAVING_S = 3.0


def bring_to_rest(
    cluster: MachineCluster,
    injector: Injector,
    survivors: Sequence[int],
    *,
    keeps_stalls: bool = False,
) -> None:
    """Ends all faults, and waits until the surviving nodes have nothing left to do.

    Args:
        cluster: The cluster.
        injector: Its faults.
        survivors: The nodes that survive, by any numbers; empty for all.
        keeps_stalls: Whether receivers that do not receive now never will.

    Raises:
        StuckError: If they do not come to rest in time; says what is pending, and why.
    """
    size = len(cluster)
    alive = list(dict.fromkeys(index % size for index in survivors or range(size)))
    cluster.world.note("world", f"comes to rest with {alive}")
    _heal(cluster, injector, alive)
    _let_finish(cluster, keeps_stalls=keeps_stalls)
    longest_s = _longest_s(cluster)
    bound_s = 2 * longest_s + _GRACE_S
    rest = _Rest(cluster, alive)
    deadline_ns = cluster.world.now_ns + seconds(bound_s)
    while not rest.is_reached():
        if cluster.world.now_ns >= deadline_ns:
            pending = "\n".join(rest.pending())
            raise StuckError(
                f"not at rest {bound_s:g} s after everything was healed:\n{pending}\n"
                f"{cluster.pending()}"
            )
        cluster.run(0.25)
        # What slow hosts had still to do may have begun something new.
        _let_finish(cluster, keeps_stalls=keeps_stalls)
    # What was sent to nodes that are dead is lost by then, and nothing comes late. To
    # wait longer shows nothing more, and would be half of what a run takes.
    cluster.run(longest_s)


def leave(cluster: MachineCluster) -> None:
    """Has every node leave in order."""
    cluster.world.note("world", "leaves")
    for node in cluster.live:
        node.leave()
    cluster.run(_LEAVING_S)


def _heal(cluster: MachineCluster, injector: Injector, alive: Sequence[int]) -> None:
    injector.stop()
    cluster.heal()
    cluster.weather.clear(Conditions())
    cluster.tampering.clear()
    for index in range(len(cluster)):
        cluster.resume(index)
        cluster.hosts[index].step_ns = 0
        cluster.drift_clock(index, 0)
        is_wanted = index in alive
        node = cluster.nodes[index]
        if is_wanted and (node is None or node.is_left):
            cluster.restart(index)
        elif not is_wanted and node is not None:
            cluster.crash(index)
    for node in cluster.live:
        node.dial_all()


def _let_finish(cluster: MachineCluster, *, keeps_stalls: bool) -> None:
    for sink in cluster.sinks:
        is_wanted = bool(sink.pace.items) or not keeps_stalls
        if sink.is_alive and is_wanted and sink.pace is not EAGER:
            sink.set_pace(EAGER)
    for source in cluster.sources:
        source.finish()


def _longest_s(cluster: MachineCluster) -> float:
    """Returns within how many seconds every deadline of a core comes, be it one that
    begins when another has come: a node is silent, and then given up."""
    config = cluster.configs[0]
    patience_s = config.silence_s_max + config.handshake_timeout_s
    return config.resume_window_s + patience_s


@dataclass
class _Rest:
    """What a cluster at rest is.

    Attributes:
        cluster: The cluster.
        alive: The nodes that survive.
    """

    cluster: MachineCluster
    alive: Sequence[int]

    def is_reached(self) -> bool:
        """Whether the cluster is at rest."""
        return next(iter(self.pending()), None) is None

    def pending(self) -> list[str]:
        """Returns what is not at rest, for people."""
        found: list[str] = []
        for node in self.cluster.live:
            found += self._missing_links(node)
            if node.host.waiting or node.host.state is not HostState.RUNNING:
                found.append(f"{node.name} is {node.host.state.value}")
        for source in self.cluster.sources:
            if source.node.is_alive and not self._is_done(source):
                known = source.core.statistics()
                found.append(f"source {source.name} on {source.node.name}: {known}")
        return found

    def _missing_links(self, node: Node) -> list[str]:
        peers = [node.core.peer(other) for other in self.alive if other != node.index]
        return [
            f"{node.name} has no link to node {peer.node_id}"
            for peer in peers
            if peer is not None
            and not peer.is_up
            and not self._is_apart(node.index, peer.node_id)
        ]

    def _is_done(self, source: Source) -> bool:
        if source.error is not None or source.is_aborted or self._is_tainted(source):
            return True
        if self._leads_to_a_stall(source):
            return True
        return source.is_finished and source.core.is_delivered

    def _is_apart(self, first: int, second: int) -> bool:
        """Whether an impostor came between two nodes, which have lost each other."""
        return (min(first, second), max(first, second)) in self.cluster.tainted

    def _is_tainted(self, source: Source) -> bool:
        """Whether bytes on its ways were changed, so that nothing is promised."""
        here, sender = source.node.index, source.sender
        if sender is not None:
            return self._is_apart(here, sender.node_id)
        return any(here in pair for pair in self.cluster.tainted)

    def _leads_to_a_stall(self, source: Source) -> bool:
        """Whether somebody who does not receive keeps it from finishing, rightly."""
        return any(
            sink.channel == source.channel and self._is_stalled(sink)
            for sink in self.cluster.sinks
        ) or (source.is_broadcast and self._lacks_a_receiver(source))

    def _is_stalled(self, sink: Sink) -> bool:
        return sink.is_alive and not sink.pace.items

    def _lacks_a_receiver(self, source: Source) -> bool:
        """Whether a node has no receiver of the broadcast, so that its window fills."""
        heard = {
            sink.node.index
            for sink in self.cluster.sinks
            if sink.channel == source.channel and sink.is_alive
        }
        return any(leg.node_id not in heard for leg in source.core.statistics().legs)
