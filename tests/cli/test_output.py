"""Tables and sentences keep what they are given, whatever it holds."""

import json
import math

import pytest

from bayes_dsl.cli.json_keys import Keys
from bayes_dsl.cli.output import number, print_json, say, say_all, show_table


class Small(Keys):
    """One number of a report."""

    value: float | None


def test_markup_and_control_characters_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("[b]title", ("name", "x"), [("[red]a[/]", "1"), ("\x1b[2J:smile:", "2")])
    printed = capsys.readouterr().out
    assert "[b]title" in printed and "[red]a[/]" in printed and "\\x1b[2J:smile:" in printed
    assert "\x1b" not in printed


def test_a_long_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("word " * 200)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_long_cell_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("t", ("name", "x"), [("x" * 500, "1")])
    assert capsys.readouterr().out.count("x") == 501


def test_a_heading_without_sentences_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    say_all("Notes", [])
    assert capsys.readouterr().out == ""
    say_all("Notes", ["one"])
    assert capsys.readouterr().out == "\nNotes\n  one\n"


def test_json_has_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Small(value=math.inf), Small(value=math.nan), Small(value=1.5)])
    assert json.loads(capsys.readouterr().out) == [{"value": None}, {"value": None}, {"value": 1.5}]


def test_numbers() -> None:
    assert [number(x) for x in (1.23456, None, math.nan, 12345.6)] == ["1.235", "-", "-", "1.235e+04"]
