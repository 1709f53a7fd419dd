"""What was done in this process, counted, for people."""

from __future__ import annotations

from collections import Counter


__all__ = ["TALLY"]

TALLY: Counter[str] = Counter()
"""How much of each was done."""
