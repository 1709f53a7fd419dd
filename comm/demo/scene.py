"""`Demo`: what the steps of the demo work with, and the checks they share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from comm.demo.cluster import Cluster
from comm.demo.report import Report


__all__ = ["Demo", "in_words"]


@dataclass
class Demo:
    """What the steps work with.

    Attributes:
        cluster: The processes.
        report: Where each check goes.
        items: How many items each producer streams.
        incarnations: By node, the incarnation that the others have met.
    """

    cluster: Cluster
    report: Report
    items: int
    incarnations: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def everyone(self) -> range:
        """All nodes."""
        return range(self.cluster.size)

    @property
    def others(self) -> range:
        """All nodes but node 0, which leads."""
        return range(1, self.cluster.size)

    @property
    def victim(self) -> int:
        """The node that is killed."""
        return self.cluster.size - 1

    async def check_broadcast(self, number: int) -> None:
        """Checks that every node gets what node 0 broadcasts."""
        await self.cluster.call(0, "broadcast", number=number)
        heard = await self.cluster.call_each(self.everyone, "hear")
        self.report.check(
            heard == [number] * self.cluster.size,
            f"all {self.cluster.size} nodes got {number} by broadcast",
            heard,
        )

    async def check_answers(self, number: int) -> None:
        """Checks that each other node answers a question once, and no more comes."""
        asking = self.cluster.call(0, "ask", number=number)
        answering = self.cluster.call_each(self.others, "answer")
        answers, _ = await asyncio.gather(asking, answering)
        self.report.check(
            sorted(answers) == [[node_id, number**2] for node_id in self.others],
            f"{in_words(self.others)} answered that {number}² is {number**2}; "
            "with the last answer the channel ended",
            answers,
        )


def in_words(node_ids: Iterable[object]) -> str:
    """Names some nodes: `node 1`, `nodes 1, 2`."""
    names = [str(node_id) for node_id in node_ids]
    return f"node{'s' * (len(names) > 1)} {', '.join(names)}"
