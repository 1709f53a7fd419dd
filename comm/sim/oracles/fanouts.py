"""Fan-outs: all members see the same sequence (G16)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from comm.mpsc import Batch
from comm.sim.oracles.model import Violation
from comm.sim.oracles.oracle import Oracle


if TYPE_CHECKING:
    from comm.sim.machine import MachineCluster
    from comm.sim.machine.sink import Sink


__all__ = ["Fanouts"]

_Name = tuple[int, int, int]


class Fanouts(Oracle):
    """Holds what each member takes against what the first one took at that place."""

    def __init__(self, cluster: MachineCluster) -> None:
        super().__init__(cluster)
        self._sequences: dict[int, list[_Name]] = defaultdict(list)
        self._places: dict[int, int] = defaultdict(int)

    def took(self, sink: Sink, batch: Batch) -> None:
        """The batch must be the one that others took at the same place."""
        if sink.group == sink.name:
            return
        sequence, place = self._sequences[sink.group], self._places[sink.name]
        self._places[sink.name] = place + 1
        name = (batch.producer, batch.sequence, batch.count)
        if place == len(sequence):
            sequence.append(name)
        elif sequence[place] != name:
            raise Violation(
                "G16", f"sink {sink.name} took {name}, others {sequence[place]}"
            )
