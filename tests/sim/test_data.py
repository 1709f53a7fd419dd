"""Values that are written down and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
import json

import pytest

from comm.sim.data import Kinds


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True)
class Shape:
    points: tuple[Point, ...] = ()
    names: tuple[str, ...] = ()
    origin: Point = field(default_factory=lambda: Point(0))
    marks: dict[str, tuple[int, ...]] | None = None
    centres: dict[str, Point] | None = None


KINDS = Kinds([Point, Shape])


@pytest.mark.parametrize(
    "value",
    [
        Point(3),
        Point(3, 4),
        Shape(),
        Shape(points=(Point(1), Point(2, 3)), names=("a", "b")),
        Shape(origin=Point(0, 1), marks={"a": (1, 2), "b": ()}),
        Shape(centres={"a": Point(1, 2)}),
        (Point(1), Shape()),
        (),
    ],
)
def test_what_is_written_is_read_back(value: object) -> None:
    """Values come back equal, nested ones, tuples and mappings included."""
    assert KINDS.loads(KINDS.dumps(value)) == value
    assert KINDS.loads(KINDS.dumps(value, indent=2)) == value


def test_only_what_is_not_usual_is_written() -> None:
    """A field that has its default is left out, so that a text says what matters, and
    is still read when further fields come to be."""
    assert json.loads(KINDS.dumps(Point(3))) == {"kind": "Point", "x": 3}
    assert json.loads(KINDS.dumps(Shape())) == {"kind": "Shape"}
    assert json.loads(KINDS.dumps(Shape(origin=Point(1)))) == {
        "kind": "Shape",
        "origin": {"kind": "Point", "x": 1},
    }


def test_a_type_is_no_value() -> None:
    """The class itself is not taken for one of its values."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        KINDS.dumps(Point)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"kind": "Circle"}', r"'Circle' is no kind.*'Point', 'Shape'"),
        ('{"kind": ["Point"]}', "is no kind"),
        ('{"kind": {"x": 1}}', "is no kind"),
        ('{"kind": null}', "is no kind"),
        ('{"kind": "Point", "x": 1, "z": 2}', "no Point.*'z'"),
        ('{"kind": "Point"}', "no Point.*'x'"),
        ('[{"kind": "Point", "x": {"kind": "Line"}}]', "'Line' is no kind"),
        ("{", "Expecting"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, says: str) -> None:
    """An unknown kind, an unknown field and a missing one are named in the error, at
    whatever depth they are."""
    with pytest.raises(ValueError, match=says):
        KINDS.loads(text)
