"""How many streams may wait for an answer: what replies may cost, and who may open."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort
from comm.errors import ClosedError, StaleSender
from comm.events import PeerDown
from comm.mpsc import ProducerCore, Sender
from comm.protocol import Kind, Reason
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import STRANGER, Stage


SENDER: Sender[Any] = Sender("comm", 1, STRANGER, b"c" * 16, *BYTES)
UNKNOWN = b"u" * 16
LIMIT = 1024


def connect(stage: Stage, count: int) -> list[ProducerCore]:
    producers = [stage.core.connect(SENDER, BYTES, stage.now) for _ in range(count)]
    stage.pump()
    return producers


def opened(stage: Stage, link: int) -> list[int]:
    """Returns the streams that the core has opened, in order."""
    return [frame.stream for frame in stage.heard[link] if frame.kind == Kind.OPEN]


def test_no_more_streams_are_opened_than_may_wait() -> None:
    """The others wait for answers, of whichever kind, and then go in their order."""
    stage = Stage()
    link = stage.establish()
    producers = connect(stage, 2000)
    assert opened(stage, link) == list(range(1, LIMIT + 1))
    for stream in (7, 1, 900):
        stage.accepts(link, stream)
    stage.stops(link, Reason.NO_CHANNEL, stream=8)
    assert opened(stage, link) == list(range(1, LIMIT + 5))
    stage.stops(link, Reason.RECEIVER_CLOSED, stream=7)
    assert len(opened(stage, link)) == LIMIT + 4
    assert producers[0].is_open
    assert not producers[-1].is_open


def test_a_producer_that_is_given_up_takes_nobody_s_turn() -> None:
    """One that waits to be opened never is; one that was opened counts until it is
    answered."""
    stage = Stage()
    link = stage.establish()
    producers = connect(stage, LIMIT + 3)
    producers[LIMIT].abort("not needed")
    producers[5].abort("not needed either")
    stage.pump()
    stage.acknowledge(link, LIMIT + 1)
    assert len(opened(stage, link)) == LIMIT
    stage.accepts(link, 6)
    assert opened(stage, link)[LIMIT:] == [LIMIT + 2]
    stage.accepts(link, 1)
    assert opened(stage, link)[LIMIT:] == [LIMIT + 2, LIMIT + 3]


@pytest.mark.parametrize("chunk", [0, 1000])
@pytest.mark.parametrize("is_cut", [False, True])
def test_many_producers_of_an_honest_node_are_all_let_in(
    *, chunk: int, is_cut: bool
) -> None:
    """However many connect in one burst, however their frames are cut, and through a
    cut of the link: an honest node never breaks the rule."""
    cluster = Cluster(chunk=chunk, latency_s=0.01)
    cluster.check = False
    sender, receiver = cluster[0].open_mpsc(BYTES)
    cluster.meet()
    producers = [cluster[1].connect(sender, BYTES, cluster.now) for _ in range(5000)]
    if is_cut:
        cluster.run(0.05)
        assert 0 < sum(producer.is_open for producer in producers) < 5000
        cluster.cut(0, 1)
    cluster.run_until(lambda: all(producer.is_open for producer in producers))
    for producer in producers:
        producer.send(pack(1))
        producer.finish()
    cluster.run_until(lambda: all(producer.is_delivered for producer in producers))
    assert len(receive_all(receiver)) == 5000
    assert cluster[0].statistics().protocol_errors == 0
    assert len(cluster.events(0, PeerDown)) == is_cut


def test_producers_that_wait_are_answered_by_the_next_incarnation() -> None:
    """Those that were opened and those that were not: a restart forgets nobody."""
    cluster = Cluster()
    cluster.check = False
    sender, _ = cluster[0].open_mpsc(BYTES)
    cluster.meet()
    cluster.run(0.1)
    cluster.cut(0, 1, "silence")
    producers = [cluster[1].connect(sender, BYTES, cluster.now) for _ in range(3000)]
    cluster.run(0.1)
    cluster.crash(0)
    cluster.restart(0)
    cluster.run(20.0)
    assert {type(producer.error) for producer in producers} == {StaleSender}


def test_nothing_is_opened_by_a_node_that_leaves() -> None:
    """Whoever still waits is told that the switchboard was closed."""
    stage = Stage()
    link = stage.establish()
    producers = connect(stage, LIMIT + 1)
    stage.core.close(stage.now)
    stage.pump()
    assert len(opened(stage, link)) == LIMIT
    assert isinstance(producers[-1].error, ClosedError)


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("is_known", [False, True])
def test_who_opens_and_hears_no_answer_breaks_the_protocol(
    *, reads: bool, is_known: bool
) -> None:
    """Neither one that reads nothing nor one that acknowledges nothing has more than
    a fixed number of answers kept, be they refusals or not."""
    stage = Stage()
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    channel = receiver.channel if is_known else UNKNOWN
    if not reads:
        stage.core.handle_write_blocked(link)
    for stream in itertools.count(1):
        stage.send(link, Kind.OPEN, stream, 0, stage.open_body(channel))
        if link in stage.ended:
            break
    assert stream == LIMIT + 1
    assert stage.ended == {link: Abort}
    assert stage.core.statistics().peers[0].session.received == LIMIT
    assert receiver.statistics().attached == LIMIT * is_known


def test_acknowledged_answers_make_room_for_more() -> None:
    """What counts is what has not been heard, not how many streams there are."""
    stage = Stage()
    link = stage.establish()
    for stream in range(1, 3 * LIMIT):
        stage.send(link, Kind.OPEN, stream, 0, stage.open_body(UNKNOWN))
        if stream % LIMIT == 0:
            stage.acknowledge(link, stream)
    assert not stage.ended
    assert stage.kinds(link).count(Kind.STOP) == 3 * LIMIT - 1


def credits_heard(stage: Stage, link: int) -> list[int]:
    return [frame.value for frame in stage.heard[link] if frame.kind == Kind.CREDIT]


def test_credit_that_nobody_hears_is_granted_a_few_times() -> None:
    """Who sends on without reading has no more of it kept, and is closed once it has
    sent more than it was granted."""
    stage = Stage(config=Config(window_bytes=100))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    before = len(stage.heard[link])
    for _ in range(1000):
        stage.items(link, b"x" * 23)
        if link in stage.ended:
            break
        receiver.take()
    assert link in stage.ended
    assert receiver.statistics().taken == 100 // 25 + 8
    assert sum(frame.kind == Kind.CREDIT for frame in stage.heard[link][before:]) == 8


def test_credit_that_was_withheld_is_granted_when_the_last_was_heard() -> None:
    """All that is owed by then comes at once, so that nothing is ever missing."""
    stage = Stage(config=Config(window_bytes=100))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    for _ in range(11):
        stage.items(link, b"x" * 23)
        receiver.take()
    stage.pump()
    assert credits_heard(stage, link) == [25] * 8
    stage.acknowledge(link, 2)
    assert credits_heard(stage, link) == [25] * 8 + [75]
    stage.finish(link, 11)
    stage.acknowledge(link, 10)
    assert credits_heard(stage, link) == [25] * 8 + [75]


def test_credit_fits_into_its_frame() -> None:
    """Owing more than the field holds, a node grants what fits, and the rest next."""
    stage = Stage(config=Config(window_bytes=100))
    _, receiver = stage.core.open_mpsc(BYTES)
    link = stage.establish()
    stage.open(link, receiver)
    stage.items(link, 1)
    (inlet,) = receiver.inlets
    inlet._owed = (1 << 32) + 98
    receiver.take()
    stage.pump()
    assert credits_heard(stage, link) == [(1 << 32) - 1]
    stage.items(link, 1)
    receiver.take()
    stage.pump()
    assert credits_heard(stage, link) == [(1 << 32) - 1, 101]
