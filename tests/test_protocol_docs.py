"""The specification's generated parts are what the code says."""

from __future__ import annotations

from enum import Enum
import importlib.util
from pathlib import Path
import re
import sys
from types import ModuleType

import pytest

from comm.link import LEGAL_FRAMES, TRANSITIONS, LinkState
from comm.mpsc import PRODUCER_TRANSITIONS, ProducerState
from comm.protocol import ChannelKind, Kind, Reason
from comm.session import SESSION_TRANSITIONS, SessionState


DOCS = Path(__file__).parents[1] / "docs"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_protocol", DOCS / "generate_protocol.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()


class Light(Enum):
    """A state."""

    RED = "red"
    """Stop."""
    GREEN = "green"
    OUT = "out of order"


class Event(Enum):
    TIME = "time"
    PUSH = "push"
    CRASH = "crash"


LIGHTS = {
    Light.RED: {Event.TIME: Light.GREEN, Event.CRASH: Light.OUT},
    Light.GREEN: {
        Event.TIME: Light.RED,
        Event.PUSH: Light.RED,
        Event.CRASH: Light.OUT,
    },
    Light.OUT: {},
}


def test_the_specification_is_up_to_date() -> None:
    """Generating the page again changes nothing; if it does, run the generator."""
    assert generator.is_current(), "run python docs/generate_protocol.py"


def test_a_change_by_hand_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A page with one cell changed is out of date, and generating it mends that."""
    page = tmp_path / "protocol.md"
    text = generator.PAGE.read_text("utf-8")
    page.write_text(text.replace("| 5 | `PING` |", "| 6 | `PING` |"), "utf-8")
    monkeypatch.setattr(generator, "PAGE", page)
    assert not generator.is_current()
    assert "out of date" in generator.main(["--check"])
    assert generator.main([]) is None
    assert generator.main(["--check"]) is None
    assert page.read_text("utf-8") == text


def test_every_part_has_its_place() -> None:
    """A part without a place, and a place without a part, are errors."""
    text = generator.PAGE.read_text("utf-8")
    with pytest.raises(ValueError, match="nothing generates 'odd'"):
        generator.render(text + "<!-- begin odd -->\n<!-- end odd -->")
    with pytest.raises(ValueError, match="the page has"):
        generator.render("")


def test_unknown_arguments_are_refused() -> None:
    """A mistyped option does not rewrite the page."""
    assert generator.main(["--chekc"]) == "unknown arguments: --chekc"


def test_a_table_of_transitions_becomes_a_diagram() -> None:
    """Each state, transition, beginning and end is drawn, from any such table."""
    assert generator.diagram(LIGHTS).splitlines() == [
        "```mermaid",
        "stateDiagram-v2",
        '    state "red" as RED',
        '    state "green" as GREEN',
        '    state "out of order" as OUT',
        "    RED --> GREEN : time",
        "    RED --> OUT : crash",
        "    GREEN --> RED : time / push",
        "    GREEN --> OUT : crash",
        "    OUT --> [*]",
        "```",
    ]
    beginning = {Light.RED: {Event.TIME: Light.OUT}, Light.OUT: {}}
    assert "    [*] --> RED" in generator.diagram(beginning).splitlines()
    assert "    [*] --> OUT" not in generator.diagram(beginning).splitlines()


@pytest.mark.parametrize("cls", [Kind, Reason, ChannelKind, LinkState])
def test_docstrings_of_members_are_found(cls: type[Enum]) -> None:
    """What stands below a member in the code is its meaning in the page."""
    docs = generator.member_docs(cls)
    documented = {name for name in cls.__members__ if name != "CLOSED"}
    assert documented <= set(docs)
    assert all(doc.endswith(".") for doc in docs.values())


@pytest.mark.parametrize(
    ("states", "table"),
    [
        (LinkState, TRANSITIONS),
        (LinkState, LEGAL_FRAMES),
        (SessionState, SESSION_TRANSITIONS),
        (ProducerState, PRODUCER_TRANSITIONS),
    ],
)
def test_every_state_is_in_its_table(
    states: type[Enum], table: dict[Enum, object]
) -> None:
    """The tables say of each state what may happen in it."""
    assert set(table) == set(states)


def test_every_kind_and_reason_is_in_the_page() -> None:
    """Each number of the wire has its row, with its meaning."""
    text = generator.PAGE.read_text("utf-8")
    for member in (*Kind, *Reason):
        row = rf"^\| {member.value} \| `{member.name}` \|.* \S+\. \|$"
        assert re.search(row, text, re.MULTILINE), member


def test_loading_the_generator_leaves_nothing_behind() -> None:
    """It is a program, and no module that others could import."""
    assert "generate_protocol" not in sys.modules
