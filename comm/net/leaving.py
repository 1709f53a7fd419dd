"""Waiting for deliveries and for the end: `drain`, `leave` and `part`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from comm.net.driver import Driver
from comm.net.log import short_id
from comm.statistics import Undelivered


__all__ = ["DrainReport", "drain", "leave", "part"]

_GRACE_S = 1.0
"""How long the other sides have, after the goodbye, to close their connections."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What `Switchboard.drain` found.

    Attributes:
        is_complete: Whether everything that was accepted is delivered.
        undelivered: What is not, for each producer concerned.
        elapsed_s: How long it waited, in seconds.
    """

    is_complete: bool
    undelivered: tuple[Undelivered, ...]
    elapsed_s: float

    def __str__(self) -> str:
        if self.is_complete:
            return f"everything was delivered after {self.elapsed_s:.3f} s"
        rest = "; ".join(
            f"{each.count} items to node {each.node_id}, "
            f"channel {short_id(each.channel)}"
            for each in self.undelivered
        )
        return f"not delivered after {self.elapsed_s:.3f} s: {rest}"


async def drain(driver: Driver, timeout_s: float | None) -> DrainReport:
    """Waits until everything accepted is delivered, or reported as lost.

    Raises:
        ClosedError: If the driver comes to its end.
    """
    began = driver.now()
    driver.core.request_flush_all()
    driver.pump()
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            await driver.progress.until(
                lambda: driver.is_over or not driver.core.undelivered()
            )
    except TimeoutError:
        if not limit.expired():
            raise
    if driver.is_over:
        raise driver.closed_error()
    undelivered = driver.core.undelivered()
    return DrainReport(not undelivered, undelivered, driver.now() - began)


async def leave(driver: Driver, timeout_s: float) -> None:
    """Waits until everything accepted is delivered, then says goodbye."""
    driver.leave()
    report = await drain(driver, timeout_s)
    if not report.is_complete:
        driver.chronicle.log.caution("leave", f"node {driver.core.node_id}: {report}")
    driver.shut()


async def part(driver: Driver) -> None:
    """Waits until the connections have ended, and ends those that have not."""
    for _ in range(2):
        limit = asyncio.timeout(_GRACE_S)
        try:
            async with limit:
                await driver.progress.until(lambda: driver.is_gone)
        except TimeoutError:
            if not limit.expired():
                raise
        driver.connections.cut()
