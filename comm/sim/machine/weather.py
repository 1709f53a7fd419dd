"""`Weather`: for how long which ways are worse than they usually are."""

from __future__ import annotations

from collections.abc import Callable

from comm.sim.network import Conditions, Installed, Network, Rule


__all__ = ["Weather"]

_Worse = Callable[[Conditions], Conditions]


class Weather:
    """What befalls the ways between hosts for a time.

    Several things may befall a way at once, and end in any order: what it is like is
    worked out anew from what it usually is.

    Args:
        network: The network.
        usual: What its paths usually are like.
    """

    __slots__ = ("_network", "_rules", "_usual", "_worse")

    def __init__(self, network: Network, usual: Conditions) -> None:
        self._network = network
        self._usual = usual
        self._worse: list[tuple[object, _Worse, int | None]] = []
        self._rules: list[tuple[object, Installed]] = []

    def worsen(self, owner: object, worse: _Worse, node: int | None) -> bool:
        """Makes all ways to and from a node worse, or all ways.

        Returns:
            Whether any of them is another one for it.
        """
        before = [path.conditions for path in self._network.paths]
        self._worse.append((owner, worse, node))
        self._refresh()
        return before != [path.conditions for path in self._network.paths]

    def improve(self, owner: object) -> None:
        """Takes back what the owner has made worse."""
        self._worse = [entry for entry in self._worse if entry[0] is not owner]
        self._refresh()

    def hold(self, owner: object, rule: Rule) -> None:
        """Installs a rule for single packets."""
        self._rules.append((owner, self._network.rules.add(rule)))

    def drop(self, owner: object) -> None:
        """Removes the owner's rule."""
        for held, installed in self._rules:
            if held is owner:
                installed.remove()
        self._rules = [entry for entry in self._rules if entry[0] is not owner]

    def clear(self, usual: Conditions | None = None) -> None:
        """Takes everything back, and may change what ways usually are like."""
        self._usual = usual or self._usual
        self._worse.clear()
        for _, installed in self._rules:
            installed.remove()
        self._rules.clear()
        self._refresh()

    def _refresh(self) -> None:
        for (source, target), path in self._network.ways:
            conditions = self._usual
            for _, worse, node in self._worse:
                if node is None or node in {source, target}:
                    conditions = worse(conditions)
            path.conditions = conditions
