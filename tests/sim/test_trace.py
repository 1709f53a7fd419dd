"""The trace: every line counts, and two that differ say where and why."""

from __future__ import annotations

import pytest

from comm.sim.trace import Trace


def traced(texts: list[str], *, records: bool = True) -> Trace:
    """Returns a trace with these lines, each caused by the one before."""
    trace = Trace(records=records)
    for number, text in enumerate(texts):
        trace.cause = number - 1
        trace.note(number, "host0", text)
    return trace


TEXTS = [f"line {number}" for number in range(1500)]


def test_a_line_says_when_where_and_what() -> None:
    """A recorded line has the time, the place and the text."""
    assert traced(["starts"]).lines == ("0 host0 starts",)


@pytest.mark.parametrize("number", [0, 511, 512, 1024, 1499])
def test_the_digest_depends_on_every_line(number: int) -> None:
    """Whichever line is another, the digest is another."""
    texts = list(TEXTS)
    texts[number] += "!"
    assert traced(texts).digest != traced(TEXTS).digest


def test_the_digest_depends_on_the_end() -> None:
    """A run that stops earlier has another digest, and so has one with no lines."""
    digests = [traced(TEXTS[:count]).digest for count in (0, 1, 1499, 1500)]
    assert len(set(digests)) == 4


def test_the_digest_does_not_depend_on_being_asked_for() -> None:
    """Looking at a digest on the way changes nothing."""
    trace = Trace()
    for number, text in enumerate(TEXTS):
        trace.note(number, "host0", text)
        if number % 7 == 0:
            assert trace.digest
    assert trace.digest == traced(TEXTS, records=False).digest


def test_lines_do_not_run_together() -> None:
    """Where one line ends and the next begins is part of the history."""
    one, two = Trace(), Trace()
    one.note(1, "a", "b")
    one.note(2, "c", "d")
    two.note(1, "a", "b2 c d")
    assert one.digest != two.digest


def test_recording_changes_no_digest() -> None:
    """A run is the same whether its lines are kept or not, and only then has them."""
    kept, dropped = traced(TEXTS), traced(TEXTS, records=False)
    assert kept.digest == dropped.digest
    assert kept.count == dropped.count == len(kept.lines) == 1500
    assert dropped.lines == ()


def test_the_same_history_has_no_difference() -> None:
    """Two recorded traces with the same lines are the same."""
    assert traced(TEXTS).difference(traced(TEXTS)) is None


def test_a_difference_names_the_first_line_and_its_causes() -> None:
    """Of two traces that part it says the line, and what led to it, on either side."""
    difference = traced(["a", "b", "c", "d"]).difference(traced(["a", "b", "x", "d"]))
    assert difference is not None
    assert difference.number == 2
    assert difference.first == ("2 host0 c", "1 host0 b", "0 host0 a")
    assert difference.second == ("2 host0 x", "1 host0 b", "0 host0 a")
    assert str(difference) == (
        "line 2 differs:\n"
        "  one run:   2 host0 c\n"
        "      because of 1 host0 b\n"
        "      because of 0 host0 a\n"
        "  the other: 2 host0 x\n"
        "      because of 1 host0 b\n"
        "      because of 0 host0 a"
    )


def test_a_trace_that_stops_earlier_differs_at_its_end() -> None:
    """If one is the beginning of the other, the first line too many is named."""
    difference = traced(["a"]).difference(traced(["a", "b"]))
    assert difference is not None
    assert difference.number == 1
    assert difference.first == ("(the end)",)
    assert difference.second == ("1 host0 b", "0 host0 a")


def test_only_the_nearest_causes_are_printed() -> None:
    """A long chain does not bury the line that differs."""
    long = [str(number) for number in range(30)]
    difference = traced(long).difference(traced([*long[:-1], "x"]))
    assert difference is not None
    assert len(difference.first) == 30
    assert len(str(difference).splitlines()) == 1 + 6 + 6


def test_a_line_without_cause_has_no_chain() -> None:
    """Whatever the test itself did follows from nothing."""
    trace = Trace(records=True)
    trace.note(0, "host0", "a")
    trace.note(0, "host0", "b")
    assert trace.causes(1) == []


def test_traces_that_do_not_record_cannot_be_compared() -> None:
    """Without lines nothing could be said, so nothing is."""
    recorded, dropped = traced(["a"]), traced(["a"], records=False)
    for one, other in ((recorded, dropped), (dropped, recorded)):
        with pytest.raises(ValueError, match="record"):
            one.difference(other)
