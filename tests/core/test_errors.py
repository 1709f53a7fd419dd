"""The exceptions: their tree as documented, their builtin bases, and pickling."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from comm import errors
from comm.errors import ConfigurationError, Error, HandshakeError, RendezvousError


CLASSES: list[type[Error]] = [getattr(errors, name) for name in errors.__all__]

BUILTIN_BASES: dict[type[Exception], set[str]] = {
    ConnectionError: {
        "AuthenticationFailed",
        "BrokenError",
        "ClusterMismatch",
        "DuplicateNode",
        "HandshakeError",
        "PeerLost",
        "PeerRestarted",
        "ProducerAborted",
        "ProducerLost",
        "ReceiverClosed",
        "StaleSender",
        "TooManyProducers",
        "VersionMismatch",
    },
    TimeoutError: {"RendezvousError"},
    ValueError: {"ConfigurationError", "DecodeError", "EncodeError", "MessageTooLarge"},
}


def build(cls: type[Error]) -> Error:
    if cls is RendezvousError:
        missing = {2: HandshakeError("node 2 refused"), 1: ConfigurationError("no")}
        return RendezvousError("nodes 1, 2 are missing", missing)
    return cls("node 3 is gone; connect again")


def documented_tree() -> list[tuple[str, str | None]]:
    """The pairs of class and parent that the module's docstring draws."""
    stack: list[str] = []
    pairs: list[tuple[str, str | None]] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        text = line.strip()
        if not text.startswith(("├──", "└──", "│")) and text != "Error":
            continue
        name = text.lstrip("├└─│ ").split()[0]
        depth = line.index(name) // 4 - 1
        stack[depth:] = [name]
        pairs.append((name, stack[depth - 1] if depth else None))
    return pairs


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    """The tree at the top of the module shows each class below its parent, once."""
    real = {
        (cls.__name__, next((b.__name__ for b in cls.__bases__ if b in CLASSES), None))
        for cls in CLASSES
    }
    drawn = documented_tree()
    assert len(drawn) == len(CLASSES)
    assert set(drawn) == real


def test_all_lists_every_class_of_the_module() -> None:
    """No exception of the module is missing from `__all__`, and nothing else is in."""
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert set(errors.__all__) == defined
    assert all(issubclass(cls, Error) for cls in CLASSES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_builtin_bases(cls: type[Error]) -> None:
    """Each class is caught by exactly the builtin exceptions that one would expect."""
    for base, names in BUILTIN_BASES.items():
        assert issubclass(cls, base) == (cls.__name__ in names)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_message_is_kept(cls: type[Error]) -> None:
    """What `str` gives is the message, also below `OSError`, which reads its args."""
    error = build(cls)
    assert str(error) == error.args[0]
    assert error.args == (str(error),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_pickling_keeps_class_message_and_attributes(
    cls: type[Error], protocol: int
) -> None:
    """An error survives its way into another process unchanged."""
    error = build(cls)
    error.add_note("seen while sending")
    for twin in (pickle.loads(pickle.dumps(error, protocol)), copy.deepcopy(error)):
        assert type(twin) is cls
        assert twin.args == error.args
        assert str(twin) == str(error)
        assert twin.__notes__ == ["seen while sending"]


def test_rendezvous_error_keeps_what_is_missing() -> None:
    """`missing` is a copy in the order that was given, and is pickled along."""
    causes: dict[int, Exception] = {4: HandshakeError("refused"), 0: OSError("down")}
    error = RendezvousError("nodes 4, 0 are missing", causes)
    causes.clear()
    for twin in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert list(twin.missing) == [4, 0]
        assert [str(cause) for cause in twin.missing.values()] == ["refused", "down"]
        assert isinstance(twin.missing[4], HandshakeError)


def test_what_you_did_is_no_fault_of_the_other_side() -> None:
    """The words for no are apart: none of them is caught by another."""
    words = [
        errors.UsageError,
        errors.ClosedError,
        errors.BrokenError,
        errors.EndOfChannel,
        errors.WouldBlock,
    ]
    for word in words:
        assert [other for other in words if issubclass(word, other)] == [word]
