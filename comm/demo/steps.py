"""The steps of the demo, as the one who started the nodes sees and checks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from comm.demo.common import CONFIG
from comm.demo.scene import Demo, in_words


__all__ = [
    "STEPS",
    "Step",
    "ask_and_gather",
    "broadcast",
    "kill",
    "leave",
    "rendezvous",
    "restart",
    "stream_over_cut_links",
]

_RENDEZVOUS_TIMEOUT_S = 10.0
_DRAIN_TIMEOUT_S = 5.0
_CUTS = 20
_LATE_S = 5.0
"""How much later than its limits a busy machine may let the loss be reported."""

_SWALLOWED = 200_000
"""More than a window takes, so that some of it is known to be delivered."""

_TALLIES = ("received", "repeated", "skipped")


async def rendezvous(demo: Demo) -> None:
    """All processes meet, and agree on who is who."""
    cluster, check = demo.cluster, demo.report.check
    await cluster.start()
    found = await cluster.call_each(
        demo.everyone, "rendezvous", timeout_s=_RENDEZVOUS_TIMEOUT_S
    )
    demo.incarnations = {i: found[i]["incarnation"] for i in demo.everyone}
    for node_id in demo.everyone:
        wanted = {str(i): demo.incarnations[i] for i in demo.everyone if i != node_id}
        met = found[node_id]["met"]
        check(met == wanted, f"node {node_id} has met {in_words(wanted)}", met)


async def broadcast(demo: Demo) -> None:
    """Node 0 tells every node a number."""
    await demo.check_broadcast(42)


async def ask_and_gather(demo: Demo) -> None:
    """A sender travels inside a broadcast message; all answers come back by it."""
    await demo.check_answers(12)


async def stream_over_cut_links(demo: Demo) -> None:
    """Items arrive exactly once and in order, however often links are cut."""
    cluster, check = demo.cluster, demo.report.check
    cuts, every_bytes = _cut_plan(demo.items * len(demo.others))
    cluster.cuts.plan(cuts, every_bytes)
    collecting = cluster.call(0, "collect", count=demo.items)
    sending = cluster.call_each(demo.others, "stream")
    tally, sent = await asyncio.gather(collecting, sending)
    took_s = demo.report.step_s
    cluster.cuts.stop()
    for node_id, count in zip(demo.others, sent, strict=True):
        found = {name: tally[name][node_id] for name in _TALLIES}
        wanted = dict(zip(_TALLIES, (demo.items, 0, 0), strict=True))
        check(
            found == wanted and count == demo.items,
            f"from node {node_id}: {count:,} items sent, {found['received']:,} "
            "received, in order, none missing, none twice",
            found,
        )
    made = cluster.cuts.made
    check(made, f"meanwhile links were cut {made} times, at drawn bytes", made)
    demo.report.line(
        f"     {sum(sent) / took_s:,.0f} items a second; "
        f"node 0 resumed {tally['resumed']} times"
    )


async def kill(demo: Demo) -> None:
    """A node dies while it receives a stream: what it did not get is reported."""
    cluster, check, victim = demo.cluster, demo.report.check, demo.victim
    feeding = asyncio.ensure_future(cluster.call(0, "feed", node_id=victim))
    reporting = asyncio.ensure_future(cluster.call(0, "loss", node_id=victim))
    received = await cluster.call(victim, "swallow", at_least=_SWALLOWED)
    check(received, f"node {victim} receives a stream from node 0: {received:,} items")
    loop = asyncio.get_running_loop()
    killed_at = loop.time()
    await cluster.kill_node(victim)
    check(not feeding.done(), f"node {victim} was killed (SIGKILL) meanwhile")
    loss = await reporting
    after_s = loop.time() - killed_at
    fed = await feeding
    lowest_s = CONFIG.resume_window_s
    highest_s = lowest_s + CONFIG.silence_s_max + _LATE_S
    check(
        loss["node_id"] == victim and lowest_s <= after_s <= highest_s,
        f"LossReport after {after_s:.1f} s (resume_window_s is {lowest_s:g}): "
        f"{loss['count']:,} items from number {loss['first']:,} on are lost",
        f"{loss} after {after_s:.2f} s",
    )
    check(
        min(loss["first"], loss["count"]) > 0
        and loss["first"] + loss["count"] == fed["accepted"],
        f"{loss['first']:,} known to be delivered + {loss['count']:,} lost "
        f"= {fed['accepted']:,} accepted",
        f"{loss}, {fed}",
    )
    check(
        fed["error"] == "PeerLost",
        f"the next send raised PeerLost: {fed['message']}",
        fed["error"],
    )


async def restart(demo: Demo) -> None:
    """The node starts again: it is fenced from its past, and takes part again."""
    cluster, check, victim = demo.cluster, demo.report.check, demo.victim
    await cluster.start_node(victim)
    found = await cluster.call(victim, "rendezvous", timeout_s=_RENDEZVOUS_TIMEOUT_S)
    old, new = demo.incarnations[victim], found["incarnation"]
    check(new != old, f"node {victim} is back: incarnation {new[:8]}, was {old[:8]}")
    demo.incarnations[victim] = new
    survivors = [str(i) for i in demo.everyone if i != victim]
    met = found["met"]
    check(
        met == {i: demo.incarnations[int(i)] for i in survivors},
        f"it has met {in_words(survivors)}, which never stopped",
        met,
    )
    fenced = await cluster.call(0, "reconnect", node_id=victim)
    check(
        fenced["error"] == "StaleSender",
        f"its old Sender leads nowhere: StaleSender: {fenced['message']}",
        fenced,
    )
    await demo.check_broadcast(43)
    await demo.check_answers(13)


async def leave(demo: Demo) -> None:
    """Everyone leaves in order, and nothing remains."""
    cluster, check = demo.cluster, demo.report.check
    undelivered = await cluster.call_each(
        demo.everyone, "drain", timeout_s=_DRAIN_TIMEOUT_S
    )
    check(not any(undelivered), "drain: all is delivered, on every node", undelivered)
    statuses = await cluster.quit()
    check(not any(statuses), "every process left by itself, exit status 0", statuses)
    await cluster.close_relays()
    leftovers = cluster.leftovers()
    check(not leftovers, "no process and no socket file is left", leftovers)


Step = Callable[[Demo], Awaitable[None]]

STEPS: tuple[tuple[str, Step], ...] = (
    ("Rendezvous: the processes meet", rendezvous),
    ("Broadcast: node 0 tells everyone a number", broadcast),
    ("Portable senders: a broadcast question carries where to answer", ask_and_gather),
    ("Exactly once, in order, while links are cut", stream_over_cut_links),
    ("No silent loss: one node is killed while it receives", kill),
    ("Fencing: the killed node starts again", restart),
    ("An orderly end", leave),
)
"""The title of each step, and what it does."""


def _cut_plan(items: int) -> tuple[int, int]:
    """How many cuts, and how far apart, so that all fall into the stream.

    An item takes 5 bytes at least, but for the first few; a link needs about half a
    KiB to come up again.
    """
    bytes_min = 4 * items
    cuts = max(1, min(_CUTS, bytes_min // 2048))
    return cuts, bytes_min // (cuts + 1)
