"""Plans of faults, how they are carried out, and what all kinds have in common."""

from __future__ import annotations

import ast
from itertools import permutations
from pathlib import Path

import pytest

from comm.sim import MachineCluster
from comm.sim.faults import (
    CATALOGUE,
    Bridge,
    Clog,
    Corrupt,
    CutLink,
    Delay,
    DriftClock,
    FailNames,
    Fault,
    FaultPlan,
    FillBacklog,
    Fragment,
    HalfOpenLink,
    Impersonate,
    Injector,
    Intrude,
    Isolate,
    Kill,
    Leave,
    Lose,
    MixVersions,
    OneWay,
    Partition,
    Pause,
    PowerCut,
    RefuseConnections,
    ReorderConnections,
    ShrinkBuffers,
    SilenceLink,
    SlowDown,
    StepClock,
    SwallowConnections,
    SwizzleClog,
    Throttle,
    TruncateLink,
)
from comm.sim.faults.hosts import _Absence
from comm.sim.faults.paths import _Block, _Worsen
from comm.sim.world import MS, SECOND


ALL = [(0, 1), (0, 2), (1, 2)]
NONE: list[tuple[int, int]] = []
OF_ONE = [(0, 1), (1, 2)]

KINDS: list[tuple[Fault, list[tuple[int, int]], list[int]]] = [
    (CutLink(at_ns=1, a=4, b=0), [(0, 1)], []),
    (SilenceLink(at_ns=1, a=0, b=1), [(0, 1)], []),
    (HalfOpenLink(at_ns=1, a=2, b=1), [(1, 2)], []),
    (TruncateLink(at_ns=1, a=1, b=0, offset=30), [(0, 1)], []),
    (Partition(at_ns=1, left=(1,)), OF_ONE, []),
    (Isolate(at_ns=1, node=4), OF_ONE, []),
    (OneWay(at_ns=1, source=2, target=0), [(0, 2)], []),
    (Bridge(at_ns=1, node=1), [(0, 2)], []),
    (Clog(at_ns=1, source=2, target=0), [(0, 2)], []),
    (SwizzleClog(at_ns=1, order=(1,)), OF_ONE, []),
    (Delay(at_ns=1, base_ns=9 * MS, node=1), OF_ONE, []),
    (Lose(at_ns=1, permille=9), ALL, []),
    (Throttle(at_ns=1, bytes_per_s=900, node=4), OF_ONE, []),
    (Fragment(at_ns=1, permille=9), NONE, []),
    (ShrinkBuffers(at_ns=1, send_bytes=90, receive_bytes=80), NONE, []),
    (RefuseConnections(at_ns=1, node=1), OF_ONE, []),
    (SwallowConnections(at_ns=1, node=4), OF_ONE, []),
    (FailNames(at_ns=1, node=1), OF_ONE, []),
    (FillBacklog(at_ns=1, node=1, backlog=3), OF_ONE, []),
    (ReorderConnections(at_ns=1, delay_ns=9), ALL, []),
    (PowerCut(at_ns=1, node=1), OF_ONE, []),
    (Kill(at_ns=1, node=1), OF_ONE, []),
    (Leave(at_ns=1, node=1), OF_ONE, []),
    (Pause(at_ns=1, node=4), OF_ONE, [1]),
    (SlowDown(at_ns=1, node=4, step_ns=9), OF_ONE, [1]),
    (DriftClock(at_ns=1, node=4, drift_ppm=9), OF_ONE, [1]),
    (StepClock(at_ns=1, node=4, jump_ns=9), OF_ONE, [1]),
    (Corrupt(at_ns=1, source=1, target=0, bit=9), [(0, 1)], []),
    (Intrude(at_ns=1, node=1), NONE, []),
    (MixVersions(at_ns=1, node=4), OF_ONE, []),
    (Impersonate(at_ns=1, node=1), NONE, []),
]
"""One fault of each kind; which pairs of three nodes it disturbs, and which nodes it
makes uneven."""

FAULTS = [fault for fault, _, _ in KINDS]


def name_of(fault: Fault) -> str:
    return type(fault).__name__


each_kind = pytest.mark.parametrize("fault", FAULTS, ids=name_of)


def test_every_kind_is_here() -> None:
    """The table has one fault of each kind in the catalogue, which lists all kinds
    under their names."""
    assert [name_of(fault) for fault in FAULTS] == [
        *dict.fromkeys(map(name_of, FAULTS))
    ]
    assert sorted(map(name_of, FAULTS)) == sorted(CATALOGUE)
    assert all(kind.__name__ == name for name, kind in CATALOGUE.items())


def test_every_kind_has_a_test_of_what_it_does() -> None:
    """For each kind some test of a module beside this one says in its docstring what it
    does, by name."""
    promised: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("test_faults_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                subjects, _, promise = (ast.get_docstring(node) or "").partition(":")
                promised |= dict.fromkeys(subjects.split(", "), promise)
    assert [name for name in CATALOGUE if not promised.get(name)] == []


@pytest.mark.parametrize(("fault", "pairs", "nodes"), KINDS, ids=map(name_of, FAULTS))
def test_what_a_kind_disturbs(
    fault: Fault, pairs: list[tuple[int, int]], nodes: list[int]
) -> None:
    """A fault says which pairs of nodes it may keep apart, and whose clock or process
    does not run evenly; each once, the lower node first."""
    assert list(fault.disturbs(3)) == pairs
    assert list(fault.unsettles(3)) == nodes


@each_kind
def test_a_fault_is_written_and_read(fault: Fault) -> None:
    """A fault of each kind comes back as it was."""
    plan = FaultPlan([fault])
    read = FaultPlan.from_json(plan.to_json())
    assert read == plan
    assert type(read) is FaultPlan
    assert list(read.kinds()) == [name_of(fault)]


def test_a_plan_is_in_order() -> None:
    """Faults stand in the order of their beginnings, and as given if these are equal;
    and so they come back."""
    late, soon = Kill(at_ns=5, node=0), Pause(at_ns=2, node=1, for_ns=3)
    also_late = Kill(at_ns=5, node=1)
    plan = FaultPlan([late, soon, also_late])
    assert list(plan) == [soon, late, also_late]
    assert FaultPlan.from_json(plan.to_json()) == plan
    assert list(FaultPlan.from_json("[]")) == list(FaultPlan()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"kind": "Flood", "at_ns": 1}]', "'Flood' is no kind; there are .*'Kill'"),
        ('[{"kind": "Kill", "at_ns": 1, "node": 0, "how": 9}]', "no Kill: .*'how'"),
        ('[{"kind": "Kill", "at_ns": 1}]', "no Kill: .*'node'"),
        ('{"kind": "Kill", "at_ns": 1, "node": 0}', "a plan is a list"),
        ("3", "a plan is a list"),
        ("[3]", "3 is no fault"),
        ('[{"at_ns": 1}]', "is no fault"),
        ("[", "Expecting value"),
    ],
)
def test_what_is_no_plan_is_refused(text: str, says: str) -> None:
    """Unknown kinds and fields, and whatever else is no plan, are a ValueError that
    says what is wrong."""
    with pytest.raises(ValueError, match=says):
        FaultPlan.from_json(text)


def test_a_kind_must_say_what_it_does() -> None:
    """The base of all kinds does nothing by itself, and ends and disturbs nothing."""
    fault = Fault(at_ns=0)
    with MachineCluster(1) as cluster:
        with pytest.raises(NotImplementedError):
            fault.begin(cluster)
        fault.end(cluster)
    assert [*fault.disturbs(3), *fault.unsettles(3)] == []


@pytest.mark.parametrize(
    "fault", [_Absence(at_ns=0, node=1), _Block(at_ns=0), _Worsen(at_ns=0)]
)
def test_a_family_of_kinds_does_nothing_by_itself(fault: Fault) -> None:
    """What kinds have in common is no kind."""
    with MachineCluster(2) as cluster, pytest.raises(NotImplementedError):
        fault.begin(cluster)


def condition(cluster: MachineCluster) -> list[object]:
    """Returns everything of a cluster that a fault may change and must give back."""
    network = cluster.network
    return [
        [(path._blocks, path._clogs, path.conditions) for path in network.paths],
        [dict(counts) for counts in (network.refusing, network.swallowing)],
        [dict(counts) for counts in (network.unresolvable, network.backlogs)],
        network.buffers,
        len(network.rules.installed),
        [(host.state, host.step_ns, host.clock.drift_ppm) for host in cluster.hosts],
        [type(tamper).__name__ for tamper in cluster.tampering._tampers],
        [driver.index for _, driver in cluster.impostors._drivers],
    ]


LASTING = [f for f in FAULTS if not isinstance(f, (TruncateLink, Corrupt, SwizzleClog))]
"""Those that give back what they did at a time; SwizzleClog does so step by step, and
the other two are over when they have met something."""


def spans(cluster: MachineCluster, faults: list[tuple[Fault, int, int]]) -> Injector:
    """Plans faults, each from a second to another one."""
    injector = Injector(cluster)
    for fault, since_s, until_s in faults:
        fields = {name: getattr(fault, name) for name in _names(fault)}
        fields |= {"at_ns": since_s * SECOND, "for_ns": (until_s - since_s) * SECOND}
        injector.plan(type(fault)(**fields))
    return injector


def _names(fault: Fault) -> list[str]:
    kinds = type(fault).__mro__
    return [name for kind in kinds for name in getattr(kind, "__slots__", ())]


@pytest.mark.parametrize("fault", LASTING, ids=name_of)
def test_a_fault_is_taken_back_at_its_end(fault: Fault) -> None:
    """What a fault changes it changes for exactly as long as it lasts."""
    with MachineCluster(3, oracles=False) as cluster:
        usual = condition(cluster)
        spans(cluster, [(fault, 1, 5)])
        cluster.run(1.0)
        begun = condition(cluster)
        cluster.run(3.999)
        changed = condition(cluster)
        cluster.run(0.001)
        assert condition(cluster) == usual
        lasts = not isinstance(fault, (CutLink, SilenceLink, HalfOpenLink, Intrude))
        if lasts and not isinstance(fault, (StepClock, Leave)):
            assert usual != begun == changed


@pytest.mark.parametrize("fault", LASTING, ids=name_of)
@pytest.mark.parametrize("until_s", [3, 5, 7])
def test_a_fault_may_overlap_with_its_like(fault: Fault, until_s: int) -> None:
    """Of two equal faults each takes back its own part: as long as one lasts that has
    met with something, things are as it has made them, and afterwards as they were."""
    with MachineCluster(3, oracles=False) as cluster:
        usual = condition(cluster)
        spans(cluster, [(fault, 1, 5), (fault, 2, until_s)])
        cluster.run(10.0)
        assert condition(cluster) == usual


@pytest.mark.parametrize("fault", LASTING, ids=name_of)
def test_one_and_the_same_fault_may_be_planned_twice(fault: Fault) -> None:
    """Where the very same value stands in a plan twice, it begins and ends twice."""
    with MachineCluster(3, oracles=False) as cluster:
        usual = condition(cluster)
        injector = spans(cluster, [(fault, 1, 3)])
        (planned,) = [event[-1][0] for event in injector._planned]
        injector.plan(planned)
        cluster.run(10.0)
        assert condition(cluster) == usual


PROCESS = (PowerCut, Kill, Leave, Pause)
LOOSE = [fault for fault in LASTING if not isinstance(fault, PROCESS)]


def test_faults_of_all_kinds_may_overlap() -> None:
    """Whichever two faults overlap, when the first one has ended things are as the
    second one alone would have made them."""
    for first, second in permutations(LOOSE, 2):
        alone = MachineCluster(3, oracles=False)
        spans(alone, [(second, 2, 9)])
        both = MachineCluster(3, oracles=False)
        spans(both, [(first, 1, 5), (second, 2, 9)])
        alone.run(6.0)
        both.run(6.0)
        assert condition(both) == condition(alone), (first, second)
        both.run(6.0)
        assert condition(both) == condition(MachineCluster(3, oracles=False))


@each_kind
def test_stopping_ends_all_that_lasts(fault: Fault) -> None:
    """When faults are stopped, those that last end at once, with all that they
    disturb, and those that were to come never do."""
    with MachineCluster(3, oracles=False) as cluster:
        usual = condition(cluster)
        injector = spans(cluster, [(fault, 1, 50), (fault, 60, 70)])
        cluster.run(4.0)
        before = injector.fired
        injector.stop()
        cluster.tampering.clear()
        assert condition(cluster) == usual
        calm = cluster.disturbances
        cluster.run(65.0)
        assert calm.calm_ns((0, 1), 5 * SECOND) == 64 * SECOND
        assert not calm.was_uneven(1, 5 * SECOND)
        assert injector.fired == before
        assert condition(cluster) == usual


def test_a_plan_goes_on_after_a_stop() -> None:
    """Stopping is no end: what is planned afterwards happens."""
    with MachineCluster(3) as cluster:
        injector = Injector(cluster)
        injector.stop()
        injector.plan(Isolate(at_ns=0, for_ns=SECOND, node=0))
        cluster.run(0.5)
        assert injector.fired == {"Isolate": 1}
        assert not cluster.network.path(0, 1).is_open


@pytest.mark.parametrize(("fault", "pairs", "nodes"), KINDS, ids=map(name_of, FAULTS))
def test_the_world_knows_what_a_fault_disturbs(
    fault: Fault, pairs: list[tuple[int, int]], nodes: list[int]
) -> None:
    """As long as a fault lasts, the pairs and nodes that it names count as disturbed,
    be it the only one or not."""
    with MachineCluster(3, oracles=False) as cluster:
        spans(cluster, [(fault, 1, 5), (fault, 3, 8)])
        cluster.run(20.0)
        calm = cluster.disturbances
        for pair in ALL:
            assert calm.calm_ns(pair, SECOND) >= (12 if pair in pairs else 19) * SECOND
            if pair in pairs:
                assert calm.calm_ns(pair, SECOND) <= 12 * SECOND
        for node in range(3):
            assert calm.was_uneven(node, 8 * SECOND) == (node in nodes)
            assert not calm.was_uneven(node, 8 * SECOND + 1)


def test_begin_and_end_are_written_down() -> None:
    """The trace says which fault began when, and when it ended."""
    with MachineCluster(2, records=True) as cluster:
        fault = Isolate(at_ns=5, for_ns=SECOND, node=0)
        Injector(cluster, [fault])
        cluster.run(2.0)
        written = [line for line in cluster.trace.lines if " faults " in line]
        assert written == [f"5 faults begin {fault}", "1000000005 faults end Isolate"]
