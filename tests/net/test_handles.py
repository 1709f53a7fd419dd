"""The verbs of producers and receivers, where the driver has a say in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
import threading

import pytest

import comm
from comm import Switchboard
from comm.broadcast import Token
from comm.codec import resolve
from comm.net import Delivery, Receiver
from comm.net.ends import SendingEnd
from tests.cluster import FAST, PATIENCE_S, eventually, fill, settle
from tests.net.conftest import Boards


NARROW = replace(FAST, window_bytes=64, chunk_bytes=64)


@dataclass
class Job:
    """An item type that only the receiving test names."""

    number: int


class Counted:
    """An iterable that knows how many items were drawn from it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.drawn = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.drawn += 1
            yield number


async def test_send_many_draws_no_more_than_it_can_send(boards: Boards) -> None:
    """`send_many` takes items from a generator as it goes, so that an endless one
    costs a window and one slice, never more."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        items = Counted(1_000_000)
        task = asyncio.create_task(producer.send_many(items))
        await eventually(lambda: producer.statistics().credit_bytes <= 0)
        await settle(20)
        assert items.drawn <= 1000
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        accepted = producer.statistics().accepted
        assert caught.value.__notes__ == [
            f"send_many: {accepted} items had been accepted"
        ]
        assert 0 < accepted < items.drawn
        producer.close()
        receiver.close()


async def test_send_many_stops_at_what_cannot_be_sent(boards: Boards) -> None:
    """An item that cannot be encoded ends `send_many` after those in front of it, and
    the note says how many they are; the channel goes on."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        async with far.connect(sender) as producer, receiver:
            with pytest.raises(comm.EncodeError) as caught:
                await producer.send_many([1, 2, "three", 4])  # type: ignore[list-item]
            assert caught.value.__notes__ == ["send_many: 2 items had been accepted"]
            await producer.send_many(iter([5]))
            await producer.send_many([])
            assert [await receiver.receive() for _ in range(3)] == [1, 2, 5]


async def test_send_many_tells_what_its_iterable_raised(boards: Boards) -> None:
    """What the caller's own generator raises comes out of `send_many` as it is."""

    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("mine")

    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        async with far.connect(sender) as producer, receiver:
            with pytest.raises(KeyError, match="mine"):
                await producer.send_many(broken())
            assert await receiver.receive() == 1


async def test_nobody_overtakes_a_waiting_sender(boards: Boards) -> None:
    """While a task waits to send, others queue up behind it, in whatever form they
    send, and the items arrive in the order of the calls."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        first = fill(producer, range(1000))
        tasks = [
            asyncio.create_task(producer.send(first)),
            asyncio.create_task(producer.send_many([first + 1, first + 2])),
            asyncio.create_task(producer.send(first + 3)),
        ]
        await settle(3)
        received = [await receiver.receive() for _ in range(first)]
        with pytest.raises(comm.WouldBlock):
            producer.send_nowait(-1)
        async with asyncio.timeout(PATIENCE_S):
            received += [await receiver.receive() for _ in range(4)]
            await asyncio.gather(*tasks)
        assert received == list(range(first + 4))
        producer.close()
        receiver.close()


async def test_nobody_overtakes_a_waiting_receiver(boards: Boards) -> None:
    """Tasks that wait at one receiver get the items in the order of their calls, and
    `receive_nowait` does not snatch one away from them."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        async with far.connect(sender) as producer, receiver:
            tasks = [asyncio.create_task(receiver.receive()) for _ in range(3)]
            await settle(3)
            await producer.send_many(range(4))
            with pytest.raises(comm.WouldBlock):
                receiver.receive_nowait()
            async with asyncio.timeout(PATIENCE_S):
                assert await asyncio.gather(*tasks) == [0, 1, 2]
                assert await receiver.receive() == 3
            with pytest.raises(comm.WouldBlock):
                receiver.receive_nowait()


async def test_flush_waits_for_what_was_accepted_before(boards: Boards) -> None:
    """`flush` returns although others go on sending: it waits for what was accepted
    when it was called."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        token = Token("numbers", int)
        heard = near.broadcast_rx(token)
        is_done = False

        async def keep_sending(to: SendingEnd[int]) -> None:
            while not is_done:
                await to.send(0)
                await asyncio.sleep(0)

        async def swallow(source: Receiver[int]) -> None:
            async for _ in source:
                pass

        producer, news = await far.connect(sender), far.broadcast_tx(token)
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE_S):
            swallowing = [
                tasks.create_task(swallow(each)) for each in (receiver, heard)
            ]
            for end in (producer, news):
                tasks.create_task(keep_sending(end))
            for _ in range(20):
                await producer.flush()
                await news.flush()
            is_done = True
            for task in swallowing:
                task.cancel()
        for handle in (producer, news, receiver, heard):
            handle.close()


async def test_a_delivery_tells_where_it_comes_from(boards: Boards) -> None:
    """`receive_from` gives the producer's node and number, and numbers the items of
    each producer from 0, also across batches and items that cannot be decoded."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        async with receiver:
            async with far.connect(sender) as first:
                await first.send_many(range(10, 13))
                await first.send(13)
            deliveries = [await receiver.receive_from() for _ in range(4)]
            assert [(d.item, d.node_id, d.sequence) for d in deliveries] == [
                (10 + number, 1, number) for number in range(4)
            ]
            assert len({d.producer for d in deliveries}) == 1
            async with near.connect(sender) as second:
                await second.send(20)
            delivery = await receiver.receive_from()
            assert delivery == Delivery(20, 0, delivery.producer, 0)
            assert delivery.producer != deliveries[0].producer


async def test_one_bad_item_costs_one_error(boards: Boards) -> None:
    """An item that cannot be decoded raises from one call; all in front of it and
    behind it are received, whatever verb is used."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        async with far.connect(sender) as producer, receiver:
            core, encode = producer._port.core, resolve(None).bind(object).encode

            def send_raw(*items: object) -> None:
                for item in items:
                    core.send(encode(item))
                producer._port.driver.wake()

            send_raw(1, 2, "bad", 3)
            assert await receiver.receive_many() == [1, 2]
            with pytest.raises(comm.DecodeError):
                await receiver.receive_many()
            assert await receiver.receive_many() == [3]
            send_raw(4, "bad", 5)
            assert await receiver.receive_many() == [4]
            with pytest.raises(comm.DecodeError):
                await receiver.receive()
            assert (await receiver.receive_from()).sequence == 6
            send_raw("bad", 6)
            with pytest.raises(comm.DecodeError):
                await anext(aiter(receiver))
            assert await receiver.receive() == 6


async def test_receive_many_takes_what_is_there(boards: Boards) -> None:
    """`receive_many` returns at least one item and at most as many as it was told;
    it does not wait for more than the first."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int, max_producers=2)
        first, second = [await board.connect(sender) for board in (near, far)]
        await first.send_many(range(5))
        await second.send_many(range(5, 10))
        await eventually(lambda: receiver.statistics().buffered_items == 10)
        assert await receiver.receive_many(3) == [0, 1, 2]
        assert receiver.statistics().buffered_items == 7
        assert sorted(await receiver.receive_many()) == list(range(3, 10))
        waiting = asyncio.create_task(receiver.receive_many())
        await settle(5)
        await first.send(10)
        assert await waiting == [10]
        await first.aclose()
        await second.aclose()
        with pytest.raises(comm.EndOfChannel):
            await receiver.receive_many()
        with pytest.raises(comm.UsageError):
            await receiver.receive_many(0)
        receiver.close()


async def test_receive_many_tells_of_a_lost_producer_later(boards: Boards) -> None:
    """The error of a producer that comes behind items is raised by the call after the
    one that returns them, and only once."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int, max_producers=1)
        producer = await far.connect(sender)
        await producer.send(1)
        await producer.flush()
        producer.abort("on purpose")
        await eventually(lambda: receiver.statistics().attached == 1)
        await far.drain(PATIENCE_S)
        assert await receiver.receive_many() == [1]
        with pytest.raises(comm.ProducerAborted, match="on purpose"):
            await receiver.receive_many()
        with pytest.raises(comm.EndOfChannel):
            await receiver.receive_many()
        receiver.close()


async def test_the_item_type_is_found_by_its_name(boards: Boards) -> None:
    """`connect` needs no item type if it is a built-in one, or this process has named
    it; else it says what to do. A type that does not match is refused by name."""
    async with boards() as (near, far):
        for builtin in (object, bytes, int, str):
            sender, receiver = near.mpsc(builtin)
            (await far.connect(sender)).close()
            receiver.close()
        typed, typed_receiver = near.mpsc(Job)
        async with far.connect(typed) as producer, typed_receiver:
            await producer.send(Job(1))
            assert await typed_receiver.receive() == Job(1)
            with pytest.raises(comm.UsageError, match="int"):
                await far.connect(typed, item_type=int)
            stranger = replace(typed, item_type="Unheard#0")
            with pytest.raises(comm.UsageError, match="item_type="):
                await far.connect(stranger)


async def test_connect_is_awaited_or_entered_once(boards: Boards) -> None:
    """One `connect` makes one producer; using its result twice is a mistake."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        connecting = far.connect(sender)
        producer = await connecting
        with pytest.raises(comm.UsageError, match="used before"):
            await connecting
        producer.close()
        receiver.close()


async def test_leaving_by_an_exception_does_not_wait(boards: Boards) -> None:
    """`async with` around a producer that is left by an exception closes it without
    waiting for anybody; what was accepted is delivered all the same."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int, max_producers=1)
        accepted = 0

        async def fail() -> None:
            nonlocal accepted
            async with far.connect(sender) as producer:
                accepted = fill(producer, range(100))
                raise KeyError

        with pytest.raises(KeyError):
            await fail()
        async with asyncio.timeout(PATIENCE_S):
            assert [item async for item in receiver] == list(range(accepted))
        receiver.close()


async def test_a_fan_out_comes_before_receiving(boards: Boards) -> None:
    """`fanout` on a receiver that was given a batch and has items left would lose
    them, and refuses; afterwards the receiver itself cannot be used."""
    async with boards() as (near, far):
        token = Token("numbers", int)
        receiver = near.broadcast_rx(token)
        async with far.broadcast_tx(token) as news:
            await news.send_many([1, 2])
            assert await receiver.receive() == 1
            with pytest.raises(comm.UsageError, match="before receive"):
                receiver.fanout()
            assert await receiver.receive() == 2
            async with receiver.fanout() as fanout:
                members = [fanout.attach() for _ in range(2)]
                await news.send(3)
                assert [await each.receive() for each in members] == [3, 3]
                with pytest.raises(comm.UsageError):
                    receiver.fanout()
            with pytest.raises(comm.ClosedError):
                await members[0].receive()
            with pytest.raises(comm.ClosedError):
                fanout.attach()
            for each in members:
                each.close()


async def test_closing_a_fan_out_wakes_its_members(boards: Boards) -> None:
    """Whoever waits at a member of a fan-out that is closed gets `ClosedError`."""
    async with boards(nodes=1) as (board,):
        fanout = board.broadcast_rx(Token("numbers", int)).fanout()
        members = [fanout.attach() for _ in range(2)]
        tasks = [asyncio.create_task(each.receive()) for each in members]
        await settle(3)
        await fanout.aclose()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [comm.ClosedError] * 2
        for each in members:
            each.close()


async def test_an_aborted_producer_does_not_claim_delivery(boards: Boards) -> None:
    """`flush` after `abort` raises if something was given up; `aclose` only ends."""
    async with boards(config=NARROW) as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        fill(producer, range(1000))
        producer.abort()
        with pytest.raises(comm.ClosedError, match="aborted"):
            await producer.flush(PATIENCE_S)
        await producer.aclose()
        receiver.close()


async def test_handles_belong_to_their_loop(boards: Boards) -> None:
    """Using a switchboard or a handle in another event loop or thread is refused in
    words, and does no harm."""
    async with boards() as (near, far):
        sender, receiver = near.mpsc(int)
        producer = await far.connect(sender)
        errors: list[BaseException] = []

        def elsewhere() -> None:
            async def use() -> None:
                for verb in (
                    receiver.receive,
                    producer.flush,
                    near.rendezvous,
                    near.drain,
                    near.aclose,
                ):
                    try:
                        await verb()
                    except comm.UsageError as error:
                        errors.append(error)
                try:
                    await far.connect(sender)
                except comm.UsageError as error:
                    errors.append(error)

            asyncio.run(use())
            for call in (near.mpsc, producer.close, producer.abort, receiver.seal):
                try:
                    call()
                except comm.UsageError as error:
                    errors.append(error)
            try:
                receiver.close()
            except comm.UsageError as error:
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert len(errors) == 11
        assert all("belongs to another" in str(error) for error in errors)
        await producer.send(1)
        assert await receiver.receive() == 1
        producer.close()
        receiver.close()


async def test_a_switchboard_that_is_not_running_says_so(boards: Boards) -> None:
    """Before `async with` everything raises `UsageError`, afterwards `ClosedError`;
    what is known for good can be asked at any time."""
    async with boards() as (near, far):
        token = Token("numbers", int)
        sender, receiver = near.mpsc(int)
        receiver.close()
        unstarted = Switchboard(far.nodes, 1, listen=False)
        for board, error in ((unstarted, comm.UsageError), (far, comm.ClosedError)):
            if board is far:
                await far.aclose()
            for verb in (board.mpsc, board.events, board.streams):
                with pytest.raises(error):
                    verb()
            for make in (board.broadcast_tx, board.broadcast_rx):
                with pytest.raises(error):
                    make(token)
            for wait in (board.rendezvous, board.drain):
                with pytest.raises(error):
                    await wait()
            with pytest.raises(error):
                await board.connect(sender)
            assert (board.node_id, board.size, board.cluster) == (1, 2, "comm")
            assert len(board.incarnation) == 16
            assert board.peers[1] is None
            assert board.statistics().node_id == 1
        with pytest.raises(comm.UsageError, match="once"):
            await far.__aenter__()


async def test_pickle_needs_an_authenticated_session() -> None:
    """A codec that runs whatever code it is sent is refused where anybody may
    connect."""
    for security in (None, comm.Security.insecure()):
        with pytest.raises(comm.ConfigurationError, match="pickle"):
            Switchboard.local(codec="pickle", security=security)
