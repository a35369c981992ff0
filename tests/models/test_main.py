"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import sweep_folder
from models.__main__ import run
from models.sweep_folder import Train
from tests.models.small_plans import SMALL, models, written

Said = pytest.CaptureFixture[str]


def test_a_dry_run_trains_nothing_and_makes_nothing(tmp_path: Path, capsys: Said) -> None:
    assert run(["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("plan small: 5 runs in 4 units, 2 of them distilled\n") and said.err == ""
    assert "core seconds" in said.out and not (tmp_path / "out").exists()


def test_all_faults_of_a_plan_are_lines_on_stderr(tmp_path: Path, capsys: Said) -> None:
    bad = SMALL.replace('["T"]', '["U", "V"]').replace(
        'name = "T"\n', 'name = "T"\npart = "student"\nhue = 1\n'
    )
    assert run(["sweep", str(written(tmp_path, bad)), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and len(said.err.splitlines()) == 5
    assert all(line.startswith("small.toml: [[") for line in said.err.splitlines())
    assert not (tmp_path / "out").exists()


def test_the_corpus_can_be_made_beforehand(tmp_path: Path, capsys: Said) -> None:
    assert run(["corpus", str(written(tmp_path)), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "19,984 tokens for teachers, 19,984 for students, 2,048 to evaluate on" in said
    assert "vocabulary 16, context 16, tokenizer none" in said and "H2: " in said
    assert run(["status", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("plan small: 0 of 4 units done, time left not known yet\n")
    assert run(["collect", str(tmp_path / "out"), "-o", str(tmp_path / "runs.csv")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "unit without a result = sup-d16-6400-s0 and 3 more;" in line


def test_failed_units_are_told_with_their_students_and_exit_code_1(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.sweep.WORK", "tests.models.test_main:refuse")
    arguments = ["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert run(arguments) == 1
    said = capsys.readouterr()
    assert "failed: T: RuntimeError: no\n" in said.err
    assert "blocked by a failed teacher: 6400-o0-from-T\n" in said.err and "--retry-failed" in said.err
    assert said.out == "0 of 4 units done, 3 failed, 1 blocked\n"
    assert run(["status", str(tmp_path / "out")]) == 0
    assert "failed: T: RuntimeError: no\n" in capsys.readouterr().out


def refuse(payload: object, settings: object, folder: Path, needs: object) -> None:
    """A work that never succeeds."""
    raise RuntimeError("no")


def test_options_reach_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    heard: list[Train] = []

    def sweep(plan: object, folder: Path, how: Train, **others: object) -> None:
        heard.append(how)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_folder, "sweep", sweep)
    options = ["--workers", "3", "--cluster", "tcp://there:1", "--retry-failed"]
    assert run(["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out"), *options]) == 130
    assert heard == [Train(workers=3, cluster="tcp://there:1", retry_failed=True)]
    assert capsys.readouterr().err.splitlines()[-1] == (
        "models: interrupted; what was finished is kept, and the same command goes on from there."
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sweep"], "--help` lists what it takes."),
        (["sweep", "none.toml", "--out", "x"], "none.toml: reading = No such file or directory;"),
        (["status", "no-such-folder"], "no sweep was started in this folder."),
        (["fly"], "python -m models: No such command 'fly'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: list[str], expected: str, capsys: Said) -> None:
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_no_workers_are_refused(tmp_path: Path, capsys: Said) -> None:
    assert run(["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--workers", "0"]) == 2
    assert "workers = 0" in capsys.readouterr().err.splitlines()[-1]


def test_a_fault_of_the_program_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    def broken(folder: Path) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(sweep_folder, "standing", broken)
    assert run(["status", "x"]) == 3
    assert "ZeroDivisionError: odd; this is a fault of the program" in capsys.readouterr().err


def test_the_module_is_a_command() -> None:
    done = models("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert all(verb in done.stdout for verb in ("sweep", "status", "collect", "corpus"))
