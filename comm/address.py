"""`Address`: where a node listens, over TCP or a Unix socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comm.errors import ConfigurationError


__all__ = ["Address", "AddressLike"]

_FORMS = '"host:port", "[::1]:port", ("host", port) or "unix:/path"'
_UNIX = "unix"


@dataclass(frozen=True, slots=True)
class Address:
    """The place where one node listens.

    Attributes:
        host: A host name or IP address without brackets; empty for a Unix socket.
        port: The TCP port, 1 to 65535; 0 for a Unix socket.
        path: The path of the Unix socket; empty for TCP.

    Raises:
        ConfigurationError: If it is neither a TCP address nor a Unix socket.
    """

    host: str
    port: int
    path: str = ""

    def __post_init__(self) -> None:
        if self.path == "":
            is_valid = _is_host(self.host) and _is_port(self.port)
        else:
            is_valid = self.host == "" and self.port == 0 and _is_path(self.path)
        if not is_valid:
            given = (self.host, self.port, self.path)
            raise ConfigurationError(f"{given!r} is no address; write {_FORMS}")

    @classmethod
    def parse(cls, value: AddressLike) -> Address:
        """Reads an address in any of its forms.

        Raises:
            ConfigurationError: If it has none of the forms, or port 0.
        """
        given: object = value
        match given:
            case Address():
                return given
            case str():
                return cls._parse_text(given)
            case (str(host), int(port)):
                return cls._checked(host, port, given)
            case _:
                raise ConfigurationError(f"{given!r} is no address; write {_FORMS}")

    @classmethod
    def _parse_text(cls, text: str) -> Address:
        if text.startswith(f"{_UNIX}:"):
            path = text.removeprefix(f"{_UNIX}:")
            if not _is_path(path):
                raise ConfigurationError(f"{text!r} names no socket; write {_FORMS}")
            return cls("", 0, path)
        host, _, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ConfigurationError(
                f"{text!r} is ambiguous; write an IPv6 host in brackets: [::1]:port"
            )
        is_number = port.isascii() and port.isdigit() and len(port) <= len("65535")
        return cls._checked(host, int(port) if is_number else -1, text)

    @classmethod
    def _checked(cls, host: str, port: int, given: object) -> Address:
        if _is_host(host) and port == 0:
            raise ConfigurationError(
                f"{given!r} has port 0: every node must know the real port beforehand"
            )
        if not _is_host(host) or not _is_port(port):
            raise ConfigurationError(f"{given!r} is no address; write {_FORMS}")
        return cls(host, port)

    @property
    def is_unix(self) -> bool:
        """Whether this is the address of a Unix socket."""
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.is_unix or self.host in {"localhost", "::1"} or _is_127(self.host)

    def __str__(self) -> str:
        if self.is_unix:
            return f"{_UNIX}:{self.path}"
        # A host that is called like the prefix of a path needs the brackets, too.
        is_bracketed = ":" in self.host or self.host == _UNIX
        host = f"[{self.host}]" if is_bracketed else self.host
        return f"{host}:{self.port}"


AddressLike = Address | str | tuple[str, int] | Sequence[str | int]


def _is_host(host: object) -> bool:
    """Tells whether nothing in it would be lost in the text of an address."""
    return (
        isinstance(host, str)
        and host != ""
        and host.isprintable()
        and not any(letter in host for letter in " /[]@")
    )


def _is_port(port: object) -> bool:
    return isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536


def _is_path(path: object) -> bool:
    return isinstance(path, str) and path != "" and path.isprintable()


def _is_127(host: str) -> bool:
    parts = host.split(".")
    is_address = len(parts) == 4 and all(_is_octet(part) for part in parts)
    return is_address and parts[0] == "127"


def _is_octet(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= 3 and int(part) < 256
