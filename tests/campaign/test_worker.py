"""A worker speaks JSON through a pipe of its own, whatever the work prints or reads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bayes_dsl.campaign.worker import output_to
from bayes_dsl.errors import FileRefused
from tests.campaign.tools import WORK


def serve(work: str, *jobs: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What a worker says, and what it leaves on stderr."""
    code = "from bayes_dsl.campaign.worker import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(os.getpid()), "", work],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def job(root: Path, name: str, **payload: Any) -> dict[str, Any]:
    (root / "units").mkdir(exist_ok=True)
    (root / "locks").mkdir(exist_ok=True)
    return {
        "root": str(root),
        "name": name,
        "key": "k",
        "work": f"{WORK}:mixed",
        "payload": payload,
        "settings": {},
        "needs": [],
    }


def test_it_makes_one_unit_after_another(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "a", do="fine"), job(tmp_path, "b", do="raise"), job(tmp_path, "c", do="fine")]
    said, errors = serve(f"{WORK}:mixed", *jobs)
    assert said[0] == {"kind": "ready"}
    assert [(one["name"], one["kind"]) for one in said[1:]] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert errors == ""


def test_what_the_work_prints_goes_to_the_unit_s_log(tmp_path: Path) -> None:
    serve(f"{WORK}:mixed", job(tmp_path, "a", do="fine"), job(tmp_path, "b", do="shout"))
    assert (tmp_path / "units" / "a" / "log.txt").read_text() == "the work speaks\n"
    log = (tmp_path / "units" / "b" / "log.txt").read_text()
    assert log.startswith("the work speaks\na child speaks\nnothing to read: ''\n")


def test_work_that_cannot_be_imported_is_told_at_once(tmp_path: Path) -> None:
    said, _ = serve("tests.campaign.broken_work:f", job(tmp_path, "a", do="fine"))
    assert [one["kind"] for one in said] == ["unusable"]
    assert "ZeroDivisionError: at the import" in said[0]["sentence"]


def test_a_log_that_cannot_be_opened_is_the_disk_s(tmp_path: Path) -> None:
    with pytest.raises(FileRefused), output_to(tmp_path / "no folder" / "log.txt"):
        pass


def test_the_output_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before\n")
    with output_to(tmp_path / "log.txt"):
        os.write(1, b"during\n")
        os.system("echo a child")  # noqa: S605
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "before\nafter\n"
    assert (tmp_path / "log.txt").read_text() == "during\na child\n"
