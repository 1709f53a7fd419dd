"""One node of the fabric as a pure state machine."""

from __future__ import annotations

from comm.switchboard.core import SwitchboardCore


__all__ = ["SwitchboardCore"]
