"""Where every draw of a simulation comes from: named streams of whole numbers.

A draw is a number below a bound, and 0 is always the calm choice: the shortest delay,
no loss, a read in one piece. So a simulation can be fed by a seed, by a list of
numbers that was recorded or that Hypothesis drew, or by nothing at all, and a list
that runs out goes on calmly. Each purpose has a stream of its own, so that one draw
more here moves nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import hashlib
import random
from typing import Protocol, TypeVar


__all__ = ["Calm", "Choices", "Recorder", "Seeded", "Stream", "Tape", "derive"]

T = TypeVar("T")


def derive(*parts: object) -> bytes:
    """Returns 32 bytes that depend on the parts alone, on whatever machine."""
    text = "\0".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=32).digest()


class _Source(Protocol):
    """What a stream draws its numbers from."""

    def draw(self, bound: int) -> int:
        """Returns a number from 0 to below the bound."""
        ...


class Stream:
    """Draws of one purpose.

    Args:
        source: Where the numbers come from.
    """

    __slots__ = ("below",)

    def __init__(self, source: _Source) -> None:
        # The very method: every byte that arrives asks it at least once.
        self.below = source.draw

    def between(self, low: int, high: int) -> int:
        """Returns a number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def happens(self, permille: int) -> bool:
        """Tells whether something of this likelihood, in thousandths, happens.

        What cannot happen costs no draw, and the calm choice is that it does not.
        """
        return permille > 0 and self.below(1000) >= 1000 - permille

    def pick(self, values: Sequence[T]) -> T:
        """Returns one of the values; the first one is the calm choice."""
        return values[self.below(len(values))]

    def sample(self, values: Iterable[T], count: int) -> list[T]:
        """Returns so many different ones of the values, in a drawn order."""
        rest = list(values)
        return [rest.pop(self.below(len(rest))) for _ in range(min(count, len(rest)))]


class Choices(Protocol):
    """All streams of one simulation."""

    def stream(self, name: str) -> Stream:
        """Returns the stream of that name, the same one each time."""
        ...


class Seeded:
    """Choices that a seed determines.

    Args:
        seed: The seed; any value with a stable text form will do.
    """

    def __init__(self, seed: object) -> None:
        self._seed = seed
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Returns the stream of that name."""
        stream = self._streams.get(name)
        if stream is None:
            generator = random.Random(derive(self._seed, name))  # noqa: S311 - no secret
            stream = self._streams[name] = Stream(_Drawn(generator))
        return stream


class Tape:
    """Choices that were written down beforehand; where they end, all is calm.

    Args:
        numbers: For each stream the numbers that it gives, in order. One that is too
            large for what is asked counts as the largest that is not.
    """

    def __init__(self, numbers: Mapping[str, Sequence[int]]) -> None:
        self._numbers = numbers
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Returns the stream of that name."""
        stream = self._streams.get(name)
        if stream is None:
            numbers = self._numbers.get(name, ())
            stream = self._streams[name] = Stream(_Written(numbers))
        return stream


class Calm(Tape):
    """Choices without chance: whatever is asked, the calm choice."""

    def __init__(self) -> None:
        super().__init__({})


class Recorder:
    """Choices that are taken from others, and written down for a `Tape`.

    Args:
        choices: The others.

    Attributes:
        numbers: What was drawn so far, by stream.
    """

    def __init__(self, choices: Choices) -> None:
        self.numbers: dict[str, list[int]] = {}
        self._choices = choices
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Returns the stream of that name."""
        stream = self._streams.get(name)
        if stream is None:
            numbers = self.numbers.setdefault(name, [])
            source = _Recorded(self._choices.stream(name), numbers)
            stream = self._streams[name] = Stream(source)
        return stream

    def tape(self) -> dict[str, list[int]]:
        """Returns what a `Tape` needs to give the same again: no calm tails."""
        trimmed = {name: _trim(numbers) for name, numbers in self.numbers.items()}
        return {name: numbers for name, numbers in trimmed.items() if numbers}


class _Drawn:
    __slots__ = ("_random",)

    def __init__(self, generator: random.Random) -> None:
        self._random = generator.random

    def draw(self, bound: int) -> int:
        return int(self._random() * bound)


class _Written:
    __slots__ = ("_next",)

    def __init__(self, numbers: Sequence[int]) -> None:
        self._next = iter(numbers)

    def draw(self, bound: int) -> int:
        return min(next(self._next, 0), bound - 1)


class _Recorded:
    __slots__ = ("_below", "_numbers")

    def __init__(self, stream: Stream, numbers: list[int]) -> None:
        self._below = stream.below
        self._numbers = numbers

    def draw(self, bound: int) -> int:
        number = self._below(bound)
        self._numbers.append(number)
        return number


def _trim(numbers: list[int]) -> list[int]:
    end = len(numbers)
    while end and not numbers[end - 1]:
        end -= 1
    return numbers[:end]
