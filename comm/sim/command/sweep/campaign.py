"""`Campaign`: hands batches of seeds to an executor, and gathers what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
import time

from comm.sim.command.sweep.batch import Batch, Result, play_batch
from comm.sim.command.sweep.journal import gaps
from comm.sim.command.sweep.stopping import is_stop_requested, request_stop


__all__ = ["Campaign"]

_PARTING_S = 60.0
"""How long those that play are given for their present seed, once they are to stop."""


@dataclass
class Campaign:
    """Seeds that are played by an executor.

    Attributes:
        like: A batch like all others but for its seeds; its `count` is how many seeds
            a batch has.
        seeds: The seeds.
        done: Those that need not be played.
        limit_s: For how long to play; None for as long as it takes.
        taken: Is given each result, and returns whether it is enough.
        pending: The batches that were submitted.
        is_interrupted: Whether Ctrl-C has ended it.
    """

    like: Batch
    seeds: range
    done: list[range]
    limit_s: float | None
    taken: Callable[[Result], bool]
    pending: dict[Future[Result], Batch] = field(
        default_factory=dict[Future[Result], Batch]
    )
    is_interrupted: bool = False
    _began_at: float = field(default_factory=time.monotonic)

    def run(self, executor: Executor, width: int) -> None:
        """Plays all seeds, or as many as there is time for.

        Ctrl-C lets those that play end their present seeds, and ends it then.

        Args:
            executor: Who plays.
            width: How many batches it is given at once.

        Raises:
            BrokenExecutor: If one of its processes has died.
        """
        request_stop(stop=False)
        try:
            self._play(executor, width)
        except KeyboardInterrupt:
            self.is_interrupted = True
            self._end()

    def _play(self, executor: Executor, width: int) -> None:
        batches = self._batches()
        while True:
            for batch in islice(batches, width - len(self.pending)):
                limited = replace(batch, limit_s=self._left_s())
                self.pending[executor.submit(play_batch, limited)] = batch
            if not self.pending:
                return
            self._gather(wait(self.pending, return_when=FIRST_COMPLETED).done)

    def _batches(self) -> Iterator[Batch]:
        for gap in gaps(self.seeds, self.done):
            for first in range(gap.start, gap.stop, self.like.count):
                if self._is_over():
                    return
                count = min(self.like.count, gap.stop - first)
                yield replace(self.like, first=first, count=count)

    def _is_over(self) -> bool:
        left_s = self._left_s()
        return is_stop_requested() or (left_s is not None and left_s <= 0)

    def _left_s(self) -> float | None:
        if self.limit_s is None:
            return None
        return self.limit_s - (time.monotonic() - self._began_at)

    def _gather(self, done: set[Future[Result]]) -> None:
        for future in sorted(done, key=self._first_seed):
            result = future.result()
            # Those that have been lost with their process stay, to be told.
            del self.pending[future]
            if self.taken(result):
                request_stop()

    def _first_seed(self, future: Future[Result]) -> int:
        return self.pending[future].first

    def _end(self) -> None:
        """Stops in order; a second Ctrl-C stops at once."""
        request_stop()
        with suppress(KeyboardInterrupt):
            waiting = {future for future in self.pending if not future.cancel()}
            ended = wait(waiting, _PARTING_S).done
            self._gather({f for f in ended if f.exception() is None})
