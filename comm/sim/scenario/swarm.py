"""The swarm: each seed draws a world of its own.

Not only what happens is drawn, but which kinds of things can happen at all, how large
the cluster is, and every limit of it. A world in which half of the faults never occur
reaches states that one with all of them does not: the idea is Groce's (Swarm Testing,
ISSTA 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from comm.config import Config
from comm.sim.choices import Seeded, Stream
from comm.sim.faults import CATALOGUE, Fault
from comm.sim.items import ITEM_BYTES_MIN
from comm.sim.network import Buffers, Conditions, Latency
from comm.sim.scenario.scenario import Scenario
from comm.sim.scenario.steps import STEPS, Connect, Offer, Open, Step
from comm.sim.world import MS, SECOND, US, seconds


__all__ = [
    "STEP_WEIGHTS",
    "draw_buffers",
    "draw_conditions",
    "draw_config",
    "draw_duration",
    "draw_scenario",
    "draw_survivors",
    "fault_fields",
    "step_fields",
]

_NODES = (2, 3, 2, 3, 2, 3, 4, 2, 3, 2, 1, 4, 5, 7, 9)

STEP_WEIGHTS = {
    "Open": 4,
    "Connect": 8,
    "Broadcast": 2,
    "Subscribe": 3,
    "SetPace": 5,
    "Seal": 1,
    "CloseSink": 1,
    "FanOut": 1,
    "Offer": 24,
    "Flush": 4,
    "Finish": 3,
    "Abort": 1,
    "CloneSource": 1,
    "Meet": 1,
}


_FAULT_WEIGHTS = {
    "CutLink": 3,
    "TruncateLink": 4,
    "HalfOpenLink": 3,
    "OneWay": 4,
    "Isolate": 3,
    "Partition": 2,
    "Clog": 2,
    "Kill": 2,
}
"""What breaks links in the middle of things is worth more than the rest."""


def draw_scenario(seed: int) -> Scenario:
    """Returns the scenario of a seed."""
    choices = Seeded(f"swarm {seed}")
    stream = choices.stream
    nodes = stream("nodes").pick(_NODES)
    config = draw_config(stream("config"))
    duration_ns = stream("duration").between(4, 40) * SECOND
    steps = _draw_steps(stream("steps"), config, duration_ns)
    talking = _talking(steps, nodes)
    stage = _Stage(nodes, config, duration_ns, _moments_ns(steps), talking)
    return Scenario(
        nodes=nodes,
        seed=seed,
        config=config,
        conditions=draw_conditions(stream("conditions")),
        buffers=draw_buffers(stream("buffers")),
        is_prompt=stream("prompt").pick((True, False)),
        read_bytes=stream("read").pick((256 << 10, 64 << 10, 1000, 100)),
        high_bytes=stream("high").pick((256 << 10, 4096, 100)),
        offsets_ns=tuple(stream("offsets").below(1000) * SECOND for _ in range(nodes)),
        steps=steps,
        faults=_draw_faults(stream("faults"), stage),
        duration_ns=duration_ns,
        survivors=draw_survivors(stream("survivors"), nodes),
        keeps_stalls=stream("stalls").happens(300),
    )


def draw_config(draw: Stream) -> Config:
    """Draws the limits of all nodes."""
    interval_s = draw.pick((1.0, 0.5, 0.2, 2.0))
    timeout_s = draw.pick((5.0, 2.0, 1.0))
    first_s = draw.pick((0.1, 0.05, 0.3))
    silence_s = interval_s + timeout_s
    return Config(
        message_bytes_max=draw.pick((1 << 20, 1 << 16, 3000)),
        window_bytes=draw.pick((1 << 20, 4000, 300, 64, 1 << 16)),
        chunk_bytes=draw.pick((1 << 16, 1000, 100, 16)),
        handshake_timeout_s=draw.pick((5.0, 2.0, 1.0)),
        half_open_max=draw.pick((64, 8, 2)),
        heartbeat_interval_s=interval_s,
        heartbeat_timeout_s=timeout_s,
        resume_window_s=silence_s + draw.pick((24.0, 10.0, 5.0, 0.0)),
        connect_backoff_s=(first_s, first_s * draw.pick((10, 3, 1))),
        parked_channels_max=draw.pick((1024, 2)),
    )


def draw_conditions(draw: Stream) -> Conditions:
    """Draws what the paths usually are like."""
    base_ns = draw.pick((100 * US, 5 * MS, 1 * US, 40 * MS, 20 * MS))
    return Conditions(
        latency=Latency(
            base_ns=base_ns,
            spread_ns=draw.pick((0, base_ns, 4 * base_ns)),
            shape=draw.pick(("uniform", "exponential")),
        ),
        loss_permille=draw.pick((0, 0, 5, 30)),
        bytes_per_s=draw.pick((None, None, 10_000_000, 200_000)),
        fragment_permille=draw.pick((0, 0, 100, 900)),
    )


def draw_buffers(draw: Stream) -> Buffers:
    """Draws what the kernels usually hold."""
    size = draw.pick((256 << 10, 64 << 10, 4096, 500))
    return Buffers(send_bytes=size, receive_bytes=draw.pick((size, 256 << 10, 2000)))


def draw_survivors(draw: Stream, nodes: int) -> tuple[int, ...]:
    """Draws who survives; most often all do."""
    if nodes == 1 or not draw.happens(250):
        return ()
    return tuple(sorted(draw.sample(range(nodes), draw.between(1, nodes - 1))))


def _draw_steps(draw: Stream, config: Config, duration_ns: int) -> tuple[Step, ...]:
    kinds = [kind for kind in STEPS if kind == "Offer" or draw.happens(800)]
    weighted = [kind for kind in kinds for _ in range(STEP_WEIGHTS[kind])]
    steps = _draw_beginning(draw, config, duration_ns)
    bursts = draw.between(1, 12)
    starts_ns = sorted(draw.below(duration_ns) for _ in range(bursts))
    for _ in range(draw.between(10, 90)):
        at_ns = draw.pick(starts_ns) + draw.below(draw.pick((1, MS, 300 * MS)))
        steps.append(_draw_step(draw.pick(weighted), at_ns, draw, config))
    return tuple(sorted(steps, key=lambda step: step.at_ns))


def _draw_beginning(draw: Stream, config: Config, duration_ns: int) -> list[Step]:
    """Returns steps without which all others may be a waste of time: there are
    channels and producers, and some of these send all the time."""
    steps: list[Step] = []
    connected = 0
    for number in range(draw.between(1, 3)):
        node = draw.below(16)
        steps.append(_draw_step("Open", number, draw, config, node=node))
        if draw.happens(500):
            steps.append(_draw_step("SetPace", MS, draw, config, sink=number))
        for _ in range(draw.between(1, 3)):
            at_ns = 2 * MS + connected
            # Rarely from a node to itself: nothing can go wrong on that way.
            ends = {"sink": number, "node": node + draw.pick((1, 5, 1, 0))}
            steps.append(_draw_step("Connect", at_ns, draw, config, **ends))
            if draw.happens(500):
                offers = draw.between(3, 20)
                steps += (
                    _draw_step("Offer", at_ns, draw, config, source=connected)
                    for at_ns in range(3 * MS, duration_ns, duration_ns // offers)
                )
            connected += 1
    return steps


def _draw_step(
    kind: str, at_ns: int, draw: Stream, config: Config, **given: int
) -> Step:
    return STEPS[kind](at_ns=at_ns, **step_fields(kind, draw, config) | given)


def step_fields(kind: str, draw: Stream, config: Config) -> dict[str, int]:
    """Draws what a step of a kind is like, but for its time."""
    names = [field.name for field in fields(STEPS[kind]) if field.name != "at_ns"]
    return {name: _STEP_FIELDS[name](draw, config) for name in names}


def _draw_size(draw: Stream, config: Config) -> int:
    sizes = (
        ITEM_BYTES_MIN,
        40,
        draw.between(ITEM_BYTES_MIN, 300),
        config.chunk_bytes + draw.between(-1, 1),
        config.window_bytes + draw.between(-1, 1),
        3 * config.chunk_bytes,
    )
    # More pieces than that take time, and show nothing new.
    largest = min(40_000, 40 * config.chunk_bytes, config.message_bytes_max)
    return max(ITEM_BYTES_MIN, min(draw.pick(sizes), largest))


_STEP_FIELDS: Mapping[str, Callable[[Stream, Config], int]] = {
    "node": lambda draw, _: draw.below(16),
    "sink": lambda draw, _: draw.below(32),
    "source": lambda draw, _: draw.below(32),
    "limit": lambda draw, _: draw.pick((0, 1, 2, 3)),
    "token": lambda draw, _: draw.pick((0, 0, 1, 2)),
    "items": lambda draw, _: draw.pick((1, 0, 3, 10)),
    "pause_ns": lambda draw, _: draw.pick((0, MS, 50 * MS, 700 * MS)),
    "members": lambda draw, _: draw.between(1, 3),
    "count": lambda draw, _: draw.pick((1, 3, 10, 30, 100)),
    "size": _draw_size,
}


class _Stage(NamedTuple):
    """What faults are drawn for.

    Attributes:
        nodes: How many nodes there are.
        config: Their limits.
        duration_ns: How long it lasts.
        moments_ns: When something gets under way, if faults are to be aimed at that.
        talking: Likewise nodes between which there is much to harm.
    """

    nodes: int
    config: Config
    duration_ns: int
    moments_ns: tuple[int, ...] = ()
    talking: tuple[tuple[int, int], ...] = ()


def _draw_faults(draw: Stream, stage: _Stage) -> tuple[Fault, ...]:
    if stage.nodes == 1 or draw.happens(80):
        return ()
    kinds = draw.sample(CATALOGUE, draw.pick((1, 2, 3, 5, 8, len(CATALOGUE))))
    weighted = [kind for kind in kinds for _ in range(_FAULT_WEIGHTS.get(kind, 1))]
    count = draw.pick((2, 1, 4, 8, 14, 20))
    return _in_order(
        _draw_fault(draw, draw.pick(weighted), stage) for _ in range(count)
    )


def _draw_fault(draw: Stream, kind: str, stage: _Stage) -> Fault:
    nodes, config, duration_ns, moments_ns, talking = stage
    at_ns, for_ns = draw.below(duration_ns), draw_duration(draw, config)
    if moments_ns and draw.happens(700):
        late_ns = draw.below(draw.pick((60 * MS, 5 * MS, 200 * MS, SECOND)))
        at_ns = draw.pick(moments_ns) + late_ns
    given = fault_fields(kind, draw, nodes, config)
    if talking and draw.happens(700):
        aimed = _aim(*draw.sample(draw.pick(talking), 2))
        given |= {name: aimed[name] for name in given if name in aimed}
    return CATALOGUE[kind](at_ns=at_ns, for_ns=for_ns, **given)


def fault_fields(kind: str, draw: Stream, nodes: int, config: Config) -> dict[str, Any]:
    """Draws what a fault of a kind is like, but for its times."""
    names = [field.name for field in fields(CATALOGUE[kind])]
    return {
        name: _FAULT_FIELDS[name](draw, nodes, config)
        for name in names
        if name not in {"at_ns", "for_ns"}
    }


def _in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: fault.at_ns))


def _moments_ns(steps: tuple[Step, ...]) -> tuple[int, ...]:
    """Returns when something gets under way."""
    return tuple(step.at_ns for step in steps if isinstance(step, Offer))


def _talking(steps: tuple[Step, ...], nodes: int) -> tuple[tuple[int, int], ...]:
    """Returns the nodes between which there is most to harm."""
    ends = [step.node % nodes for step in steps if isinstance(step, Open)]
    pairs = [
        (step.node % nodes, ends[step.sink % len(ends)])
        for step in steps
        if isinstance(step, Connect)
    ]
    return tuple((a, b) for a, b in pairs if a != b)


def _aim(first: int, second: int) -> dict[str, object]:
    """Returns the fields of a fault that befalls one node, and its way to another."""
    one, other = ("a", "source", "node"), ("b", "target")
    aimed: dict[str, object] = dict.fromkeys(one, first)
    return aimed | dict.fromkeys(other, second) | {"left": (first,)}


def draw_duration(draw: Stream, config: Config) -> int:
    """Draws how long a fault lasts: less, or more, than the limits of patience."""
    silence_s, window_s = config.silence_s_max, config.resume_window_s
    if draw.happens(200):
        # One side may have given up then, and the other not yet.
        return seconds(window_s) + draw.below(seconds(silence_s))
    longest_s = draw.pick((0.2, silence_s, 2 * silence_s, window_s, 2 * window_s))
    return max(MS, seconds(longest_s) * draw.between(1, 100) // 100)


_FAULT_FIELDS: Mapping[str, Callable[[Stream, int, Config], object]] = {
    "a": lambda draw, nodes, _: draw.below(nodes),
    "b": lambda draw, nodes, _: draw.below(nodes),
    "source": lambda draw, nodes, _: draw.below(nodes),
    "target": lambda draw, nodes, _: draw.below(nodes),
    "node": lambda draw, nodes, _: draw.below(nodes),
    "left": lambda draw, nodes, _: tuple(
        draw.sample(range(nodes), draw.between(1, max(1, nodes // 2)))
    ),
    "order": lambda draw, nodes, _: tuple(
        draw.sample(range(nodes), draw.between(1, nodes))
    ),
    "offset": lambda draw, _, __: draw.pick((1, 7, 30, 200, 2000)) + draw.below(50),
    "base_ns": lambda draw, _, __: draw.pick((5, 80, 400, 3000)) * MS,
    "spread_ns": lambda draw, _, __: draw.pick((0, 50, 1000)) * MS,
    "shape": lambda draw, _, __: draw.pick(("uniform", "exponential")),
    "permille": lambda draw, _, __: draw.pick((50, 200, 800)),
    "bytes_per_s": lambda draw, _, __: draw.pick((100_000, 10_000, 1000)),
    "send_bytes": lambda draw, _, __: draw.pick((4096, 500, 50)),
    "receive_bytes": lambda draw, _, __: draw.pick((4096, 500, 50)),
    "backlog": lambda draw, _, __: draw.pick((0, 1)),
    "delay_ns": lambda draw, _, __: draw.pick((10, 300, 2000)) * MS,
    "step_ns": lambda draw, _, __: draw.pick((1, 20, 100)) * MS,
    "jump_ns": lambda draw, _, __: draw.pick((300, -300, 3000, -3000, 60_000)) * MS,
    "drift_ppm": lambda draw, _, __: draw.pick((100, -100, 20_000, -20_000)),
    "bit": lambda draw, _, __: draw.below(100_000),
    "manner": lambda draw, _, __: draw.below(64),
    "count": lambda draw, _, __: draw.pick((1, 3, 70)),
    "seed": lambda draw, _, __: draw.below(1 << 20),
    "version": lambda draw, _, __: draw.between(2, 250),
}
