"""`meet`: waiting for all other nodes, and saying who is missing and why."""

from __future__ import annotations

import asyncio
from itertools import islice

from comm.errors import RendezvousError
from comm.net.driver import Driver
from comm.net.state import DriverState


__all__ = ["meet"]

_REMINDER_S = 10.0
"""How often the log says who is missing."""

_REMINDED_MAX = 5
"""How many of them it names."""


async def meet(driver: Driver, timeout_s: float | None) -> None:
    """Waits until a link to every other node has stood.

    Raises:
        RendezvousError: If some node was not met in time.
        ClosedError: If the driver comes to its end.
    """
    driver.core.dial_all(driver.now())
    driver.pump()
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            while not await _all_met(driver):
                _remind(driver)
    except TimeoutError:
        if not limit.expired():
            raise
        core = driver.core
        missing = core.missing()
        if not missing:
            # The last one came in the turn in which the time was over.
            return
        raise RendezvousError(
            f"node {core.node_id}: {len(missing)} of {core.size - 1} other nodes were "
            f"not met within {timeout_s} s: {_describe(driver, missing)}",
            missing,
        ) from None


async def _all_met(driver: Driver) -> bool:
    """Waits until all nodes are met, or it is time for a reminder."""
    limit = asyncio.timeout(_REMINDER_S)
    try:
        async with limit:
            while driver.state is DriverState.RUNNING:
                if not driver.core.missing():
                    return True
                await driver.met.wait()
    except TimeoutError:
        if not limit.expired():
            raise
        return not driver.core.missing()
    raise driver.closed_error()


def _remind(driver: Driver) -> None:
    core = driver.core
    missing = core.missing()
    text = _describe(driver, missing, _REMINDED_MAX)
    if len(missing) > _REMINDED_MAX:
        text += f"; and {len(missing) - _REMINDED_MAX} more"
    driver.chronicle.log.caution(
        "rendezvous", f"node {core.node_id} still waits for {text}"
    )


def _describe(
    driver: Driver, missing: dict[int, Exception], limit: int | None = None
) -> str:
    nodes = driver.core.nodes
    texts: list[str] = []
    for node_id, cause in islice(missing.items(), limit):
        name = f"node {node_id} ({nodes[node_id]})"
        text = str(cause)
        texts.append(text if text.startswith(name) else f"{name}: {text}")
    return "; ".join(texts)
