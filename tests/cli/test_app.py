"""The command as a process: its exit codes, its streams, and how quickly it opens."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayes_dsl.cli import app as command_line
from bayes_dsl.cli.app import run

ROOT = Path(__file__).parents[2]
PROCESS = [sys.executable, "-c", "import sys; from bayes_dsl.cli.app import main; sys.exit(main())"]


def start(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROCESS, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_verb_the_help_is_printed() -> None:
    done = start()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: bayes-dsl") and done.stderr == ""


def test_the_version_is_printed() -> None:
    assert start("--version").stdout.startswith("bayes-dsl ")


def test_help_comes_within_seven_tenths_of_a_second() -> None:
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        assert start("--help").returncode == 0
        times.append(time.perf_counter() - begin)
        if times[-1] <= 0.7:
            return
    pytest.fail(f"the quickest of {len(times)} took {min(times):.2f} s")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "No such command 'chek'"),
        (["check"], "Missing argument 'TABLE'"),
        (["check", "x.csv", "--nonsense"], "No such option"),
        (["check", "x.csv", "--counting", "half"], "'half' is not one of 'non_embedding', 'total'"),
        (["check", "no such file.csv"], "No such file"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: list[str], said: str) -> None:
    done = start(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert said in line


def test_every_fault_of_a_table_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("run_id,role,params,tokens,loss\na,supervised,-1,2e9,nan\nb,boss,1e8,2e9,3\n")
    done = start("check", path)
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "bad.csv line 2",
        "bad.csv line 2",
        "bad.csv line 3",
    ]


def test_a_pipe_that_closes_is_no_error(table_file: Path) -> None:
    script = '"$@" | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", script, "sh", *PROCESS, "check", str(table_file), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode in (0, 128 + 13)


def test_a_full_disk_is_one_line(table_file: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    script = '"$@" >/dev/full'
    command = ["bash", "-c", script, "sh", *PROCESS, "check", str(table_file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "bayes-dsl: No space left on device; the system did not let the command finish.\n"


def test_an_ascii_terminal_gets_escapes(table_file: Path) -> None:
    fine = start("check", table_file, PYTHONIOENCODING="ascii")
    assert fine.returncode == 0 and "----" in fine.stdout and "\\u2500" not in fine.stdout
    table_file.write_text(table_file.read_text().replace(",ok,1", ",öko,1"))
    done = start("check", table_file, PYTHONIOENCODING="ascii")
    assert done.returncode == 2 and "\\xf6ko" in done.stderr


def test_an_internal_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line.typer.main, "get_command", lambda _: _Broken())
    assert run(["check"]) == 3
    assert capsys.readouterr().err.startswith("bayes-dsl: ZeroDivisionError: of zero;")


class _Broken:
    def main(self, **_: object) -> None:
        raise ZeroDivisionError("of\nzero")
