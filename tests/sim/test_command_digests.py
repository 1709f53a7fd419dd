"""The determinism contract: twice in a process, in another one, and in a batch."""

from __future__ import annotations

import json

from comm.sim.scenario import draw_scenario, play
from tests.sim.commands import TARGETS, run_here, run_process


SEEDS = 3


def _digests(first: int, seeds: int, hash_seed: str) -> dict[str, str]:
    arguments = ("--first", str(first), "--seeds", str(seeds))
    printed = run_process("digests", *arguments, PYTHONHASHSEED=hash_seed)
    assert printed.status == 0, printed.text
    digests: dict[str, str] = json.loads(printed.text)
    return digests


def test_a_seed_is_the_same_wherever_it_is_played() -> None:
    """Seeds of the reference swarm have the same digest twice in a process, and behind
    others in processes whose hashes of strings are other ones."""
    here = {str(seed): play(draw_scenario(seed)).digest for seed in range(SEEDS)}
    again = {str(seed): play(draw_scenario(seed)).digest for seed in range(SEEDS)}
    assert again == here
    assert _digests(0, SEEDS, "1") == here
    alone = _digests(SEEDS - 1, 1, "2")
    assert alone.items() <= here.items()


def test_a_batch_of_fifty_changes_nothing() -> None:
    """The last of fifty runs in a process is what it is alone."""
    target = f"{TARGETS}:small"
    printed = run_here("digests", target, "--seeds", "50")
    digests = json.loads(printed.text)
    alone = json.loads(
        run_here("digests", target, "--first", "49", "--seeds", "1").text
    )
    assert digests["49"] == alone["49"]
    assert len(set(digests.values())) == 50


def test_checks_do_not_change_what_happens() -> None:
    """How often cores check themselves is not part of the history."""
    target = f"{TARGETS}:small"
    texts = [
        run_here("digests", target, "--seeds", "2", "--check-every", str(every)).text
        for every in (0, 1, 7)
    ]
    assert texts[0] == texts[1] == texts[2]


def test_a_target_that_is_not_there_is_told() -> None:
    """A name that leads nowhere is told in one line; status 2."""
    assert run_here("digests", "no.such:thing").status == 2
