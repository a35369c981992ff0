"""Progress is shown on a terminal and nowhere else; Ctrl-C reaches the chains."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bayes_dsl.cli.progress import problem_progress, sampling_progress
from tests.architecture.source import ROOT


def test_nobody_watches_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with sampling_progress(wanted=True) as report:
        report(250, 1000)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


@pytest.mark.parametrize("wanted", [True, False])
def test_on_a_terminal_it_is_shown_if_wanted(
    wanted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with sampling_progress(wanted=wanted) as report:
        report(250, 1000)
        report(1000, 1000)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("sampling" in printed.err and "left" in printed.err) == wanted


def test_an_interrupt_stops_the_chains() -> None:
    before = signal.getsignal(signal.SIGINT)
    with sampling_progress(wanted=False) as report, ThreadPoolExecutor(1) as pool:
        pool.submit(report, 250, 1000).result()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            pool.submit(report, 500, 1000).result()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_ends_the_process_at_once() -> None:
    script = """
import signal, threading
from bayes_dsl.cli.progress import problem_progress, sampling_progress
with sampling_progress(wanted=False):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        threading.Thread(target=threading.Event().wait).start()  # what nothing can end
        signal.raise_signal(signal.SIGINT)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 130
    assert done.stderr == "\nbayes-dsl: ended at once.\n"


def test_other_work_is_called_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with problem_progress("best-case", wanted=True) as report:
        report(1, 2)
    assert "best-case" in capsys.readouterr().err
