"""Draws: named streams, tapes, and the calm choice."""

from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from comm.sim.choices import Calm, Choices, Recorder, Seeded, Stream, Tape, derive


def draw(choices: Choices, name: str, count: int, bound: int = 1000) -> list[int]:
    """Draws so many numbers of a stream."""
    below = choices.stream(name).below
    return [below(bound) for _ in range(count)]


def test_a_seed_determines_every_draw() -> None:
    """The same seed gives the same numbers, another seed others."""
    assert draw(Seeded(7), "a", 20) == draw(Seeded(7), "a", 20)
    assert draw(Seeded(7), "a", 20) != draw(Seeded(8), "a", 20)


def test_draws_are_the_same_on_every_machine() -> None:
    """What a seed gives is written down: no release may change old seeds unseen."""
    assert draw(Seeded(7), "a", 5) == [164, 121, 764, 855, 338]
    assert derive("seed", 7).hex()[:16] == "98aafb389d1775c9"


def test_streams_are_independent() -> None:
    """More draws from one stream move nothing in another, whichever is used first."""
    quiet = Seeded(7)
    expected = draw(quiet, "a", 20)
    busy = Seeded(7)
    mixed = []
    for _ in range(20):
        draw(busy, "b", 3)
        mixed += draw(busy, "a", 1)
    assert mixed == expected
    assert draw(Seeded(7), "b", 20) != expected


@pytest.mark.parametrize("choices", [Seeded(1), Tape({}), Recorder(Seeded(1))])
def test_a_name_leads_to_one_stream(choices: Choices) -> None:
    """Whoever asks for a name again goes on where the stream is."""
    assert choices.stream("a") is choices.stream("a")


def test_parts_of_a_derivation_do_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are different."""
    assert derive("ab", "c") != derive("a", "bc")
    assert len(derive()) == 32


def test_calm_choices_are_all_zero() -> None:
    """Without chance everything is the first, the least, and what does not happen."""
    stream = Calm().stream("any")
    assert draw(Calm(), "any", 5) == [0] * 5
    assert stream.between(3, 9) == 3
    assert not stream.happens(999)
    assert stream.pick("abc") == "a"
    assert stream.sample("abc", 2) == ["a", "b"]


def test_what_is_certain_happens_and_what_cannot_does_not() -> None:
    """A likelihood of nothing is never, and costs no draw; of a thousand, always."""
    recorder = Recorder(Seeded(3))
    stream = recorder.stream("a")
    assert not any(stream.happens(0) for _ in range(50))
    assert recorder.numbers == {"a": []}
    assert all(stream.happens(1000) for _ in range(50))


def test_a_likelihood_is_in_thousandths() -> None:
    """250 is a quarter of the time."""
    stream = Seeded(5).stream("a")
    assert 400 < sum(stream.happens(250) for _ in range(2000)) < 600


@given(low=st.integers(-9, 9), width=st.integers(0, 5), seed=st.integers(0, 20))
def test_between_includes_both_ends(low: int, width: int, seed: int) -> None:
    """All numbers from the lower to the upper are drawn, and no others."""
    stream = Seeded(seed).stream("a")
    drawn = {stream.between(low, low + width) for _ in range(200)}
    assert sorted(drawn) == list(range(low, low + width + 1))


@given(seed=st.integers(0, 50), count=st.integers(0, 9))
def test_a_sample_has_no_value_twice(seed: int, count: int) -> None:
    """A sample has as many different values as it can."""
    sample = Seeded(seed).stream("a").sample("abcde", count)
    assert len(set(sample)) == len(sample) == min(count, 5)


def test_every_value_can_be_picked() -> None:
    """No value is left out."""
    stream = Seeded(3).stream("a")
    assert {stream.pick("abc") for _ in range(100)} == {"a", "b", "c"}


@given(bounds=st.lists(st.integers(1, 50), max_size=30), seed=st.integers(0, 99))
def test_a_tape_replays_what_a_recorder_wrote(bounds: list[int], seed: int) -> None:
    """A recorded run and its tape give the same, in each stream, calm tails or not."""
    recorder = Recorder(Seeded(seed))

    def run(choices: Choices) -> list[int]:
        streams: list[Stream] = [choices.stream("a"), choices.stream("b")]
        return [streams[i % 2].below(bound) for i, bound in enumerate(bounds)]

    first = run(recorder)
    assert run(Tape(recorder.tape())) == first
    assert run(Tape(recorder.numbers)) == first


def test_a_tape_has_no_calm_tail() -> None:
    """What a tape would give anyhow is not written down."""
    recorder = Recorder(Tape({"a": [1, 0, 2, 0, 0], "b": [0, 0]}))
    draw(recorder, "a", 5)
    draw(recorder, "b", 2)
    assert recorder.tape() == {"a": [1, 0, 2]}
    assert recorder.numbers == {"a": [1, 0, 2, 0, 0], "b": [0, 0]}


def test_a_tape_that_ends_goes_on_calmly() -> None:
    """Behind the last number, and in streams that it does not know, a tape gives 0."""
    tape = Tape({"a": [5, 6]})
    assert draw(tape, "a", 4) == [5, 6, 0, 0]
    assert draw(tape, "b", 2) == [0, 0]


def test_a_number_too_large_counts_as_the_largest() -> None:
    """A tape stays a tape whatever is asked, so that it can be shrunk freely."""
    assert draw(Tape({"a": [99, 99]}), "a", 2, bound=10) == [9, 9]
