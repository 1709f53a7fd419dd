"""`Partings`: when one side gave a connection up that the other still reads."""

from __future__ import annotations

from comm.sim.network import Endpoint
from comm.sim.world import World


__all__ = ["Partings"]


class Partings:
    """Remembers who has given up which connection, as long as it matters.

    Args:
        world: The world.
    """

    __slots__ = ("_parted", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        # By the connection and the host that still reads: its end, and since when.
        self._parted: dict[tuple[int, int], tuple[Endpoint, int]] = {}

    def __len__(self) -> int:
        return len(self._parted)

    def part(self, endpoint: Endpoint) -> None:
        """The process at this end has nothing to do with the connection any more."""
        self._forget()
        reader = endpoint.far
        key = (reader.number, reader.host.index)
        self._parted[key] = (reader, self._world.now_ns)

    def late_ns(self, endpoint: Endpoint) -> int | None:
        """Returns for how long the other side of what is read here has given the
        connection up; None if it has not."""
        parted = self._parted.get((endpoint.number, endpoint.host.index))
        return None if parted is None else self._world.now_ns - parted[1]

    def _forget(self) -> None:
        self._parted = {
            key: parted for key, parted in self._parted.items() if parted[0].is_open
        }
