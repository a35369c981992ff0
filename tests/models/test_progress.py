"""Progress in words: how far, how long, and nothing where nobody asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bayes_dsl.campaign import Status
from models.progress import duration, in_words, progress

START = Status(
    done=(),
    running=("a",),
    waiting=("b", "c"),
    failed={},
    blocked=(),
    core_seconds_done=0.0,
    core_seconds_left=30.0,
    seconds_left=None,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (40.4, "41 s"),
        (89, "89 s"),
        (150, "2 min"),
        (5399, "90 min"),
        (9000, "2.5 h"),
    ],
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_state_is_one_line() -> None:
    assert in_words(START) == "0 of 3 units done, 1 running, time left not known yet"
    later = replace(START, done=("a",), running=("b",), waiting=(), failed={"c": "x"}, seconds_left=100.0)
    assert in_words(later) == "1 of 3 units done, 1 running, 1 failed, about 2 min left"
    end = replace(START, done=("a", "b", "c"), running=(), waiting=(), seconds_left=0.0)
    assert in_words(end) == "3 of 3 units done"


def test_a_file_gets_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(wanted=True) as report:
        report(START)
        report(replace(START, core_seconds_left=20.0))
        report(replace(START, done=("a",), running=("b",), waiting=("c",), seconds_left=9.0))
    assert capsys.readouterr().err.splitlines() == [
        "0 of 3 units done, 1 running, time left not known yet",
        "1 of 3 units done, 1 running, about 9 s left",
    ]


def test_nothing_is_said_when_it_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(wanted=False) as report:
        report(START)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress(wanted=True) as report:
        report(START)
        report(replace(START, done=("a", "b", "c"), running=(), waiting=(), core_seconds_done=30.0))
    assert capsys.readouterr().out == ""
