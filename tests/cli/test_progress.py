"""Progress is shown on a terminal and nowhere else."""

import sys

import pytest

from bayes_dsl.cli.progress import sampling_progress


def test_nobody_watches_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with sampling_progress(wanted=True) as report:
        assert report is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wanted", [True, False])
def test_on_a_terminal_it_is_shown_if_wanted(
    wanted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with sampling_progress(wanted=wanted) as report:
        assert (report is not None) == wanted
        if report is not None:
            report(250, 1000)
            report(1000, 1000)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("sampling" in printed.err and "left" in printed.err) == wanted
