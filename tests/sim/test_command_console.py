from __future__ import annotations

import io
import sys

import pytest

from comm.sim.command import console as console_module, main
from comm.sim.command.arguments import percentage, positive, seconds, whole
from comm.sim.command.console import Console, open_console
from tests.sim.commands import run_process


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _print_all(console: Console) -> None:
    with console.progress("sweep", 10) as progress:
        progress(5, "half of [it]")
        console.line("a [line] of it")
    console.table(
        "Faults", ("faults", "fired"), [("Cut[Link]", "1,000"), ("Lose", "2")]
    )
    console.block("The world", {"nodes": "3", "limits": "as [usual]"})


def test_plain_lines_need_no_terminal() -> None:
    """Behind a pipe tables are columns of plain text."""
    out = io.StringIO()
    _print_all(open_console(out))
    assert out.getvalue() == (
        "a [line] of it\n"
        "\nFaults\n"
        "  faults     fired\n"
        "  Cut[Link]  1,000\n"
        "  Lose           2\n"
        "\nThe world\n"
        "  nodes   3\n"
        "  limits  as [usual]\n"
    )


def test_a_pipe_hears_of_progress_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that takes long says so in a line, but not in one for every step."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    with Console(out).progress("sweep", None) as progress:
        for step in range(200):
            now[0] += 0.25
            progress(step, f"{step + 1} seeds")
    assert out.getvalue().splitlines()[0] == "sweep: 40 seeds"
    assert len(out.getvalue().splitlines()) == 5


def test_at_a_terminal_everything_is_drawn() -> None:
    """With `rich` the same is there, and brackets are no markup."""
    pytest.importorskip("rich")
    out = _Terminal()
    console = open_console(out)
    assert type(console) is not Console
    _print_all(console)
    for text in ("half of [it]", "a [line] of it", "Cut[Link]", "1,000", "as [usual]"):
        assert text in out.getvalue()


def test_without_rich_a_terminal_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If `rich` is not installed, nothing fails."""
    monkeypatch.setattr(console_module, "find_spec", lambda _: None)
    out = _Terminal()
    _print_all(open_console(out))
    assert "  Cut[Link]  1,000\n" in out.getvalue()


def test_a_reader_that_has_gone_ends_nothing() -> None:
    """A closed pipe is no reason to stop half-way."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    Console(Gone()).line("nobody reads this")


@pytest.mark.parametrize("command", ["sweep", "replay", "shrink", "bench", "digests"])
def test_every_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` tells what a command does and what each of its arguments means."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"python -m comm sim {command}" in capsys.readouterr().out


def test_the_program_knows_the_command() -> None:
    """`python -m comm sim` leads here, and says what there is."""
    printed = run_process("--help")
    assert printed.status == 0
    assert "sweep" in printed.text


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (whole(1), "1", ["0", "-1", "x", "1.5", ""]),
        (seconds, "0.5", ["-1", "nan", "x", "inf"]),
        (percentage, "100", ["100.1", "-1", "nan"]),
        (positive, "0.1", ["0", "-1"]),
    ],
)
def test_numbers_are_looked_at(read: object, good: str, bad: list[str]) -> None:
    """What is no such number is refused by the command line."""
    assert callable(read)
    assert read(good) == float(good)
    for text in bad:
        with pytest.raises(Exception, match="is no"):
            read(text)


def test_rich_is_not_loaded_for_a_pipe() -> None:
    """Whoever has no terminal need not wait for `rich` to be imported."""
    sys.modules.pop("comm.sim.command.drawing", None)
    open_console(io.StringIO())
    assert "comm.sim.command.drawing" not in sys.modules
