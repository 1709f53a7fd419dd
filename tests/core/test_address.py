"""`Address`: every form that is read, its canonical text, and what is refused."""

from __future__ import annotations

import pickle
from typing import Any, cast

from hypothesis import given, settings, strategies as st
import pytest

from comm.address import Address, AddressLike
from comm.errors import ConfigurationError


READ: list[tuple[AddressLike, Address, str]] = [
    ("node-1:7000", Address("node-1", 7000), "node-1:7000"),
    ("10.0.0.1:1", Address("10.0.0.1", 1), "10.0.0.1:1"),
    ("h:00080", Address("h", 80), "h:80"),
    ("[::1]:65535", Address("::1", 65535), "[::1]:65535"),
    ("[fe80::1%eth0]:7", Address("fe80::1%eth0", 7), "[fe80::1%eth0]:7"),
    ("[name]:7", Address("name", 7), "name:7"),
    ("[unix]:7", Address("unix", 7), "[unix]:7"),
    (("unix", 7), Address("unix", 7), "[unix]:7"),
    (("::1", 7), Address("::1", 7), "[::1]:7"),
    (("host", 7), Address("host", 7), "host:7"),
    (["host", 7], Address("host", 7), "host:7"),
    ("unix:/run/a b.sock", Address("", 0, "/run/a b.sock"), "unix:/run/a b.sock"),
    ("unix:near", Address("", 0, "near"), "unix:near"),
    ("unix:80", Address("", 0, "80"), "unix:80"),
]

NOT_READ: list[object] = [
    "",
    ":",
    "host",
    "host:",
    "host:port",
    "host:+1",
    "host: 1",
    "host:-1",
    "host:٣",
    "host:65536",
    "host:" + "9" * 5000,
    ":80",
    "[]:80",
    "[::1]",
    "::1:80",
    "[::1:80",
    "::1]:80",
    " host:80",
    "ho\nst:80",
    "user@host:80",
    "http://host:80",
    "unix:",
    "unix:a\0b",
    "unix:a\nb",
    "unix:\udcff",
    (),
    ("host",),
    ("host", 80, 1),
    ("host", "80"),
    ("host", 80.0),
    ("host", None),
    ("host", True),
    ("host", -1),
    ("host", 65536),
    ("", 80),
    ("[::1]", 80),
    ("ho\nst", 80),
    (80, "host"),
    (b"host", 80),
    b"ab",
    b"host:80",
    {"host": 1, "port": 2},
    {7000, 80},
    80,
    None,
]

INVALID: list[tuple[Any, ...]] = [
    ("", 0),
    ("", 0, ""),
    ("host", 0),
    ("host", "80"),
    ("host", True),
    (None, 80),
    ("host", 80, "/path"),
    ("", 80, "/path"),
    ("host", 0, "/path"),
    ("", 0, b"/path"),
    ("", 0, None),
    ("", 0, "a\nb"),
]


@pytest.mark.parametrize(("value", "address", "text"), READ, ids=str)
def test_each_form_is_read_and_printed(
    value: AddressLike, address: Address, text: str
) -> None:
    """All forms of one address are equal, and print as the same canonical text."""
    assert Address.parse(value) == address
    assert str(address) == text
    assert Address.parse(text) == address
    assert Address.parse(address) is address


@pytest.mark.parametrize("value", NOT_READ, ids=lambda value: repr(value)[:24])
def test_anything_else_is_refused(value: object) -> None:
    """What has none of the forms raises `ConfigurationError`, never anything else."""
    with pytest.raises(ConfigurationError, match=r'write "host:port"|in brackets'):
        Address.parse(cast("AddressLike", value))


@pytest.mark.parametrize("value", ["host:0", "[::1]:000", ("host", 0)], ids=str)
def test_port_0_is_refused_by_name(value: AddressLike) -> None:
    """The message says why a port that the system chooses cannot work."""
    with pytest.raises(ConfigurationError, match=r"has port 0: every node must know"):
        Address.parse(value)


@pytest.mark.parametrize("fields", INVALID, ids=str)
def test_the_constructor_lets_no_other_address_exist(fields: tuple[Any, ...]) -> None:
    """An `Address` is a TCP address or a Unix socket, however it was made."""
    with pytest.raises(ConfigurationError, match="is no address"):
        Address(*fields)


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        ("localhost:1", True),
        ("127.0.0.1:1", True),
        ("127.255.0.9:1", True),
        ("[::1]:1", True),
        ("unix:/path", True),
        ("10.0.0.1:1", False),
        ("127.0.0.256:1", False),
        ("127.0.0.1000:1", False),
        ("127.0.0.x:1", False),
        ("127.0.0.²:1", False),
        ("127.1:1", False),
        ("127.0.0.1.example:1", False),
        ("1.127.0.0:1", False),
        ("[fe80::1]:1", False),
        ("node:1", False),
    ],
)
def test_loopback(text: str, is_loopback: bool) -> None:
    """Only what certainly never leaves the machine counts as loopback."""
    address = Address.parse(text)
    assert address.is_loopback is is_loopback
    assert address.is_unix is text.startswith("unix:")


@settings(deadline=None)
@given(text=st.text(max_size=20) | st.from_regex(r"\[?[a-z:.]*\]?:[0-9]{1,6}"))
def test_text_is_read_or_refused_and_stays_the_same(text: str) -> None:
    """Any text gives `ConfigurationError` or an address whose text gives it again."""
    try:
        address = Address.parse(text)
    except ConfigurationError:
        return
    assert Address.parse(str(address)) == address
    assert pickle.loads(pickle.dumps(address)) == address


@settings(deadline=None)
@given(host=st.text(max_size=8), port=st.integers(-1, 70000), path=st.text(max_size=4))
def test_every_address_survives_its_text(host: str, port: int, path: str) -> None:
    """No two addresses have one text, which stays on one line."""
    try:
        address = Address(host, port, path)
    except ConfigurationError:
        return
    assert Address.parse(str(address)) == address
    assert str(address).isprintable()
