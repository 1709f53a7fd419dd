"""A node id that is taken: a restarted node comes in, a second process does not."""

from __future__ import annotations

import pytest

from comm.config import Config
from comm.effects import Abort, Close, LinkId, Transmit
from comm.events import PeerDown, PeerRestarted, PeerUp
from comm.protocol import Frame, Kind, Reason, ReasonBody, encode_frame
from tests.helpers import BYTES, Cluster, receive_all
from tests.stage import NEWCOMER, STRANGER, THIRD, Stage


PONG = encode_frame(Kind.PONG, value=2)
GOODBYE = encode_frame(
    Kind.GOODBYE, value=Reason.LEAVING, payload=ReasonBody("left").encode()
)


def doubted(config: Config | None = None) -> tuple[Stage, LinkId, LinkId]:
    """A node that has a link, and another process that claims the same id."""
    stage = Stage(config=config)
    incumbent = stage.establish()
    newcomer = stage.accept()
    assert not stage.say(newcomer, stage.hello(incarnation=NEWCOMER))
    ping = stage.heard[incumbent][-1]
    assert ping == Frame(Kind.PING, 0, 0, 2, b"")
    return stage, incumbent, newcomer


def assert_refused(stage: Stage, link: LinkId) -> None:
    (refusal,) = stage.heard[link]
    assert (refusal.kind, refusal.value) == (Kind.REFUSAL, Reason.DUPLICATE_NODE)
    assert stage.ended[link] is Close


def assert_admitted(stage: Stage, newcomer: LinkId, incumbent: LinkId) -> None:
    assert stage.kinds(newcomer) == [Kind.WELCOME, Kind.ACK]
    assert incumbent in stage.ended
    assert newcomer not in stage.ended
    assert stage.events(PeerUp)[-1] == PeerUp(1, NEWCOMER, resumed=False)


def test_a_newcomer_is_refused_when_the_incumbent_answers() -> None:
    """The node that lives keeps its id, and its link does not notice."""
    stage, incumbent, newcomer = doubted()
    stage.say(incumbent, PONG)
    assert_refused(stage, newcomer)
    stage.wait(2.0)
    assert incumbent not in stage.ended
    assert len(stage.events(PeerUp)) == 1
    assert stage.core.statistics().refused == 1


def test_a_newcomer_is_admitted_when_the_incumbent_is_silent() -> None:
    """After a second it is: then the node was restarted, and this is told."""
    stage, incumbent, newcomer = doubted()
    stage.wait(0.99)
    assert not stage.ended
    stage.wait(0.01)
    assert_admitted(stage, newcomer, incumbent)
    assert stage.ended == {incumbent: Abort}
    assert stage.events(PeerRestarted) == [PeerRestarted(1, STRANGER, NEWCOMER)]


def test_other_answers_of_the_incumbent_do_not_count() -> None:
    """A PONG to an earlier PING may have been sent before the newcomer came."""
    stage, incumbent, newcomer = doubted()
    stage.say(incumbent, encode_frame(Kind.PONG, value=1))
    stage.say(incumbent, encode_frame(Kind.PING, value=1))
    stage.wait(1.0)
    assert_admitted(stage, newcomer, incumbent)


def test_a_newcomer_waits_while_bytes_of_the_incumbent_come() -> None:
    """An answer may be stuck behind much data: as long as some of it comes, the node
    that lives keeps its id. After a second of silence it does not."""
    stage, incumbent, newcomer = doubted()
    for _ in range(3):
        stage.wait(0.9)
        stage.say(incumbent, encode_frame(Kind.PONG, value=1))
    stage.wait(0.99)
    assert not stage.ended
    stage.wait(0.01)
    assert_admitted(stage, newcomer, incumbent)


def test_a_newcomer_is_not_kept_waiting_for_ever() -> None:
    """The handshake timeout ends its wait, and the incumbent is not touched."""
    stage, incumbent, newcomer = doubted(Config(handshake_timeout_s=2.0))
    for _ in range(4):
        stage.wait(0.5)
        stage.say(incumbent, encode_frame(Kind.PONG, value=1))
    assert stage.ended == {newcomer: Abort}
    assert len(stage.events(PeerUp)) == 1


def test_a_short_handshake_timeout_shortens_the_probe() -> None:
    """The newcomer has its answer before it gives up by itself."""
    stage, incumbent, newcomer = doubted(Config(handshake_timeout_s=0.5))
    stage.wait(0.25)
    assert_admitted(stage, newcomer, incumbent)


def test_a_newcomer_is_admitted_when_the_incumbent_closes() -> None:
    """The old process died, and its connection with it."""
    stage, incumbent, newcomer = doubted()
    stage.wait(0.1)
    stage.core.handle_closed(incumbent, stage.now, "reset")
    stage.ended[incumbent] = Close
    stage.pump()
    assert_admitted(stage, newcomer, incumbent)
    assert stage.events(PeerDown) == [PeerDown(1, "reset")]


def test_a_newcomer_is_admitted_when_the_incumbent_leaves() -> None:
    """A goodbye while the incumbent is asked settles it: nobody was superseded."""
    stage, incumbent, newcomer = doubted()
    stage.say(incumbent, GOODBYE)
    assert_admitted(stage, newcomer, incumbent)
    assert not stage.events(PeerRestarted)


def test_a_newcomer_is_admitted_when_the_incumbent_breaks_the_protocol() -> None:
    """The link is closed because of that, and the one that waits takes its place."""
    stage, incumbent, newcomer = doubted()
    stage.say(incumbent, encode_frame(Kind.HELLO))
    assert_admitted(stage, newcomer, incumbent)


def test_a_newcomer_is_admitted_when_the_incumbent_is_given_up() -> None:
    """Silence of the old link comes to the same, even if it is noticed meanwhile."""
    stage = Stage()
    incumbent = stage.establish()
    stage.wait(5.5)
    newcomer = stage.accept()
    stage.say(newcomer, stage.hello(incarnation=NEWCOMER))
    stage.wait(0.5)
    assert_admitted(stage, newcomer, incumbent)
    assert "silent" in stage.events(PeerDown)[0].reason


def test_a_third_claimant_is_refused_at_once() -> None:
    """One waits at a time; whoever comes later may come again."""
    stage, incumbent, newcomer = doubted()
    third = stage.accept()
    stage.say(third, stage.hello(incarnation=THIRD))
    assert_refused(stage, third)
    stage.wait(1.0)
    assert_admitted(stage, newcomer, incumbent)


def test_a_newcomer_that_goes_away_leaves_no_trace() -> None:
    """Its connection closes while the incumbent is asked: nothing follows."""
    stage, incumbent, newcomer = doubted()
    stage.closed(newcomer)
    stage.say(incumbent, PONG)
    stage.wait(2.0)
    assert incumbent not in stage.ended
    assert stage.core.statistics().half_open == 0
    assert stage.core.statistics().refused == 0


def test_a_newcomer_that_cannot_wait_is_closed() -> None:
    """Whatever it says before it was answered breaks the protocol."""
    stage, incumbent, newcomer = doubted()
    stage.say(newcomer, PONG)
    assert stage.ended == {newcomer: Abort}
    stage.wait(2.0)
    assert incumbent not in stage.ended


def test_an_incumbent_that_dials_anew_is_alive() -> None:
    """Its new connection takes the place of the old, and the newcomer is refused."""
    stage, incumbent, newcomer = doubted()
    again = stage.accept()
    stage.say(again, stage.resume())
    assert stage.kinds(again) == [Kind.WELCOME, Kind.ACK]
    assert stage.ended[incumbent] is Abort
    assert_refused(stage, newcomer)
    assert stage.events(PeerUp)[-1] == PeerUp(1, STRANGER, resumed=True)


def test_a_newcomer_whose_handshake_takes_too_long_is_given_up() -> None:
    """Its time runs from when it connected, also while the incumbent is asked."""
    stage = Stage()
    newcomer = stage.accept()
    stage.wait(4.5)
    incumbent = stage.establish()
    stage.say(newcomer, stage.hello(incarnation=NEWCOMER))
    stage.wait(0.5)
    assert stage.ended == {newcomer: Abort}
    stage.wait(2.0)
    assert incumbent not in stage.ended


@pytest.mark.parametrize("incumbent_lives", [True, False])
def test_a_newcomer_may_be_pushed_out_while_it_waits(*, incumbent_lives: bool) -> None:
    """If too many connections are half open it makes room, whatever the verdict
    would have been."""
    stage, incumbent, newcomer = doubted(Config(half_open_max=2))
    others = [stage.accept(), stage.accept()]
    assert stage.ended == {newcomer: Abort}
    if incumbent_lives:
        stage.say(incumbent, PONG)
    stage.wait(2.0)
    assert incumbent not in stage.ended
    assert not stage.heard.get(newcomer)
    assert stage.core.statistics().half_open == len(others)


def test_a_process_that_was_replaced_stays_out() -> None:
    """Of two processes with one id exactly one is part of the cluster."""
    stage, incumbent, newcomer = doubted()
    stage.wait(1.0)
    assert_admitted(stage, newcomer, incumbent)
    again = stage.accept()
    stage.say(again, stage.resume())
    assert_refused(stage, again)
    stage.closed(newcomer)
    again = stage.accept()
    stage.say(again, stage.resume())
    assert_refused(stage, again)


def test_the_last_sixteen_that_were_replaced_are_remembered() -> None:
    """What is remembered of a node that restarts for ever has a limit."""
    stage = Stage()
    incarnations = [bytes([n]) * 16 for n in range(1, 19)]
    for incarnation in incarnations:
        stage.closed(stage.establish(incarnation=incarnation))
    for incarnation in incarnations[1:17]:
        link = stage.accept()
        stage.say(link, stage.hello(incarnation=incarnation))
        assert_refused(stage, link)
    stage.establish(incarnation=incarnations[0])


def test_two_processes_with_one_id_do_not_take_turns() -> None:
    """The second one never gets in as long as the first one lives, and the first
    one's traffic goes on."""
    cluster = Cluster()
    sender, receiver = cluster[0].open_mpsc(BYTES)
    producer = cluster.connect(1, sender)
    second = Stage(node_id=1)
    second.core.dial_all(second.now)
    second.pump()
    second.connected()
    (hello,) = second.happened(Transmit)
    link = cluster[0].handle_accepted(cluster.now)
    cluster[0].handle_data(link, b"".join(hello.buffers), cluster.now)
    for n in range(100):
        producer.send(bytes([n]))
        cluster.run(0.05)
    assert receive_all(receiver) == list(range(100))
    assert not cluster.events(0, PeerRestarted)
    assert not cluster.events(1, PeerDown)
    assert cluster[0].statistics().refused == 1
