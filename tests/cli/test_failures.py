"""Each kind of error has its lines and its exit code."""

import pytest
import typer

from bayes_dsl.cli.failures import exit_code_of, explain, printable
from bayes_dsl.errors import Fault, InputError, NotConverged, TableError, UnhealthyPosterior


def fault(where: str) -> Fault:
    return Fault(where=where, what="loss", value="-1", rule="must be positive", remedy="Correct it")


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return exit_code_of(command)


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (InputError(fault("a")), 2, 1),
        (TableError([fault("a"), fault("b"), fault("c")]), 2, 3),
        (NotConverged("one\ntwo", diagnostics=None, posterior=None), 1, 2),
        (UnhealthyPosterior("no"), 1, 1),
        (typer.BadParameter("bad\nthing"), 2, 1),
        (ValueError("first\nsecond"), 3, 1),
        (MemoryError(), 3, 1),
        (OSError(28, "No space left on device"), 3, 1),
        (KeyboardInterrupt(), 130, 1),
    ],
)
def test_the_exit_code_and_the_number_of_lines(
    error: BaseException, code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raising(error) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == lines
    assert "Traceback" not in printed.err


def test_a_line_is_the_fault_as_it_says_itself() -> None:
    assert explain(TableError(fault("runs.csv line 3")))[0] == (
        "runs.csv line 3: loss = -1; must be positive. Correct it.",
    )


def test_the_traceback_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAYES_DSL_DEBUG", "1")
    assert raising(ValueError("x")) == 3
    assert "Traceback" in capsys.readouterr().err


def test_what_goes_well_is_0() -> None:
    assert exit_code_of(lambda: None) == 0
    assert exit_code_of(lambda: 1) == 1


def test_a_text_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\nc\rd") == "a\\x1b[2Jb\\nc\\rd"
    assert printable("größer") == "größer"
