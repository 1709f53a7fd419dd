"""The simulated network against the real one: the same scripts, the same outcomes."""

from __future__ import annotations

from collections import Counter
import sys

import pytest

from tests.sim.real_sockets import RealSockets
from tests.sim.script_writer import FLOODS, Writer
from tests.sim.simulated_sockets import SimulatedSockets
from tests.sim.socket_scripts import Outcome, Player, Script


SCRIPTS = 600
SCRIPTS_PER_TEST = 50

DIFFERENCES = {
    "races": "What one end sees before the deeds of the other have arrived depends on "
    "the moment. Scripts settle before a step on which that could have an influence.",
    "the size of buffers": "How much a kernel takes before it would block depends "
    "on its tuning and bookkeeping. Floods compare what arrives, not how much.",
    "when there is room again": "Linux tells a writer when a third of its buffer is "
    "free, the simulator at the first byte. No script looks at a single wake-up.",
    "Nagle, delayed acknowledgement, segments": "They decide when bytes travel, not "
    "which. Real sockets have TCP_NODELAY; the simulator sends at once what it has.",
    "a connection beyond the backlog": "Both repeat the request after a second, and "
    "nobody waits for that here: the connection is given up first.",
    "timers": "Retransmission, the end of a silent connection, FIN_WAIT_2, TIME_WAIT "
    "take seconds to minutes. The simulator has the first two; it reuses no port.",
    "an attempt that is given up": "Where the request has already been answered, the "
    "simulator's server sees a connection that ends; Linux may show none at all.",
    "sending nothing": "`send(b'')` is a question to a real socket and nothing to a "
    "simulated one. No script does it.",
    "what is not there": "Urgent data, SO_LINGER with a time, SHUT_RD, keep-alive, "
    "ICMP (a host out of reach is merely silent), simultaneous open.",
}
"""Where the two differ and scripts do not go, and why."""


def play(script: Script) -> tuple[Player, Player]:
    """Returns the players that have played it, on simulated and on real sockets."""
    simulated = Player(SimulatedSockets(script.backlog))
    simulated.play(script)
    small = script.floods
    with RealSockets(script.backlog, has_small_buffers=small) as sockets:
        real = Player(sockets)
        real.play(script)
    return simulated, real


def difference(seed: int, simulated: Player, real: Player) -> str:
    """Returns, for people, the first step at which the two part."""
    pairs = zip(simulated.outcomes, real.outcomes, strict=True)
    at = next(i for i, (a, b) in enumerate(pairs) if a != b)
    lines = [f"{step} -> {outcome}" for step, outcome in real.outcomes[: at + 1]]
    text = "\n".join(lines)
    return f"script {seed}:\n{text}\nbut simulated: {simulated.outcomes[at][1]}"


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that is simulated")
@pytest.mark.parametrize("first", range(0, SCRIPTS, SCRIPTS_PER_TEST))
def test_simulated_sockets_do_what_real_ones_do(first: int) -> None:
    """Whatever is done to sockets, bytes, ends, errors, refusals and would-blocks come
    out of the simulated network as they come out of Linux."""
    for seed in range(first, first + SCRIPTS_PER_TEST):
        simulated, real = play(Writer(seed).write())
        if simulated.outcomes != real.outcomes:
            pytest.fail(difference(seed, simulated, real), pytrace=False)


def test_scripts_come_to_every_outcome() -> None:
    """The scripts are not tame: among them everything happens that can happen."""
    seen: Counter[tuple[str, Outcome]] = Counter()
    for seed in range(SCRIPTS):
        script = Writer(seed).write()
        outcomes = Player(SimulatedSockets(script.backlog)).play(script)
        for step, (_, outcome) in zip(script.steps, outcomes, strict=True):
            text = "bytes" if "bytes" in str(outcome) else outcome
            seen[step.verb, "some" if isinstance(text, int) else text] += 1
    expected = {
        "accept": ("some", "nothing yet"),
        "connect": ("done",),
        "connect to nobody": ("ECONNREFUSED",),
        "connect in vain": ("nothing yet",),
        "send": ("some", "EPIPE", "ECONNRESET"),
        "receive": ("bytes", "the end", "ECONNRESET", "nothing yet"),
        "shut": ("done", "ENOTCONN"),
    } | dict.fromkeys(("close", "abort", "unlisten", *FLOODS), ("done",))
    wanted = [(verb, text) for verb, texts in expected.items() for text in texts]
    assert {pair: seen[pair] for pair in wanted if seen[pair] < 10} == {}
