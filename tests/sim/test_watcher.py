"""Who watches a cluster, and what is told to whom."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from comm.sim import MachineCluster
from comm.sim.machine import Watcher, Watchers
from tests.sim.machines import connect


HOOKS = [name for name in vars(Watcher) if not name.startswith("_")]


def arguments(hook: str) -> list[object]:
    """Returns something for each argument of a hook."""
    parameters = inspect.signature(getattr(Watcher, hook)).parameters
    return [object() for name in parameters if name != "self"]


class Listener(Watcher):
    """Writes down what it was told, by a name of its own."""

    def __init__(self, name: str, told: list[tuple[Any, ...]]) -> None:
        self._name = name
        self._told = told

    def audit(self) -> None:
        self._told.append((self._name, "audit"))

    def heard_late(self, node: int, peer: int, late_ns: int) -> None:
        self._told.append((self._name, node, peer, late_ns))


class Silent(Watcher):
    """Overrides nothing."""


@pytest.mark.parametrize("hook", HOOKS)
def test_a_watcher_does_nothing_with_what_it_sees(hook: str) -> None:
    """Each hook can be called, with nobody or with somebody behind it who is not
    interested; and nothing is told to the latter at all."""
    getattr(Watcher(), hook)(*arguments(hook))
    watchers = Watchers([Silent(), Silent()])
    getattr(watchers, hook)(*arguments(hook))
    assert hook not in vars(watchers)


def test_watchers_are_told_what_they_override_in_their_order() -> None:
    """Of several watchers each is told, the first one first, with all that there is
    to be told."""
    told: list[tuple[Any, ...]] = []
    watchers = Watchers([Listener("a", told), Silent(), Listener("b", told)])
    watchers.heard_late(1, 2, 3)
    watchers.audit()
    assert told == [("a", 1, 2, 3), ("b", 1, 2, 3), ("a", "audit"), ("b", "audit")]


def test_a_single_listener_is_called_without_a_detour() -> None:
    """One who is alone in wanting to know is called directly: that is the usual case,
    a million times."""
    listener = Listener("a", [])
    watchers = Watchers([Silent(), listener])
    assert watchers.audit == listener.audit


def test_a_cluster_tells_of_all_that_there_is() -> None:
    """Every hook is called by some cluster: none is there in vain."""
    called: dict[str, None] = {}

    def note(hook: str) -> Any:
        return lambda self, *args: called.setdefault(hook)

    everything = type("Everything", (Watcher,), {hook: note(hook) for hook in HOOKS})
    with MachineCluster(3, watchers=[everything()]) as cluster:
        cluster.meet()
        sink, closed = cluster[0].open(max_producers=2), cluster[0].open()
        good, _ = (connect(cluster[node], sink) for node in (1, 2))
        cluster.run(1.0)
        cluster.pause(0)
        good.offer(count=3, size=20)
        good.flush()
        good.finish()
        cluster.run(8.0)  # Long enough for node 1 to give the connection up.
        cluster.resume(0)
        cluster.run_until(lambda: sink.received == 3)
        cluster.crash(2, dark=False)
        orphan = connect(cluster[1], closed)
        closed.close()
        cluster.run_until(lambda: orphan.error is not None and sink.is_ended)
        cluster[0].leave()
    assert [hook for hook in HOOKS if hook not in called] == []
