"""Connections that are handed to the application as they are."""

from __future__ import annotations

import pytest

from comm.effects import Abort, Connect, StreamFailed, StreamOpened
from comm.errors import ClusterMismatch, PeerLost
from comm.protocol import (
    PROTOCOL_MAGIC,
    Hello,
    Kind,
    Purpose,
    Reason,
    ReasonBody,
    encode_frame,
)
from tests.helpers import Cluster
from tests.stage import NEWCOMER, Stage


def test_both_sides_get_their_end() -> None:
    """The one that asked, and the one that was asked; then the core forgets it."""
    cluster = Cluster()
    link = cluster[0].open_stream(1, cluster.now)
    cluster.run(0.1)
    (asked,) = cluster.happened(0, StreamOpened)
    (given,) = cluster.happened(1, StreamOpened)
    assert (asked.link, asked.node_id, asked.accepted) == (link, 1, False)
    assert (given.node_id, given.accepted) == (0, True)
    assert asked.received == given.received == b""
    for core in (cluster[0], cluster[1]):
        assert core.statistics().half_open == 0
        assert core.next_timeout() is None
        assert core.peers[1 - core.node_id] is not None
    cluster[0].handle_closed(link, cluster.now)
    assert len(cluster.happened(0, StreamFailed)) == 0


def test_a_stream_leaves_the_session_alone() -> None:
    """Whether there is one, and whoever it is with: nothing is superseded."""
    stage = Stage()
    session = stage.establish()
    link = stage.accept()
    hello = stage.hello(purpose=Purpose.STREAM, incarnation=NEWCOMER, generation=9)
    (welcome,) = stage.say(link, hello)
    body = Hello.decode(welcome.payload)
    assert (body.purpose, body.received, body.peer_generation) == (Purpose.STREAM, 0, 0)
    assert session not in stage.ended
    assert not stage.ended


def test_bytes_behind_the_handshake_are_the_application_s() -> None:
    """Those of the same read are handed over with the stream, on both sides."""
    stage = Stage()
    link = stage.accept()
    stage.say(link, stage.hello(purpose=Purpose.STREAM), b"hello", b"\x93comm")
    assert stage.happened(StreamOpened) == [
        StreamOpened(link, 1, accepted=True, received=b"hello\x93comm")
    ]
    assert not stage.say(link, b"more")
    asked = stage.core.open_stream(1, stage.now)
    stage.pump()
    stage.connected()
    welcome = stage.hello(Kind.WELCOME, purpose=Purpose.STREAM)
    for i in range(len(welcome) - 1):
        stage.say(asked, welcome[i : i + 1])
    stage.say(asked, welcome[-1:] + b"rest")
    assert stage.happened(StreamOpened)[-1] == StreamOpened(
        asked, 1, accepted=False, received=b"rest"
    )


def test_a_stream_that_is_refused_says_why() -> None:
    """The error is that of a session; it is not tried again."""
    stage = Stage()
    link = stage.core.open_stream(1, stage.now)
    stage.pump()
    stage.connected()
    text = ReasonBody("elsewhere").encode()
    refusal = encode_frame(Kind.REFUSAL, 0, 0, Reason.WRONG_NODE, text)
    stage.say(link, PROTOCOL_MAGIC + refusal)
    (failed,) = stage.happened(StreamFailed)
    assert failed.link == link
    assert isinstance(failed.error, ClusterMismatch)
    stage.wait(60.0)
    assert len(stage.dialled) == 1


@pytest.mark.parametrize("how", ["refused", "closed", "silent", "garbage", "misfit"])
def test_a_stream_that_cannot_be_opened_fails(how: str) -> None:
    """Once, with the node and the cause in its error, and is forgotten."""
    stage = Stage()
    link = stage.core.open_stream(1, stage.now)
    stage.pump()
    if how == "refused":
        stage.core.handle_connect_failed(link, "refused", stage.now)
        stage.pump()
    else:
        stage.connected()
    if how == "closed":
        stage.closed(link, "reset")
    elif how == "garbage":
        stage.say(link, b"HTTP/1.1 400 Bad Request\r\n")
    elif how == "misfit":
        stage.say(link, stage.hello(Kind.WELCOME, purpose=Purpose.STREAM, cluster="x"))
    elif how == "silent":
        stage.wait(5.0)
    (failed,) = stage.happened(StreamFailed)
    assert failed.link == link
    assert isinstance(failed.error, ClusterMismatch if how == "misfit" else PeerLost)
    assert "node 1 (127.0.0.1:7001)" in str(failed.error)
    stage.closed(link)
    stage.wait(60.0)
    assert len(stage.happened(StreamFailed)) == 1
    assert stage.core.next_timeout() is None


def test_a_stream_may_be_given_up() -> None:
    """Before it is open; nothing follows."""
    stage = Stage()
    link = stage.core.open_stream(1, stage.now)
    stage.pump()
    stage.connected()
    stage.core.abort_stream(link)
    stage.pump()
    assert stage.ended == {link: Abort}
    assert not stage.say(link, stage.hello(Kind.WELCOME, purpose=Purpose.STREAM))
    assert not stage.happened(StreamOpened)
    assert not stage.happened(StreamFailed)
    stage.core.abort_stream(link)


def test_streams_have_a_connection_each() -> None:
    """They do not share, and do not count as meeting."""
    cluster = Cluster()
    for _ in range(3):
        cluster[0].open_stream(1, cluster.now)
    cluster.run(0.1)
    assert len(cluster.happened(0, Connect)) == 3
    assert len(cluster.happened(1, StreamOpened)) == 3
    assert set(cluster[0].missing()) == {1}


def test_a_stream_that_is_under_way_ends_with_the_switchboard() -> None:
    """It fails like everything else that is closed."""
    stage = Stage()
    link = stage.core.open_stream(1, stage.now)
    stage.core.close(stage.now)
    stage.pump()
    assert [failed.link for failed in stage.happened(StreamFailed)] == [link]
    assert stage.ended == {link: Abort}
