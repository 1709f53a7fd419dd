from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given, strategies as st
import pytest

from comm.sim.command.sweep.batch import Result
from comm.sim.command.sweep.journal import Journal, JournalError, Known, gaps
from comm.sim.command.sweep.tally import Tally


SWEEP = {"target": "here:there", "check_every": 1}


def _result(first: int, count: int) -> Result:
    tally = Tally(seeds=count, events=10 * count, simulated_s=0.5)
    tally.fired["CutLink"] += count
    tally.failures["G1"] += 1
    return Result(first=first, count=count, tally=tally, found=())


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    """A journal that is opened again has the sums, the failures and the seeds."""
    path = tmp_path / "folder" / "journal"
    known = Known(3, "G1", "lost", "found/3.json")
    first = Journal(path, SWEEP)
    first.add(_result(0, 5), [known])
    first.add(_result(5, 2), [])
    again = Journal(path, SWEEP)
    assert again.tally == first.tally
    assert again.tally.seeds == 7
    assert again.tally.fired == Counter(CutLink=7)
    assert again.known == [known]
    assert again.done == [range(5), range(5, 7)]


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    """What was being written when the process was killed does no harm."""
    path = tmp_path / "journal"
    journal = Journal(path, SWEEP)
    journal.add(_result(0, 5), [])
    journal.add(_result(5, 5), [])
    text = path.read_text()
    path.write_text(text[:-20])
    again = Journal(path, SWEEP)
    assert again.done == [range(5)]
    again.add(_result(5, 5), [])
    assert path.read_text() == text


def test_without_a_file_all_is_in_memory() -> None:
    """A journal without a file adds up all the same."""
    journal = Journal(None, SWEEP)
    journal.add(_result(0, 5), [])
    assert journal.tally.seeds == 5


@pytest.mark.parametrize(
    "text", ["nothing like it\n", '{"sweep": {"target": "other"}}\n']
)
def test_another_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    """A file that is no journal of this sweep is told of, and not touched."""
    path = tmp_path / "journal"
    path.write_text(text)
    with pytest.raises(JournalError, match="is not the journal of this sweep"):
        Journal(path, SWEEP)
    assert path.read_text() == text


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A line in the middle that says nothing sensible is told of."""
    path = tmp_path / "journal"
    Journal(path, SWEEP).add(_result(0, 5), [])
    path.write_text(f"{path.read_text()}[]\n")
    with pytest.raises(JournalError, match="is no journal"):
        Journal(path, SWEEP)


spans = st.tuples(st.integers(0, 60), st.integers(0, 20))


@given(wanted=spans, done=st.lists(spans))
def test_gaps_are_what_is_not_done(
    wanted: tuple[int, int], done: list[tuple[int, int]]
) -> None:
    """Exactly the wanted seeds that were not played are played, each once."""
    known = [range(start, start + size) for start, size in done]
    seeds = range(wanted[0], sum(wanted))
    found = [seed for gap in gaps(seeds, known) for seed in gap]
    assert found == [seed for seed in seeds if not any(seed in k for k in known)]
