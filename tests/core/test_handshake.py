"""How a link begins: who says what first, who is let in, and what is said if not."""

from __future__ import annotations

from typing import Any

import pytest

from comm.config import Config
from comm.effects import Abort, Close, Connect, PeerMet
from comm.errors import (
    AuthenticationFailed,
    ClusterMismatch,
    ConfigurationError,
    DuplicateNode,
    Error,
    HandshakeError,
    PeerLost,
    UsageError,
    VersionMismatch,
)
from comm.events import PeerUp
from comm.protocol import (
    PROTOCOL_MAGIC,
    Hello,
    Kind,
    Purpose,
    Reason,
    ReasonBody,
    encode_frame,
)
from comm.security import Security
from comm.switchboard import SwitchboardCore
from tests.helpers import BYTES, Cluster, pack, receive_all
from tests.stage import NEWCOMER, STRANGER, Stage, frames_sent


def test_two_nodes_meet() -> None:
    """One dials, both say who they are, and both tell that the other is there."""
    cluster = Cluster()
    cluster.meet()
    for node, other in ((0, 1), (1, 0)):
        assert cluster.happened(node, PeerMet) == [PeerMet(other)]
        up = PeerUp(other, cluster[other].incarnation, resumed=False)
        assert cluster.events(node) == [up]
        info = cluster[node].peers[other]
        assert info is not None
        assert info.is_up
        assert info.incarnation == cluster[other].incarnation
        assert info.address == cluster.nodes[other]
        assert cluster[node].peers[node] is None
    assert cluster.connections == 1


def test_the_node_with_the_higher_id_dials_first() -> None:
    """Where all come up together, one connection for each pair is enough."""
    cluster = Cluster(5)
    cluster.meet()
    assert cluster.connections == 10
    for node in range(5):
        assert len(cluster.happened(node, Connect)) == node


def test_the_node_with_the_lower_id_dials_where_the_other_does_not() -> None:
    """A node that is only waited for is dialled after the first pause."""
    cluster = Cluster()
    cluster[0].dial_all(cluster.now)
    cluster.run(0.09)
    assert not cluster.happened(0, Connect)
    cluster.run_until(lambda: not cluster[0].missing(), 0.1)


def test_a_stranger_hears_nothing_before_its_hello() -> None:
    """The accepting side speaks only once it knows who asks, and begins with ACK."""
    stage = Stage()
    link = stage.accept()
    assert not stage.heard
    hello = stage.hello()
    for i in range(len(hello) - 1):
        assert not stage.say(link, hello[i : i + 1])
    stage.say(link, hello[-1:])
    assert stage.kinds(link) == [Kind.WELCOME, Kind.ACK]


def test_the_dialling_side_says_hello_and_then_waits() -> None:
    """Between HELLO and the answer nothing is sent, whatever there is to send."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    link = stage.connected()
    stage.core.request_flush_all()
    stage.pump()
    assert stage.kinds(link) == [Kind.HELLO]
    stage.say(link, stage.hello(Kind.WELCOME))
    assert stage.kinds(link) == [Kind.HELLO, Kind.ACK]
    assert stage.events(PeerUp) == [PeerUp(0, STRANGER, resumed=False)]


def test_welcome_chooses_one_version() -> None:
    """Of the versions that both sides speak, WELCOME names the newest."""
    stage = Stage()
    for purpose in Purpose:
        link = stage.accept()
        hello = stage.hello(purpose=purpose, version_max=9)
        answer = Hello.decode(stage.say(link, hello)[0].payload)
        assert (answer.version_min, answer.version_max) == (1, 1)


REFUSALS: list[tuple[int, type[Error]]] = [
    (Reason.VERSION, VersionMismatch),
    (Reason.AUTHENTICATION, AuthenticationFailed),
    (Reason.CLUSTER, ClusterMismatch),
    (Reason.MEMBERSHIP, ClusterMismatch),
    (Reason.WRONG_NODE, ClusterMismatch),
    (Reason.DUPLICATE_NODE, DuplicateNode),
    (Reason.BUSY, HandshakeError),
    (Reason.MALFORMED, HandshakeError),
    (Reason.LEAVING, PeerLost),
    (4711, HandshakeError),
]


@pytest.mark.parametrize(("reason", "error"), REFUSALS)
def test_a_refusal_becomes_an_error_that_says_what_to_do(
    reason: int, error: type[Error]
) -> None:
    """Each reason has its type; the text is shown, and can do a log no harm."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    link = stage.connected()
    refusal = ReasonBody("because\n\x1b[31m").encode()
    stage.say(link, PROTOCOL_MAGIC + encode_frame(Kind.REFUSAL, 0, 0, reason, refusal))
    cause = stage.core.missing()[0]
    assert type(cause) is error
    assert "node 0 (127.0.0.1:7000)" in str(cause)
    assert "because\\x0a\\x1b[31m" in str(cause)
    assert stage.ended[link] is Close
    stage.wait(0.2)
    assert len(stage.dialled) == 2


def test_nodes_of_different_clusters_both_learn_why() -> None:
    """The refused side gets the error by name; the refusing side counts it."""
    cluster = Cluster()
    cluster.cores[1] = cluster.make_core(1, cluster="other")
    cluster[1].dial_all(cluster.now)
    cluster.run(0.05)
    cause = cluster[1].missing()[0]
    assert isinstance(cause, ClusterMismatch)
    assert "'comm'" in str(cause)
    assert "'other'" in str(cause)
    assert cluster[0].statistics().refused == 1
    assert cluster[0].statistics().half_open == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chunk_bytes": 0}, Reason.MALFORMED),
        ({"incarnation": bytes(16)}, Reason.MALFORMED),
        ({"node_id": 7}, Reason.MALFORMED),
        ({"purpose": 7}, Reason.MALFORMED),
        ({"node_id": 0}, Reason.DUPLICATE_NODE),
        ({"peer_id": 1}, Reason.WRONG_NODE),
        ({"membership": bytes(16)}, Reason.MEMBERSHIP),
        ({"cluster": "other"}, Reason.CLUSTER),
        ({"security": "tls"}, Reason.AUTHENTICATION),
        ({"version_min": 2, "version_max": 2}, Reason.VERSION),
    ],
)
def test_who_does_not_belong_here_is_refused(
    changes: dict[str, Any], reason: Reason
) -> None:
    """The refusal names the reason, nothing is kept, and nobody counts as met."""
    stage = Stage()
    link = stage.accept()
    (refusal,) = stage.say(link, stage.hello(**changes))
    assert (refusal.kind, refusal.value) == (Kind.REFUSAL, reason)
    assert ReasonBody.decode(refusal.payload).text
    assert stage.ended[link] is Close
    assert 1 in stage.core.missing()
    assert stage.core.statistics().refused == 1
    assert stage.core.next_timeout() is None


def dialled() -> tuple[Stage, int]:
    stage = Stage(3, node_id=2)
    stage.core.dial_all(stage.now)
    stage.pump()
    (link,) = [
        connect.link
        for connect in stage.happened(Connect)
        if str(connect.address) == "127.0.0.1:7000"
    ]
    stage.core.handle_connected(link, stage.now)
    stage.pump()
    return stage, link


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"cluster": "other"}, ClusterMismatch),
        ({"membership": bytes(16)}, ClusterMismatch),
        ({"peer_id": 0}, ClusterMismatch),
        ({"version_min": 2, "version_max": 9}, VersionMismatch),
        ({"security": "tls"}, AuthenticationFailed),
        ({"chunk_bytes": 0}, HandshakeError),
    ],
)
def test_a_welcome_is_judged_like_a_hello(
    changes: dict[str, Any], error: type[Error]
) -> None:
    """The dialling side admits nobody either whom it did not mean."""
    stage, link = dialled()
    stage.say(link, stage.hello(Kind.WELCOME, node_id=0, **changes))
    assert type(stage.core.missing()[0]) is error
    assert stage.ended[link] is Abort


@pytest.mark.parametrize("changes", [{"node_id": 1}, {"purpose": Purpose.STREAM}])
def test_a_welcome_to_another_hello_is_a_violation(changes: dict[str, Any]) -> None:
    """Another node than the one that was dialled, or another purpose."""
    stage, link = dialled()
    stage.say(link, stage.hello(Kind.WELCOME, **({"node_id": 0} | changes)))
    assert "WELCOME answers another HELLO" in str(stage.core.missing()[0])
    assert stage.ended[link] is Abort
    assert stage.core.statistics().protocol_errors == 1


def test_a_refused_connection_is_tried_again_after_a_pause() -> None:
    """The pauses grow up to the longest; the cause is kept for whoever asks."""
    config = Config(connect_backoff_s=(0.1, 0.4))
    stage = Stage(node_id=1, config=config)
    stage.core.dial_all(stage.now)
    stage.pump()
    times = []
    for attempt in range(1, 7):
        link = stage.dialled[-1]
        stage.core.handle_connect_failed(link, "refused", stage.now)
        stage.pump()
        assert "refused" in str(stage.core.missing()[0])
        at = stage.core.next_timeout()
        assert at is not None
        times.append(at[0] - stage.now)
        stage.wait(times[-1])
        assert len(stage.dialled) == attempt + 1
    for pause_s, longest_s in zip(times, [0.1, 0.2, 0.4, 0.4, 0.4, 0.4], strict=True):
        assert longest_s / 2 <= pause_s <= longest_s


def test_bytes_before_the_connection_stands_are_refused() -> None:
    """A confused driver does no harm: the attempt fails, and the next one is made."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    link = stage.dialled[0]
    stage.say(link, stage.hello(Kind.WELCOME))
    assert stage.ended[link] is Abort
    stage.wait(0.2)
    assert len(stage.dialled) == 2


def test_a_side_that_says_nothing_is_given_up() -> None:
    """After `handshake_timeout_s`, whoever was waited for."""
    stage = Stage(node_id=1)
    stage.core.dial_all(stage.now)
    stage.pump()
    dialling, accepted = stage.connected(), stage.accept()
    stage.wait(4.9)
    assert not stage.ended
    stage.wait(0.1)
    assert stage.ended == {dialling: Abort, accepted: Abort}
    assert "silent" in str(stage.core.missing()[0])


def test_slow_bytes_do_not_lengthen_the_handshake() -> None:
    """Whoever sends a byte a second is given up like whoever sends none."""
    stage = Stage()
    link = stage.accept()
    hello = stage.hello()
    for i in range(5):
        stage.say(link, hello[i : i + 1])
        stage.wait(1.0)
    assert stage.ended == {link: Abort}


def test_a_connection_that_closes_in_its_handshake_is_forgotten() -> None:
    """Neither a link nor a deadline is left, and the core never heard who it was."""
    stage = Stage()
    link = stage.accept()
    stage.say(link, PROTOCOL_MAGIC)
    stage.closed(link)
    assert stage.core.statistics().half_open == 0
    assert stage.core.next_timeout() is None


def test_a_superseded_process_that_answers_is_not_taken() -> None:
    """A WELCOME of an incarnation that another one has replaced counts as silence."""
    stage = Stage(node_id=1)
    stage.closed(stage.establish())
    stage.closed(stage.establish(incarnation=NEWCOMER))
    stage.wait(0.2)
    link = stage.connected()
    stage.say(link, stage.hello(Kind.WELCOME))
    assert stage.ended[link] is Abort
    info = stage.core.peers[0]
    assert info is not None
    assert not info.is_up
    assert info.incarnation == NEWCOMER


def test_each_side_keeps_to_the_other_ones_chunks() -> None:
    """No frame has a larger payload than the side that reads it takes."""
    cluster = Cluster(config=Config(chunk_bytes=5000))
    cluster.cores[1] = cluster.make_core(1, config=Config(chunk_bytes=700))
    for source in (0, 1):
        sender, receiver = cluster[1 - source].open_mpsc(BYTES)
        producer = cluster.connect(source, sender)
        producer.send(pack(b"x" * 9000))
        cluster.run(0.1)
        assert receive_all(receiver) == [b"x" * 9000]
    for node in (0, 1):
        sent = [f for fs in frames_sent(cluster.effects[node]).values() for f in fs]
        assert max(len(frame.payload) for frame in sent) == 700


@pytest.mark.parametrize(
    ("nodes", "node_id", "options"),
    [
        ([], 0, {}),
        (["127.0.0.1:1"], 1, {}),
        (["127.0.0.1:1"], -1, {}),
        (["127.0.0.1:1", "127.0.0.1:1"], 0, {}),
        (["127.0.0.1:1"], 0, {"cluster": ""}),
        (["127.0.0.1:1"], 0, {"cluster": "x" * 1025}),
        (["10.0.0.1:1"], 0, {}),
    ],
)
def test_a_cluster_that_cannot_work_is_not_begun(
    nodes: list[str], node_id: int, options: dict[str, Any]
) -> None:
    """Each mistake in the list of nodes is named before anything happens."""
    with pytest.raises(ConfigurationError):
        SwitchboardCore(nodes, node_id, entropy=bytes, **options)


def test_a_core_says_who_it_is() -> None:
    """The queries give back what the core was made with."""
    stage = Stage(3, node_id=1, cluster="demo", security=Security.insecure())
    core = stage.core
    assert [str(address) for address in core.nodes] == [
        "127.0.0.1:7000",
        "127.0.0.1:7001",
        "127.0.0.1:7002",
    ]
    assert (core.node_id, core.size, core.cluster) == (1, 3, "demo")
    assert len(core.incarnation) == 16
    assert not core.is_closed
    assert core.peers[1] is None
    assert core.peer(1) is None
    assert core.peer(0) == core.peers[0]
    assert set(core.missing()) == {0, 2}
    assert "not tried yet" in str(core.missing()[0])


def test_a_raw_stream_needs_another_node() -> None:
    """There is no stream to oneself, nor to a node that is not in the list."""
    stage = Stage()
    for node_id in (0, 2, -1):
        with pytest.raises(UsageError, match="no other node"):
            stage.core.open_stream(node_id, stage.now)
