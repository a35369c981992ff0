"""One unit is made, or one report says why not; nothing is raised."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_dsl import files
from bayes_dsl.campaign import UnitRefused, folders
from bayes_dsl.campaign.making import Job, Report, disk_refusal, make, make_on_cluster, one_line
from bayes_dsl.errors import FileRefused
from tests.campaign import dummy_work
from tests.campaign.tools import WORK


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    (tmp_path / "units").mkdir()
    (tmp_path / "locks").mkdir()

    def of(do: str, **more: Any) -> Job:
        told = {"do": do, **more}
        return Job(
            root=str(tmp_path),
            name="a",
            key="k",
            work=f"{WORK}:mixed",
            payload=told,
            settings={},
            needs=[],
        )

    return of


def test_a_result_is_recorded_with_what_it_took(job: Callable[..., Job], tmp_path: Path) -> None:
    assert make(job("fine", value=7)) == Report(name="a", kind="done")
    assert folders.read_result(tmp_path, "a", "k") == {"value": 7}
    found = folders.look(tmp_path, "a", "k")
    assert found.core_seconds is not None and 0 <= found.core_seconds < 1
    assert found.wall_seconds is not None and 0 <= found.wall_seconds < 1


def test_what_is_done_is_not_made_again(job: Callable[..., Job], tmp_path: Path) -> None:
    make(job("fine", value=7))
    assert make(job("raise")) == Report(name="a", kind="done")


@pytest.mark.parametrize(
    ("do", "sentence"),
    [
        ("raise", "ValueError: the first line and the second"),
        ("exit", "SystemExit: enough"),
        ("nan", "ValueError: Out of range float values are not JSON compliant: nan"),
        ("no dict", "TypeError: the work gave int, not a dict of JSON"),
    ],
)
def test_a_failure_is_one_sentence_and_a_traceback(
    do: str, sentence: str, job: Callable[..., Job], tmp_path: Path
) -> None:
    assert make(job(do)) == Report(name="a", kind="failed", sentence=sentence)
    assert folders.look(tmp_path, "a", "k") == folders.Found(state="failed", sentence=sentence)
    assert "Traceback" in (tmp_path / "units" / "a" / "log.txt").read_text()


def test_a_refusal_keeps_its_own_words() -> None:
    assert one_line(UnitRefused("The teacher diverged.")) == "The teacher diverged."
    assert one_line(KeyError("x")) == "KeyError: 'x'"
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line(ValueError("x" * 10_000))) == 400


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_not_the_unit_s_fault(job: Callable[..., Job], tmp_path: Path) -> None:
    report = make(job("full"))
    assert (report.kind, report.errno) == ("disk", errno.ENOSPC)
    assert folders.look(tmp_path, "a", "k") == folders.Found()
    refusal = str(disk_refusal(report))
    assert (
        len(refusal.splitlines()) == 1
        and "No space left on device" in refusal
        and "The disk is full" in refusal
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("record", ["unit.json", "took.json", "result.json"])
def test_a_record_that_cannot_be_written_is_the_disk_s(
    record: str, number: int, job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write_atomically

    def refuse(path: Path, content: bytes) -> None:
        if path.name == record:
            try:
                raise OSError(number, os.strerror(number), str(path))
            except OSError as error:
                raise files.refused_by_system(path, "writing", error) from error
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_atomically", refuse)
        report = make(job("fine"))
        assert (report.kind, report.errno) == ("disk", number)
        assert report.path == str(tmp_path / "units" / "a" / record)
        assert isinstance(disk_refusal(report), FileRefused)
        assert folders.look(tmp_path, "a", "k") == folders.Found()
    assert make(job("fine")).kind == "done"


def test_a_work_s_own_permission_error_is_a_failure(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "data.npy")

    monkeypatch.setattr(dummy_work, "mixed", work)
    report = make(job("fine"))
    assert report.kind == "failed" and "data.npy" in report.sentence


def test_work_that_cannot_be_imported_leaves_no_trace(job: Callable[..., Job], tmp_path: Path) -> None:
    report = make({**job("fine"), "work": "no_such_module:f"})
    assert report.kind == "unusable" and "No module named 'no_such_module'" in report.sentence
    assert list((tmp_path / "units").iterdir()) == []


def test_a_folder_that_is_held_is_waited_for(
    job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = folders.alone_in_unit
    monkeypatch.setattr(folders, "alone_in_unit", lambda root, name: patient(root, name, 0.05))
    with patient(tmp_path, "a"):
        report = make(job("fine"))
    assert report.kind == "failed" and "another process" in report.sentence
    assert make(job("fine")).kind == "done"


def test_on_a_cluster_a_report_is_plain(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    told = make_on_cluster(job("fine"))
    assert Report(**told) == Report(name="a", kind="done")
    assert os.environ["OMP_NUM_THREADS"] == "1"
