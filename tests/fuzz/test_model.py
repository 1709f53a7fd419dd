"""The model of the state machine: what it takes for right, and what for wrong."""

from __future__ import annotations

import pytest

from fuzz.model import Conversation, NotHonestError


ITEMS = [b"one", b"two", b"three", b"four"]


def conversation() -> Conversation:
    return Conversation("a source and a sink", ITEMS)


def test_what_was_sent_may_come_in_pieces() -> None:
    """All items, in their order, make a whole conversation."""
    seen = conversation()
    seen.receive(ITEMS[:1])
    seen.receive(ITEMS[1:])
    seen.require_whole()
    assert seen.received == ITEMS


@pytest.mark.parametrize("missing", range(4))
def test_a_gap_is_wrong_only_in_the_end(missing: int) -> None:
    """An item may be missing, at any place, until it is said that all went well."""
    seen = conversation()
    seen.receive(ITEMS[:missing] + ITEMS[missing + 1 :])
    with pytest.raises(NotHonestError, match=rf"\[{missing}\] never came"):
        seen.require_whole()


@pytest.mark.parametrize(
    ("items", "wrong"),
    [
        ([b"one", b"one"], "twice"),
        ([b"one", b"two", b"one"], "twice"),
        ([b"two", b"one"], "behind a later one"),
        ([b"one", b"five"], "never accepted"),
        ([b""], "never accepted"),
    ],
)
def test_nothing_is_invented_doubled_or_swapped(items: list[bytes], wrong: str) -> None:
    """What is received is what was accepted, in that order."""
    with pytest.raises(NotHonestError, match=wrong):
        conversation().receive(items)


def test_what_is_accepted_later_may_come_later() -> None:
    """The list of what was accepted grows while its items arrive."""
    accepted = [b"one"]
    seen = Conversation("a source and a sink", accepted)
    seen.receive([b"one"])
    accepted.append(b"two")
    with pytest.raises(NotHonestError, match="never came"):
        seen.require_whole()
    seen.receive([b"two"])
    seen.require_whole()
