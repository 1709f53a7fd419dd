"""Pickle, and how a codec is chosen."""

from __future__ import annotations

from dataclasses import dataclass
import pickle
from typing import Annotated, Any, Protocol, TypedDict, TypeVar, Union

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest

from comm.codec import Codec, ItemCodec, MsgpackCodec, PickleCodec, resolve
from comm.errors import ConfigurationError, DecodeError, EncodeError


T = TypeVar("T")

ANYTHING = PickleCodec().bind(object)


@dataclass
class Job:
    name: str


class SpecialJob(Job):
    pass


class Movie(TypedDict):
    title: str


class Loud(Protocol):
    def shout(self) -> None: ...


class Bomb:
    """Cannot be pickled, nor be unpickled where somebody else has managed to."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise StopIteration

    def __setstate__(self, state: object) -> None:
        raise StopIteration


BOMB = (
    b"\x80\x04\x8c"
    + bytes([len(__name__)])
    + __name__.encode()
    + (b"\x8c\x04Bomb\x93)\x81\x8c\x01xb.")
)


@pytest.mark.parametrize(
    ("item_type", "value"),
    [
        (object, (1, {2: Job})),
        (Any, range(3)),
        (None, None),
        (bytes, b"x" * 100_000),
        (Job, Job("x")),
        (Job, SpecialJob("x")),
        (list[Job], [Job("x")]),
        (Job | None, None),
        (Union[Job, int], 1),  # noqa: UP007 - the old spelling counts, too
        (Annotated[list[T] | None, "a note"], [Job]),  # type: ignore[valid-type]
        (Loud, Job),
        (Movie, {"title": "x"}),
    ],
)
def test_whatever_can_be_pickled_survives(item_type: Any, value: Any) -> None:
    """Items arrive as pickle has it, tuples, classes and all."""
    bound = PickleCodec().bind(item_type)
    data = bound.encode(value)
    assert msgpack.unpackb(data) == pickle.dumps(value, 5)
    assert list(bound.decoder(data * 2, 2)) == [value, value]


def test_items_are_checked_on_both_sides() -> None:
    """What is no instance of the item type is neither sent nor handed out."""
    bound = PickleCodec().bind(Job)
    with pytest.raises(EncodeError, match=r"^item: expected Job, got int$"):
        bound.encode(5)
    data = ANYTHING.encode(5) + bound.encode(Job("x"))
    decoder = bound.decoder(data, 2)
    with pytest.raises(DecodeError, match=r"^item: expected Job, got int$"):
        next(decoder)
    assert next(decoder) == Job("x")


def test_what_cannot_be_pickled_is_refused() -> None:
    """Any exception of the application is an `EncodeError` for one item."""
    for bad in (lambda: None, Bomb()):
        with pytest.raises(EncodeError, match="cannot be pickled: "):
            ANYTHING.encode(bad)


@pytest.mark.parametrize(
    "bad", [b"", b"\x80", b"garbage", b"\x80\x04cno\nwhere\n.", BOMB]
)
def test_what_cannot_be_unpickled_is_refused(bad: bytes) -> None:
    """Any exception of unpickling is a `DecodeError` for one item."""
    good = ANYTHING.encode(1)
    decoder = ANYTHING.decoder(good + msgpack.packb(bad) + good, 3)
    assert next(decoder) == 1
    with pytest.raises(DecodeError, match="cannot be unpickled: "):
        next(decoder)
    assert next(decoder) == 1


def test_what_is_no_pickle_is_refused() -> None:
    """A MessagePack object that holds no bytes is a `DecodeError`, too."""
    for payload in (b"\x01", b"\xa1x"):
        with pytest.raises(DecodeError, match="expected a pickle, got "):
            next(ANYTHING.decoder(payload, 1))


class Mine:
    """A codec as users may write them."""

    name = "mine"
    requires_authentication = False

    def bind(self, item_type: Any) -> ItemCodec[Any]:
        return MsgpackCodec().bind(item_type)


def test_codecs_are_chosen_by_name() -> None:
    """MessagePack is the default; only pickle asks for authentication."""
    mine: Codec = Mine()
    for chosen, name, is_dangerous in [
        (resolve(None), "msgpack", False),
        (resolve("msgpack"), "msgpack", False),
        (resolve("pickle"), "pickle", True),
        (resolve(mine), "mine", False),
        (resolve(PickleCodec()), "pickle", True),
    ]:
        assert chosen.name == name
        assert chosen.requires_authentication is is_dangerous
        assert chosen.bind(int).type_name == "int"
    assert resolve(mine) is mine
    assert resolve("msgpack") is not resolve("msgpack")
    assert str(resolve(None)) == "MsgpackCodec()"
    assert str(resolve("pickle")) == "PickleCodec()"
    assert resolve("pickle").bind(int).codec == "pickle"


@pytest.mark.parametrize("bad", ["json", "", 5, pickle, MsgpackCodec().bind(int)])
def test_what_is_no_codec_is_refused(bad: Any) -> None:
    """A name that is unknown, or a thing without a codec's parts, is refused."""
    with pytest.raises(ConfigurationError, match='give "msgpack", "pickle" or'):
        resolve(bad)
