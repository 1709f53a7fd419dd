"""`events()`: every reader gets every event, and none can fill the memory."""

from __future__ import annotations

import asyncio
import logging

import pytest

from comm.events import LossReport, PeerDown, PeerRestarted, PeerUp, ProducerGone
from comm.net.chronicle import Chronicle
from tests.cluster import PATIENCE_S, settle
from tests.net.conftest import Boards


def up(node_id: int) -> PeerUp:
    return PeerUp(node_id, bytes(16), resumed=False)


async def test_each_reader_gets_all_from_its_beginning(boards: Boards) -> None:
    """A stream has the events since `events()` was called, whether or not it was
    iterated over at once; other streams take nothing from it."""
    async with boards(nodes=3) as (near, *_):
        first = near.events()
        await near.rendezvous(PATIENCE_S)
        second = near.events()
        assert {(await anext(first)).node_id for _ in range(2)} == {1, 2}
        waiting = [asyncio.create_task(anext(stream)) for stream in (first, second)]
        await settle(3)
        assert not any(task.done() for task in waiting)
        await _[-1].aclose()
        async with asyncio.timeout(PATIENCE_S):
            events = await asyncio.gather(*waiting)
        assert events == [PeerDown(2, "left")] * 2


async def test_streams_end_with_the_switchboard(boards: Boards) -> None:
    """When the switchboard is closed a stream ends, after the events it holds."""
    async with boards() as (near, far):
        stream = near.events()
        collecting = asyncio.create_task(_collect(near.events()))
        await near.rendezvous(PATIENCE_S)
        await far.rendezvous(PATIENCE_S)
        await near.aclose()
        assert [type(event) for event in await collecting] == [PeerUp]
        assert [type(event) async for event in stream] == [PeerUp]


async def _collect(stream: object) -> list[object]:
    return [event async for event in stream]  # type: ignore[attr-defined]


async def test_cancelling_takes_no_event() -> None:
    """A reader that is cancelled at whatever turn leaves the event to the next."""
    chronicle = Chronicle(0, lambda: 0.0)
    stream = chronicle.subscribe()
    for turns in range(4):
        task = asyncio.create_task(anext(stream))
        await settle()
        chronicle.tell(up(turns))
        await settle(turns)
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(result, asyncio.CancelledError):
            result = await anext(stream)
        assert result == up(turns)


async def test_a_reader_that_lags_loses_the_oldest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stream that nobody reads keeps the newest 10,000 events; it counts what it
    had to drop, and the log has a warning. Nobody keeps events without streams."""
    chronicle = Chronicle(0, lambda: 0.0)
    lagging = chronicle.subscribe()
    for number in range(10_003):
        chronicle.tell(up(number))
    assert lagging.dropped == 3
    assert await anext(lagging) == up(3)
    assert sum("events behind" in text for text in caplog.messages) == 3
    del lagging
    chronicle.tell(up(0))
    chronicle.end()
    assert [event async for event in chronicle.subscribe()] == []


def test_every_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log of `comm.net` has each event in words, losses as warnings, and nothing
    of a channel's id but its beginning."""
    chronicle = Chronicle(7, lambda: 0.0)
    channel = bytes(range(16))
    with caplog.at_level(logging.INFO, "comm.net"):
        chronicle.tell(PeerUp(1, bytes(16), resumed=True))
        chronicle.tell(PeerDown(1, "gone"))
        chronicle.tell(PeerRestarted(1, bytes(16), bytes(16)))
        chronicle.tell(LossReport(1, channel, 5, 10, "gone"))
        chronicle.tell(ProducerGone(1, channel, 3, "gone"))
    assert [record.levelname for record in caplog.records] == [
        *("INFO", "INFO", "WARNING", "WARNING", "WARNING")
    ]
    assert all(text.startswith("node 7: ") for text in caplog.messages)
    assert "lost 10 items from number 5 on" in caplog.text
    assert channel[:4].hex() in caplog.text
    assert channel[:5].hex() not in caplog.text
