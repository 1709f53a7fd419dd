"""`Scenario`: a whole run as data, from which it can be played again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from comm.config import Config
from comm.sim.choices import Choices, Seeded, Tape
from comm.sim.data import Kinds
from comm.sim.faults import CATALOGUE, Fault
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.scenario.steps import STEPS, Step
from comm.sim.world import SECOND


__all__ = ["Scenario"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that a run depends on.

    Attributes:
        nodes: How many nodes there are.
        seed: What the entropy of the cores depends on, and the schedule if there is
            no tape.
        config: The limits of every node.
        conditions: What the paths usually are like.
        buffers: What the kernels usually hold.
        is_prompt: Whether applications react within the step that tells them.
        read_bytes: How much a node reads at once.
        high_bytes: How much waits for the kernel before a core is stopped.
        offsets_ns: How far the clocks are ahead, for the first nodes.
        steps: What applications do.
        faults: What goes wrong.
        duration_ns: How long faults and steps last; then everything must come to
            rest.
        survivors: The nodes that must come to rest, by any numbers; empty for all.
            All others are dead from then on.
        keeps_stalls: Whether receivers that do not receive at that time never do, so
            that all others must come to rest beside them.
        tape: The schedule, stream by stream; None to draw it from the seed.
    """

    nodes: int = 3
    seed: int = 0
    config: Config = field(default_factory=Config)
    conditions: Conditions = field(default_factory=Conditions)
    buffers: Buffers = field(default_factory=Buffers)
    is_prompt: bool = True
    read_bytes: int = 256 << 10
    high_bytes: int = 256 << 10
    offsets_ns: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()
    faults: tuple[Fault, ...] = ()
    duration_ns: int = 10 * SECOND
    survivors: tuple[int, ...] = ()
    keeps_stalls: bool = False
    tape: dict[str, tuple[int, ...]] | None = None

    @classmethod
    def from_json(cls, text: str) -> Scenario:
        """Returns the scenario that `to_json` has written.

        Raises:
            ValueError: If it is no such text.
        """
        scenario = _KINDS.loads(text)
        if not isinstance(scenario, cls):
            raise ValueError("this is no scenario")  # noqa: TRY004 - it is the text
        return scenario

    def to_json(self, *, indent: int | None = None) -> str:
        """Returns the scenario as text."""
        return _KINDS.dumps(self, indent=indent)

    def choices(self) -> Choices:
        """Returns where the schedule comes from."""
        return Seeded(self.seed) if self.tape is None else Tape(self.tape)

    def with_tape(self, tape: dict[str, list[int]]) -> Scenario:
        """Returns the same with a schedule that was recorded."""
        fixed = {name: tuple(numbers) for name, numbers in tape.items()}
        return replace(self, tape=fixed)


_KINDS = Kinds(
    [
        Scenario,
        Config,
        Conditions,
        Latency,
        Buffers,
        *STEPS.values(),
        *CATALOGUE.values(),
    ]
)
