"""`Config`: what is taken, what is refused, and that it is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
import pickle
from typing import Any

import pytest

from comm.config import Config
from comm.errors import ConfigurationError
from comm.protocol import PROTOCOL_MAGIC, Hello, Kind, encode_frame


NAMES = [field.name for field in fields(Config)]
COUNTS = [name for name in NAMES if not name.endswith("_s")]
SECONDS = [n for n in NAMES if n.endswith("_s") and n != "connect_backoff_s"]

NO_POSITIVE_NUMBERS: list[object] = [
    0,
    -1,
    0.0,
    float("nan"),
    float("inf"),
    1 << 63,
    True,
    "1",
    None,
    (1,),
    b"1",
    1j,
]

NO_PAUSES: list[object] = [
    (),
    (0.1,),
    (0.1, 1.0, 2.0),
    (1.0, 0.1),
    (0, 1.0),
    (-1.0, 1.0),
    (0.1, float("inf")),
    (float("nan"), 1.0),
    (0.1, float("nan")),
    (True, 2),
    ("0.1", "1.0"),
    (None, None),
    "01",
    b"\x01\x02",
    {0.1, 1.0},
    0.1,
    None,
]


def config_with(options: Mapping[str, Any]) -> Config:
    return Config(**options)


def test_the_defaults_are_valid() -> None:
    """A `Config` needs no argument, and keeps the values that the design states."""
    config = Config()
    assert config.message_bytes_max == 64 * 1024 * 1024
    assert config.window_bytes == 1024 * 1024
    assert config.chunk_bytes == 64 * 1024
    assert config.handshake_bytes_max == 4096
    assert config.half_open_max == 64
    assert config.resume_window_s == 30
    assert config.connect_backoff_s == (0.1, 1.0)
    assert config.silence_s_max == 6


def test_a_config_is_a_value() -> None:
    """Two alike are equal and hash alike; none can be changed; pickling keeps it."""
    config = Config(connect_backoff_s=(0.2, 0.4))
    assert config == Config(connect_backoff_s=(0.2, 0.4)) != Config()
    assert hash(config) == hash(Config(connect_backoff_s=(0.2, 0.4)))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(FrozenInstanceError):
        setattr(config, "window_bytes", 1)  # noqa: B010  # mypy knows that it is frozen


def test_pauses_may_come_as_a_list() -> None:
    """A pair read from a configuration file becomes a tuple, and stays hashable."""
    config = config_with({"connect_backoff_s": [1, 2.5]})
    assert config == Config(connect_backoff_s=(1, 2.5))
    assert hash(config) == hash(Config(connect_backoff_s=(1, 2.5)))


@pytest.mark.parametrize("value", NO_POSITIVE_NUMBERS, ids=repr)
@pytest.mark.parametrize("name", COUNTS + SECONDS)
def test_only_positive_numbers_are_taken(name: str, value: object) -> None:
    """Any other value, of whatever type, is refused with the option's name."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is .*positive number$"):
        config_with({name: value})


@pytest.mark.parametrize("value", [1.5, 65536.0])
@pytest.mark.parametrize("name", COUNTS)
def test_bytes_and_counts_are_integers(name: str, value: float) -> None:
    """A float is no count, not even a whole one: buffers are cut at it."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is .*whole number$"):
        config_with({name: value})


@pytest.mark.parametrize("name", SECONDS)
def test_seconds_may_be_whole_numbers(name: str) -> None:
    """Durations are taken as int and as float."""
    assert getattr(config_with({"resume_window_s": 60, name: 50}), name) == 50


@pytest.mark.parametrize("value", NO_PAUSES, ids=repr)
def test_pauses_are_a_pair_in_order(value: object) -> None:
    """Whatever is no pair 0 < first <= longest is refused, and never a `TypeError`."""
    with pytest.raises(ConfigurationError, match=r"^connect_backoff_s is .*longest"):
        config_with({"connect_backoff_s": value})


def test_equal_pauses_are_taken() -> None:
    """The first pause may be the longest one already."""
    assert Config(connect_backoff_s=(0.5, 0.5)).connect_backoff_s == (0.5, 0.5)


def test_a_chunk_has_a_largest_size() -> None:
    """Chunks of more than 16 MiB are refused; 16 MiB are not."""
    assert Config(chunk_bytes=16 << 20).chunk_bytes == 16 << 20
    with pytest.raises(ConfigurationError, match=r"^chunk_bytes .* largest is 16777"):
        Config(chunk_bytes=(16 << 20) + 1)


@pytest.mark.parametrize("name", ["message_bytes_max", "window_bytes"])
def test_what_the_wire_counts_fits_into_its_field(name: str) -> None:
    """Sizes that go out in 32 bits are below 4 GiB."""
    assert getattr(config_with({name: (1 << 32) - 1}), name) == (1 << 32) - 1
    with pytest.raises(ConfigurationError, match="below 4 GiB"):
        config_with({name: 1 << 32})


def test_every_hello_fits_into_the_smallest_handshake() -> None:
    """A HELLO with names of full length is within the least `handshake_bytes_max`."""
    name = "x" * 1024
    hello = Hello(
        security=name,
        cluster=name,
        membership=bytes(16),
        node_id=0,
        peer_id=1,
        incarnation=bytes(16),
        generation=0,
        peer_incarnation=bytes(16),
        peer_generation=0,
        received=0,
        resume_window_ms=30_000,
        message_bytes_max=1,
        chunk_bytes=1,
        codec=name,
    )
    handshake = PROTOCOL_MAGIC + encode_frame(Kind.HELLO, payload=hello.encode())
    assert len(handshake) == 3202
    assert Config(handshake_bytes_max=3202).handshake_bytes_max == 3202
    with pytest.raises(ConfigurationError, match=r"^handshake_bytes_max is 3201"):
        Config(handshake_bytes_max=3201)


def test_an_outage_outlasts_its_discovery() -> None:
    """`resume_window_s` is no shorter than the silence after which a link is dead."""
    options = {"heartbeat_interval_s": 2.0, "heartbeat_timeout_s": 3.0}
    assert config_with(options | {"resume_window_s": 5.0}).silence_s_max == 5.0
    with pytest.raises(ConfigurationError, match=r"^resume_window_s is 4\.9"):
        config_with(options | {"resume_window_s": 4.9})


def test_every_resume_window_fits_into_its_field_in_hello() -> None:
    """A window of more milliseconds than HELLO can count is refused."""
    assert Config(resume_window_s=4_000_000).resume_window_s * 1000 < 1 << 32
    with pytest.raises(ConfigurationError, match=r"^resume_.* at most 4000000"):
        Config(resume_window_s=4_000_001)
