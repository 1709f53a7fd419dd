"""The properties of bytes: of parsers, and of whole nodes that are fed hostile ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from fuzz.conversations import conversations, is_answer, vectors
from fuzz.mutations import Mutation, mutate, mutations
from fuzz.parsers import check_any, check_connection
from fuzz.scene import FRIEND, TARGET, Scene
from fuzz.tally import TALLY


__all__ = ["Attack", "attacks", "inputs", "nodes_withstand", "parsers_withstand"]


@dataclass(frozen=True, slots=True)
class Attack:
    """One connection of somebody who is up to no good.

    Attributes:
        conversation: What is said, before it is mutated: one of `conversations`, by
            any number.
        mutations: What is done to it.
        bytes_max: How many bytes arrive at once; 0 for whole pieces.
        pause_ms: How long is paused between pieces.
        is_ended: Whether the connection is closed at the end.
    """

    conversation: int
    mutations: tuple[Mutation, ...]
    bytes_max: int = 0
    pause_ms: int = 0
    is_ended: bool = False

    @property
    def original(self) -> Sequence[bytes]:
        """What is said, before it is mutated."""
        known = conversations()
        return known[self.conversation % len(known)]

    @property
    def is_answer(self) -> bool:
        """Whether it is what somebody says whom node 0 has called."""
        return is_answer(self.original)


def _attack(scene: Scene, attack: Attack) -> None:
    link = _link(scene, is_dialled=attack.is_answer)
    for piece in mutate(attack.original, attack.mutations):
        for data in _cut(piece, attack.bytes_max):
            scene.core.handle_data(link, data, scene.now)
            scene.settle()
        scene.talk()
        scene.check()
        TALLY["pieces let in"] += scene.is_let_in(link)
        scene.wait(attack.pause_ms / 1000)
    if attack.is_ended:
        scene.core.handle_closed(link, scene.now)
        scene.check()


def _link(scene: Scene, *, is_dialled: bool) -> int:
    """Returns a new connection, made by node 0 if it wants one and that is asked."""
    if not scene.dialled:
        scene.wait(1.0)
    if is_dialled and scene.dialled:
        _, link = scene.dialled.pop()
        scene.core.handle_connected(link, scene.now)
        scene.settle()
        return link
    while scene.dialled:
        _, link = scene.dialled.pop()
        scene.core.handle_connect_failed(link, "refused", scene.now)
    link = scene.core.handle_accepted(scene.now)
    scene.settle()
    return link


def _cut(data: bytes, bytes_max: int) -> Iterator[bytes]:
    size = bytes_max or len(data) or 1
    return (data[i : i + size] for i in range(0, len(data), size))


def nodes_withstand(attacks: Sequence[Attack]) -> None:
    """A whole node is fed hostile bytes, before and after whoever sends them is let in:
    nothing raises, it holds no more than it may, and live channels notice nothing."""
    TALLY["attacks"] += len(attacks)
    scene = Scene([TARGET, FRIEND])
    scene.befriend()
    scene.begin()
    scene.check()
    for attack in attacks:
        _attack(scene, attack)
    scene.check_end()


def parsers_withstand(said: bytes, handshakes: int) -> None:
    """Parsers are fed hostile bytes, and read or refuse them; nothing else happens."""
    TALLY["inputs"] += 1
    check_connection(said, handshakes)
    check_any(said)


def attacks() -> st.SearchStrategy[list[Attack]]:
    """Returns a strategy for what `nodes_withstand` takes."""
    attack = st.builds(
        Attack,
        # The first two are long and real, and most of the others are short.
        conversation=st.one_of(st.integers(0, 1), st.integers(0, 150)),
        mutations=_mutations(),
        bytes_max=st.sampled_from((0, 0, 1, 7, 50)),
        pause_ms=st.sampled_from((0, 0, 10, 200, 700)),
        is_ended=st.booleans(),
    )
    return st.lists(attack, min_size=1, max_size=4)


def inputs() -> tuple[st.SearchStrategy[bytes], st.SearchStrategy[int]]:
    """Returns strategies for what `parsers_withstand` takes."""
    said = st.builds(_mutated, st.integers(0, len(vectors()) - 1), _mutations())
    return st.one_of(said, st.binary(max_size=100)), st.integers(0, 3)


def _mutations() -> st.SearchStrategy[tuple[Mutation, ...]]:
    return st.lists(mutations(), max_size=6).map(tuple)


def _mutated(number: int, done: Sequence[Mutation]) -> bytes:
    return b"".join(mutate(vectors()[number], done))
