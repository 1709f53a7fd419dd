"""Logging of the driver: little of the same, and no secrets."""

from __future__ import annotations

import logging

import pytest

from comm.net.log import QuietLog, short_id


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_same_message_is_not_repeated_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of one kind of message only a few are logged in an interval; the first one of a
    later interval says how many were left out. Other kinds are not held back."""
    clock = Clock()
    log = QuietLog("comm.net", clock)
    with caplog.at_level(logging.INFO):
        for number in range(100):
            log.caution("noise", f"noise {number}")
        log.notice("other", "other")
        assert [record.message for record in caplog.records] == [
            *(f"noise {number}" for number in range(5)),
            "other",
        ]
        clock.now += 10
        log.caution("noise", "noise again")
        log.caution("noise", "and again")
    assert caplog.messages[-2:] == [
        "noise again (95 more of this kind were not logged)",
        "and again",
    ]
    assert caplog.records[-1].name == "comm.net"
    assert caplog.records[-1].levelname == "WARNING"


def test_kinds_without_number_cost_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever can make new kinds of messages cannot make the log remember them all."""
    log = QuietLog("comm.net", Clock())
    with caplog.at_level(logging.CRITICAL):
        for number in range(5000):
            log.caution(f"kind {number}", "text")
    assert len(log._kinds) <= 1024


def test_an_id_is_shortened() -> None:
    """A log shows enough of a channel's id to recognise it, and not the whole."""
    assert short_id(bytes(range(16))) == "00010203…"
