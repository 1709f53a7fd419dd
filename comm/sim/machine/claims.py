"""`Claims`: what several owners want of the same things, each for a time."""

from __future__ import annotations

from typing import Any


__all__ = ["Claims", "Subject"]

Subject = tuple[str, int]
"""What is claimed, and of which node."""


class Claims:
    """Who has done what, so that each takes back what it did itself and nothing else.

    Owners come and go in any order, and may be equal: they are told apart by identity.
    """

    __slots__ = ("_claims",)

    def __init__(self) -> None:
        self._claims: list[tuple[object, Subject, Any]] = []

    def add(self, owner: object, subject: Subject, value: Any) -> None:  # noqa: ANN401
        """Takes note of what an owner wants, or has done."""
        self._claims.append((owner, subject, value))

    def drop(self, owner: object) -> Any:  # noqa: ANN401 - as it was given
        """Forgets an owner's claim, and returns its value; None if there was none."""
        value = self.get(owner)
        self._claims = [claim for claim in self._claims if claim[0] is not owner]
        return value

    def get(self, owner: object) -> Any:  # noqa: ANN401 - as it was given
        """Returns the value of an owner's claim; None if there is none."""
        return next((value for held, _, value in self._claims if held is owner), None)

    def of(self, subject: Subject) -> list[Any]:
        """Returns the values of all claims to something, the oldest first."""
        return [value for _, claimed, value in self._claims if claimed == subject]
