"""Logging that does not flood: so many messages of one kind in so many seconds."""

from __future__ import annotations

from collections.abc import Callable
import logging


__all__ = ["QuietLog", "short_id"]

_BURST = 5
"""How many messages of one kind are logged within one interval."""

_INTERVAL_S = 10.0

_KINDS_MAX = 1024
"""How many kinds are remembered; a hostile peer must not make this grow."""


class QuietLog:
    """A logger that counts what it leaves out.

    Args:
        name: The logger's name.
        clock: Returns the time in seconds.
    """

    __slots__ = ("_clock", "_kinds", "_logger")

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._logger = logging.getLogger(name)
        self._clock = clock
        # Of each kind: when its interval began, messages since then, and left out.
        self._kinds: dict[str, tuple[float, int, int]] = {}

    def notice(self, kind: str, text: str) -> None:
        """Logs at level INFO; `kind` names what counts as the same message."""
        self._log(logging.INFO, kind, text)

    def caution(self, kind: str, text: str) -> None:
        """Logs at level WARNING; `kind` names what counts as the same message."""
        self._log(logging.WARNING, kind, text)

    def failure(self, text: str, error: BaseException) -> None:
        """Logs an error of this library with its traceback; never left out."""
        self._logger.error(text, exc_info=error)

    def _log(self, level: int, kind: str, text: str) -> None:
        now = self._clock()
        began, count, omitted = self._kinds.get(kind, (now, 0, 0))
        if now - began >= _INTERVAL_S:
            began, count = now, 0
        if count >= _BURST:
            self._kinds[kind] = (began, count, omitted + 1)
            return
        if len(self._kinds) >= _KINDS_MAX:
            self._kinds.clear()
        self._kinds[kind] = (began, count + 1, 0)
        if omitted:
            text += f" ({omitted} more of this kind were not logged)"
        self._logger.log(level, "%s", text)


def short_id(identity: bytes) -> str:
    """Returns enough of a channel's id to recognise it, and too little to use it."""
    return f"{identity[:4].hex()}…"
