"""The values of `events()`, and `Security`: plain, frozen, comparable."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
import pickle
from typing import get_args

import pytest

from comm import events
from comm.events import Event, LossReport, PeerDown, PeerRestarted, PeerUp, ProducerGone
from comm.security import Security


def examples() -> list[Event | Security]:
    return [
        PeerUp(node_id=1, incarnation=bytes(16), resumed=True),
        PeerDown(node_id=1, reason="silent for 6 s"),
        PeerRestarted(node_id=1, old=bytes(16), new=bytes(15) + b"\x01"),
        LossReport(
            node_id=2, channel=bytes(16), first_sequence=7, count=3, reason="lost"
        ),
        ProducerGone(node_id=2, channel=bytes(16), received=7, reason="lost"),
        Security.insecure(),
    ]


def test_event_names_every_event() -> None:
    """The union `Event` is the classes of the module, each of them exported."""
    classes = [cls.__name__ for cls in get_args(Event)]
    assert sorted(events.__all__) == sorted(["Event", *classes])
    assert {type(example) for example in examples()} == {*get_args(Event), Security}


@pytest.mark.parametrize("example", examples(), ids=lambda e: type(e).__name__)
def test_events_are_values(example: Event | Security) -> None:
    """Each is equal to its copy, hashes alike, survives pickling, and is frozen."""
    twin = pickle.loads(pickle.dumps(example))
    assert twin == example
    assert hash(twin) == hash(example)
    assert not hasattr(example, "__dict__")
    with pytest.raises(FrozenInstanceError):
        setattr(example, fields(example)[0].name, None)


def test_insecure_is_a_mode_by_name() -> None:
    """The mode is what both sides compare, so it has a stable name."""
    assert Security.insecure() == Security("insecure")
    assert Security.insecure().mode == "insecure"
