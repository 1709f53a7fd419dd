"""`StreamModel`: the specification of what one receiver may see of one producer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comm.sim.oracles import StreamModel, Violation
from tests.sim.machines import broken


ITEMS = [bytes([65 + number]) * (number + 1) for number in range(10)]


def never(item: int) -> bool:
    del item
    return False


def stream(
    accepted: int = 10, is_excused: Callable[[int], bool] = never
) -> StreamModel:
    return StreamModel("the stream", ITEMS[:accepted], is_excused)


def give(model: StreamModel, first: int, last: int, *, is_fenced: bool = True) -> None:
    """Hands out the items from the first one to the last one."""
    items = range(first, last + 1)
    data = b"".join(ITEMS[first : last + 1])
    model.hand_out(items, data, is_fenced=is_fenced)


def test_items_are_handed_out_in_order() -> None:
    """However they are grouped, the next items are the right ones, and at the end
    nothing is missing."""
    model = stream()
    for first, last in ((0, 0), (1, 4), (5, 5), (6, 9)):
        assert model.missing() == list(range(first, 10))
        give(model, first, last)
        assert model.next == last + 1
    assert model.missing() == []


def test_the_items_may_become_more() -> None:
    """What is accepted later belongs to the stream, too."""
    accepted = ITEMS[:1]
    model = StreamModel("the stream", accepted, never)
    give(model, 0, 0)
    accepted.append(ITEMS[1])
    assert model.missing() == [1]
    give(model, 1, 1)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 2), (2, 3), (2, 2)])
def test_no_item_comes_twice(first: int, last: int) -> None:
    """An item that was handed out is not handed out again, alone or among others."""
    model = stream()
    give(model, 0, 2)
    with broken("G1", "the stream: .* came twice"):
        give(model, first, last)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (3, 5), (9, 9)])
def test_no_item_is_left_out(first: int, last: int) -> None:
    """An item does not come before those that were sent before it."""
    model = stream()
    with broken("G1", r"came, and \[0.*\] did not"):
        give(model, first, last)


@pytest.mark.parametrize(
    ("items", "data"),
    [
        (range(1), b"B"),
        (range(1), b""),
        (range(1), b"AA"),
        (range(2), b"A"),
        (range(2), b"BBA"),
    ],
)
def test_items_come_as_they_were_sent(items: range, data: bytes) -> None:
    """Not a byte is another one, missing or too much."""
    with broken("G1", "came with other bytes"):
        stream().hand_out(items, data, is_fenced=True)


@pytest.mark.parametrize(("first", "last"), [(3, 3), (2, 3), (7, 9)])
def test_nothing_comes_that_was_not_accepted(first: int, last: int) -> None:
    """Whoever was told that an item is not accepted can rely on it."""
    model = stream(accepted=3)
    with broken("G5", "came, never accepted"):
        give(model, first, last)


@pytest.mark.parametrize("lost", [range(3, 4), range(2, 5), range(4, 9)])
def test_nothing_comes_behind_its_report(lost: range) -> None:
    """Once an item was reported as lost it is not handed out any more, not even among
    others."""
    model = stream()
    give(model, 0, 1)
    model.report_lost(lost)
    with broken("G2", "came after .* was reported lost"):
        give(model, 2, 4)


def test_a_report_may_come_too_late_where_there_is_no_fence() -> None:
    """Where nothing is promised about the order of the two, an item may come although
    it was reported."""
    model = stream()
    model.report_lost(range(10))
    give(model, 0, 4, is_fenced=False)
    assert model.missing() == []


def test_a_report_about_what_has_come_is_no_breach() -> None:
    """What was handed out may be reported as lost afterwards: nobody can know."""
    model = stream()
    give(model, 0, 4)
    model.report_lost(range(3, 10))
    assert model.missing() == []


def test_what_was_reported_is_not_missing() -> None:
    """A gap is explained by reports that cover it, and by nothing less."""
    model = stream()
    model.report_lost(range(1))
    model.report_lost(range(1, 3))
    assert model.missing() == list(range(3, 10))
    give(model, 3, 3)
    model.report_lost(range(4, 6))
    with broken("G1", r"came, and \[6\] did not"):
        give(model, 7, 9)


def test_what_is_excused_is_not_missing() -> None:
    """An item that was not meant for this receiver leaves no gap."""
    model = stream(is_excused=lambda item: item % 2 == 0)
    give(model, 1, 1)
    give(model, 3, 3)
    assert model.missing() == [5, 7, 9]
    with broken("G1", r"came, and \[5\] did not"):
        give(model, 7, 7)


@pytest.mark.parametrize("items", [range(2, 4), range(3, 4), range(11)])
def test_nothing_is_lost_that_was_not_accepted(items: range) -> None:
    """A report is about accepted items."""
    with broken("G2", "lost, but never accepted"):
        stream(accepted=3).report_lost(items)


@pytest.mark.parametrize("items", [range(2, 5), range(1, 3), range(4, 6), range(10)])
def test_nothing_is_lost_twice(items: range) -> None:
    """An item is reported once."""
    model = stream()
    model.report_lost(range(2, 5))
    with broken("G2", "lost again"):
        model.report_lost(items)


def test_neighbouring_losses_do_not_overlap() -> None:
    """What ends where the other begins is another loss."""
    model = stream()
    model.report_lost(range(2, 5))
    model.report_lost(range(2))
    model.report_lost(range(5, 7))
    assert model.lost == [range(2, 5), range(2), range(5, 7)]


def test_a_violation_names_its_promise() -> None:
    """The promise is there for programs, and stands in the text for people."""
    violation = Violation("G7", "too much")
    assert violation.promise == "G7"
    assert violation.text == "too much"
    assert str(violation) == "G7: too much"
    assert isinstance(violation, AssertionError)
