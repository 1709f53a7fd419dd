"""What the driver relies on in a transport, in memory just as over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from comm.address import Address
from comm.net import Network
from tests.cluster import PATIENCE_S, eventually


Place = tuple[Network, str]

_WHY = "[Rr]efused|call failed|No such file|in use"

_PLENTY = 8 << 20
"""More than the buffers of any transport and its kernel hold."""


class End(asyncio.Protocol):
    """One end of a connection, which notes all that it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.received = bytearray()
        self.keeps_open = False
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.told[-1] != "data":
            self.told.append("data")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.told.append("lost")

    async def until(self, *told: str) -> None:
        """Waits until it was told these, in this order, and nothing else."""
        try:
            await eventually(lambda: self.told == list(told))
        except TimeoutError:
            assert self.told == list(told)

    async def ended(self) -> None:
        """Waits until the connection is gone."""
        await eventually(lambda: "lost" in self.told)


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[tuple[End, End]]:
    """A connection: the end that dialled, and the one that accepted."""
    network, address = place[0], Address.parse(place[1])
    near, far = End(), End()
    listener = await network.listen(address, lambda: far)
    await network.connect(address, lambda: near)
    await eventually(lambda: far.told and near.told)
    try:
        yield near, far
    finally:
        listener.close()
        for end in (near, far):
            if "lost" not in end.told:
                end.transport.abort()
            await end.ended()


async def test_bytes_arrive_later_and_in_order(place: Place) -> None:
    """What is written arrives in a later turn of the loop, whole and in order, in
    both directions."""
    async with connected(place) as (near, far):
        for number in range(1000):
            near.transport.write(b"%d," % number)
        near.transport.writelines([b"a", b"b", b""])
        far.transport.write(b"back")
        assert not far.received
        assert not near.received
        expected = b"".join(b"%d," % number for number in range(1000)) + b"ab"
        await eventually(lambda: far.received == expected)
        await eventually(lambda: near.received == b"back")


async def test_a_buffer_may_be_reused_at_once(place: Place) -> None:
    """A transport keeps no reference to a buffer that may change."""
    async with connected(place) as (near, far):
        buffer = bytearray(b"before")
        near.transport.write(buffer)
        buffer[:] = b"after!"
        await eventually(lambda: far.received == b"before")


async def test_close_delivers_first(place: Place) -> None:
    """`close` delivers all that was written, then the other side reads the end; each
    side is told once that the connection is gone, and why not."""
    async with connected(place) as (near, far):
        near.transport.write(bytes(_PLENTY))
        near.transport.close()
        assert near.transport.is_closing()
        await far.until("made", "data", "eof", "lost")
        assert len(far.received) == _PLENTY
        await near.ended()
        assert near.error is far.error is None
        assert far.transport.is_closing()
        near.transport.close()


async def test_abort_ends_both_sides(place: Place) -> None:
    """After `abort` nothing more is told but the end, and both sides get that."""
    async with connected(place) as (near, far):
        far.transport.pause_reading()
        near.transport.write(bytes(_PLENTY))
        near.transport.abort()
        await near.ended()
        far.transport.resume_reading()
        await far.ended()
        assert near.told[-1] == far.told[-1] == "lost"
        assert len(far.received) < _PLENTY


async def test_half_close_keeps_the_other_half(place: Place) -> None:
    """After `write_eof` the other side reads the end and can go on writing, if it
    says that it wants to."""
    async with connected(place) as (near, far):
        far.keeps_open = True
        assert near.transport.can_write_eof()
        near.transport.write(b"request")
        near.transport.write_eof()
        await far.until("made", "data", "eof")
        far.transport.write(b"response")
        far.transport.close()
        await near.until("made", "data", "eof", "lost")
        assert near.received == b"response"
        await far.ended()


async def test_nothing_can_be_written_behind_the_end(place: Place) -> None:
    """`write` after `write_eof` is a mistake and raises."""
    async with connected(place) as (near, far):
        far.keeps_open = True
        near.transport.write_eof()
        with pytest.raises(RuntimeError):
            near.transport.write(b"more")


async def test_a_slow_reader_pauses_the_writer(place: Place) -> None:
    """Beyond the mark that was set, the writer is paused once, and resumed once the
    reader has caught up; nothing is lost meanwhile."""
    async with connected(place) as (near, far):
        near.transport.set_write_buffer_limits(high=100_000)
        assert near.transport.get_write_buffer_limits() == (25_000, 100_000)
        far.transport.pause_reading()
        assert not far.transport.is_reading()
        near.transport.write(bytes(_PLENTY))
        await near.until("made", "pause")
        assert near.transport.get_write_buffer_size() > 100_000
        far.transport.resume_reading()
        await near.until("made", "pause", "resume")
        await eventually(lambda: len(far.received) == _PLENTY)
        assert not near.transport.get_write_buffer_size()


async def test_a_closing_writer_waits_for_a_slow_reader(place: Place) -> None:
    """`close` with more under way than fits anywhere delivers it all the same, as
    soon as the reader reads."""
    async with connected(place) as (near, far):
        far.transport.pause_reading()
        near.transport.write(bytes(_PLENTY))
        near.transport.close()
        far.transport.resume_reading()
        await far.ended()
        assert len(far.received) == _PLENTY
        await near.ended()


async def test_writing_to_one_who_left_ends_in_a_reset(place: Place) -> None:
    """Whoever writes to a side that closed without reading is told by an error, not
    by silence."""
    async with connected(place) as (near, far):
        near.keeps_open = True
        far.transport.pause_reading()
        near.transport.write(b"unread")
        far.transport.close()
        await far.ended()
        async with asyncio.timeout(PATIENCE_S):
            while "lost" not in near.told:
                near.transport.write(b"more")
                await asyncio.sleep(0.001)
        assert isinstance(near.error, ConnectionError)


async def test_another_protocol_takes_over(place: Place) -> None:
    """After `set_protocol` all is told to the new protocol."""
    async with connected(place) as (near, far):
        heir = End()
        heir.connection_made(far.transport)
        far.transport.set_protocol(heir)
        assert far.transport.get_protocol() is heir
        near.transport.write(b"for the heir")
        near.transport.close()
        await heir.until("made", "data", "eof", "lost")
        far.told.append("lost")
        assert not far.received


async def test_nobody_listening_is_a_refusal(place: Place) -> None:
    """Connecting to where nobody listens raises an `OSError`, before and after
    somebody did."""
    network, address = place[0], Address.parse(place[1])
    with pytest.raises(OSError, match=_WHY):
        await network.connect(address, End)
    listener = await network.listen(address, End)
    listener.close()
    listener.close()
    with pytest.raises(OSError, match=_WHY):
        await network.connect(address, End)


async def test_one_address_has_one_listener(place: Place) -> None:
    """Listening where somebody listens already raises, and disturbs nobody."""
    async with connected(place):
        with pytest.raises(OSError, match=_WHY):
            await place[0].listen(Address.parse(place[1]), End)
        near = End()
        await place[0].connect(Address.parse(place[1]), lambda: near)
        near.transport.abort()
        await near.ended()
