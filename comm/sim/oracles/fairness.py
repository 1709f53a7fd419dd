"""Fairness: the producers of a channel are served in turn (G17)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from comm.mpsc import Batch, ReceiverCore
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.sink import Sink


__all__ = ["Fairness"]


class Fairness(Oracle):
    """No producer that has something is passed over by another twice in a row."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        # By sink: for each producer that waits, how often each other was served.
        self._passed: dict[int, dict[int, dict[int, int]]] = defaultdict(dict)
        self._waiting: list[int] = []

    def taking(self, sink: Sink) -> None:
        """Takes note of who waits."""
        core = sink.core
        self._waiting = []
        if isinstance(core, ReceiverCore) and len(core.inlets) > 1:
            self._waiting = [i.id for i in core.inlets if i.is_takeable]
        passed = self._passed[sink.name]
        for producer in tuple(passed):
            if producer not in self._waiting:
                del passed[producer]

    def took(self, sink: Sink, batch: Batch) -> None:
        """Whoever waits sees each other at most once before its own turn."""
        passed = self._passed[sink.name]
        passed.pop(batch.producer, None)
        for producer in self._waiting:
            if producer == batch.producer:
                continue
            served = passed.setdefault(producer, {})
            served[batch.producer] = served.get(batch.producer, 0) + 1
            if served[batch.producer] > 1:
                raise Violation(
                    "G17",
                    f"sink {sink.name}: producer {batch.producer} was served twice "
                    f"while producer {producer} waited",
                )
