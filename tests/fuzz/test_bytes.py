"""Hostile bytes: the properties hold, and would not if something were wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from comm.errors import ProtocolError
from comm.peer.peer import PeerCore
from comm.protocol import PROTOCOL_MAGIC, Body, Connection, Hello, Kind, OpenBody
from comm.protocol.frames import HEADER
from comm.switchboard.dispatcher import Dispatcher
from fuzz.bytes import Attack, nodes_withstand
from fuzz.conversations import conversations, is_answer, real_conversation, vectors
from fuzz.mutations import (
    Erase,
    Exchange,
    Flip,
    Insert,
    Mutation,
    Overwrite,
    Repeat,
    SetField,
    SetPayload,
    Splice,
    Truncate,
    mutate,
    mutations,
)
from fuzz.parsers import check_any, check_bodies, check_connection
from fuzz.scene import FRIEND


@pytest.mark.parametrize("number", range(len(vectors())))
def test_the_parsers_agree_about_every_vector(number: int) -> None:
    """Whole, in pieces and with more behind them, the bytes mean the same."""
    data = b"".join(vectors()[number])
    check_connection(data)
    check_any(data)


@pytest.mark.parametrize("bytes_max", [0, 1])
@pytest.mark.parametrize("number", range(len(conversations())))
def test_a_node_withstands_every_vector(number: int, bytes_max: int) -> None:
    """Whoever says it, its friend is served before and after."""
    nodes_withstand([Attack(number, (), bytes_max=bytes_max)])


@pytest.mark.parametrize("dials", [True, False])
def test_a_real_conversation_has_every_kind_of_frame(dials: bool) -> None:
    """So each of them is mutated where a node is ready for it."""
    pieces = real_conversation(dials=dials)
    assert is_answer(pieces) is not dials
    rest = {HEADER.unpack_from(piece)[1] for piece in pieces[1:]}
    assert rest == set(Kind) - {Kind.HELLO, Kind.WELCOME, Kind.REFUSAL}


def test_a_body_that_takes_too_much_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that passes over trailing bytes does not give the same bytes back."""

    def decode(cls: type[Body], payload: bytes) -> Body:
        values: dict[str, Any] = {}
        offset = 0
        for name, kind in cls.LAYOUT:
            values[name], offset = kind.unpack(payload, offset)
        return cls(**values)

    good = OpenBody(0, bytes(16), bytes(16), "a", "b").encode()
    check_bodies(good + b"x")
    monkeypatch.setattr(OpenBody, "decode", classmethod(decode))
    with pytest.raises(AssertionError):
        check_bodies(good + b"x")


def test_a_reader_that_forgets_a_byte_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A frame that comes in pieces must be the one that comes whole."""
    keep = Connection._keep

    def forget(self: Connection, need: int) -> None:
        keep(self, need)
        if len(self._pending) == HEADER.size:
            self._pending.pop()

    monkeypatch.setattr(Connection, "_keep", forget)
    with pytest.raises((AssertionError, ProtocolError)):
        check_connection(b"".join(real_conversation(dials=True)))


def test_an_exception_out_of_a_node_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a peer says must never raise."""

    def fail(_self: Dispatcher, _link: object, reason: str) -> None:
        raise LookupError(reason)

    monkeypatch.setattr(Dispatcher, "_break", fail)
    with pytest.raises(LookupError, match="ends inside"):
        nodes_withstand([Attack(0, (Truncate(3, 22), SetField(3, 0, 1)))])


def test_an_impostor_that_is_let_in_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The friend's link must outlive whoever claims to be the friend."""
    first = real_conversation(dials=True)[0]
    hello = Hello.decode(first[len(PROTOCOL_MAGIC) + HEADER.size :])
    claim = SetPayload(0, replace(hello, node_id=FRIEND).encode())
    nodes_withstand([Attack(0, (claim,))])
    monkeypatch.setattr(
        PeerCore, "handle_hello", lambda self, link, hello: self._admit(link, hello)
    )
    with pytest.raises(AssertionError, match="friend"):
        nodes_withstand([Attack(0, (claim,))])


PIECES = [b"first", b"second", b"third"]
FRAME = HEADER.pack(3, 17, 1, 2, 3) + b"abc"


@pytest.mark.parametrize(
    ("mutation", "becomes"),
    [
        (Flip(0, 0), [b"girst", b"second", b"third"]),
        (Flip(4, 8), [b"first", b"sdcond", b"third"]),
        (Truncate(1, 2), [b"first", b"se", b"third"]),
        (Erase(2, 1, 3), [b"first", b"second", b"td"]),
        (Insert(0, 7, b"--"), [b"fi--rst", b"second", b"third"]),
        (Overwrite(0, 3, b"----"), [b"fir--", b"second", b"third"]),
        (Splice(0, 1, 2), [b"fthirdirst", b"second", b"third"]),
        (Exchange(0, 2), [b"third", b"second", b"first"]),
        (Repeat(1, 0), [b"first", b"third"]),
        (Repeat(1, 2), [b"first", b"second", b"second", b"third"]),
        (SetField(0, 0, 1), PIECES),
        (SetPayload(0, b"x"), PIECES),
    ],
    ids=str,
)
def test_a_mutation_does_what_it_says(mutation: Mutation, becomes: list[bytes]) -> None:
    """Numbers count modulo what there is, and what is no frame has no fields."""
    assert mutate(PIECES, [mutation]) == becomes


@pytest.mark.parametrize("magic", [b"", PROTOCOL_MAGIC])
def test_a_frame_can_be_changed_in_form(magic: bytes) -> None:
    """Fields are set where they stand; a new payload has the right length."""
    said = [magic + FRAME]
    longer = magic + HEADER.pack(5, 17, 1, 2, 3) + b"abcde"
    other = magic + HEADER.pack(3, 17, 1, 2, 0xFFFFFFFF) + b"abc"
    assert mutate(said, [SetPayload(0, b"abcde")]) == [longer]
    assert mutate(said, [SetField(0, 4, (1 << 64) - 1)]) == [other]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4), st.lists(mutations()))
def test_any_mutations_can_be_done(pieces: list[bytes], done: list[Mutation]) -> None:
    """Whatever is left of a conversation, the next mutation can be done to it."""
    assert isinstance(b"".join(mutate(pieces, done)), bytes)
