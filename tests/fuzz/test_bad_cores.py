"""Cores that are wrong on purpose: each is one mistake in the core as it stands."""

from __future__ import annotations

import re

import pytest

from comm.sim.scenario import draw_scenario, play
from fuzz.bad_cores import BAD_CORES, BadCore, Edit


def _methods(core: BadCore) -> list[object]:
    return [vars(edit.owner)[edit.method] for edit in core.edits]


def test_there_are_enough_of_them() -> None:
    """There are many mistakes, each with a name, a sentence, and what it breaks."""
    assert len(BAD_CORES) >= 25
    for name, core in BAD_CORES.items():
        assert core.name == name
        assert core.text.endswith(".")
        assert re.match(r"G\d|[Ll]iveness", core.breaks), core.breaks


@pytest.mark.parametrize("core", BAD_CORES.values(), ids=BAD_CORES.keys())
def test_a_mistake_can_still_be_made_and_is_taken_back(core: BadCore) -> None:
    """The core still reads as the edits say; behind the block it is what it was."""
    before = _methods(core)
    with core.applied():
        assert all(a is not b for a, b in zip(before, _methods(core), strict=True))
    assert all(a is b for a, b in zip(before, _methods(core), strict=True))


def test_an_edit_that_no_longer_fits_says_so() -> None:
    """A bad core whose line is gone is not silently a good one."""
    (first, *_) = BAD_CORES.values()
    edit = Edit(first.edits[0].owner, first.edits[0].method, "no such line", "pass")
    core = BadCore("stale", "G1", "It changes nothing.", (edit,))
    with pytest.raises(LookupError, match="0 times 'no such line'"), core.applied():
        pass  # pragma: no cover


CAUGHT = {
    "loss-under-way-forgotten": 0,
    "one-too-many": 0,
    "parked-items-lost": 0,
    "chunk-begins-late": 1,
    "credit-replaced": 1,
    "credit-returned-twice": 1,
    "end-before-last-item": 1,
    "fin-overtakes-data": 1,
}
"""Bad cores that a seed of the swarm catches, with that seed."""


@pytest.mark.parametrize(("name", "seed"), CAUGHT.items())
def test_the_swarm_catches_it(name: str, seed: int) -> None:
    """An oracle, or the liveness phase, notices the mistake; the real core passes."""
    scenario = draw_scenario(seed)
    assert play(scenario, check_every=0).failure is None
    with BAD_CORES[name].applied():
        assert play(scenario, check_every=0).failure is not None
