"""`Security`: how the nodes of a cluster prove to one another who they are."""

from __future__ import annotations

from dataclasses import dataclass


__all__ = ["Security"]


@dataclass(frozen=True, slots=True)
class Security:
    """How a switchboard protects its connections.

    Attributes:
        mode: The name that both sides of a connection must agree on.
    """

    mode: str

    @classmethod
    def insecure(cls) -> Security:
        """No protection: whoever reaches the port can join.

        Only for networks in which every host is trusted. It has to be asked for
        when an address is reachable from other machines.
        """
        return cls("insecure")
