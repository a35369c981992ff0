"""Workers of this machine: one to a core, replaced when they die, gone when they are no longer wanted."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from bayes_dsl.campaign import Campaign, Unit
from bayes_dsl.campaign.making import Job, Report
from bayes_dsl.campaign.processes import Processes
from bayes_dsl.errors import FileRefused, InputError
from tests.campaign.tools import WORK, alive, children, until


def campaign_in(folder: Path, work: str = f"{WORK}:where") -> Campaign:
    for name in ("units", "locks"):
        (folder / name).mkdir()
    return Campaign(folder=folder, work=work, units=(Unit(name="a", payload={}),))


def job(campaign: Campaign, name: str, seconds: float = 0.0) -> Job:
    return Job(
        root=str(campaign.folder),
        name=name,
        key="k",
        work=campaign.work,
        payload={"seconds": seconds},
        settings={},
        needs=[],
    )


def reports_of(engine: Processes) -> list[Report]:
    """The next reports, which must come."""
    reports: list[Report] = []
    end = time.monotonic() + 20
    while not reports:
        assert time.monotonic() < end, "no worker says anything"
        reports = engine.wait(0.1)
    return reports


def ready(engine: Processes, count: int) -> None:
    """Wait until so many workers are free."""
    end = time.monotonic() + 20
    while engine.free() < count:
        assert time.monotonic() < end, "the workers do not come"
        engine.wait(0.1)


def told(campaign: Campaign, name: str) -> dict[str, object]:
    where: dict[str, object] = json.loads((campaign.folder / "units" / name / "where.json").read_text())
    return where


def test_each_worker_has_a_core_of_its_own_and_one_thread(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    campaign = campaign_in(tmp_path)
    with Processes(campaign, workers=len(cores)) as engine:
        ready(engine, len(cores))
        for number in range(len(cores)):
            engine.start(job(campaign, f"u{number}"), rank=0)
        assert engine.free() == 0
        ready(engine, len(cores))
    places = [told(campaign, f"u{number}") for number in range(len(cores))]
    assert sorted(place["cores"] for place in places) == [[core] for core in cores]  # type: ignore[type-var]
    assert places[0]["environment"] == {
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip(),
    }


def test_a_worker_takes_many_units(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path)
    with Processes(campaign, workers=1) as engine:
        for name in "abc":
            ready(engine, 1)
            engine.start(job(campaign, name), rank=0)
        ready(engine, 1)
    assert len({told(campaign, name)["pid"] for name in "abc"}) == 1


def test_a_killed_worker_is_told_and_replaced(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path)
    with Processes(campaign, workers=1) as engine:
        ready(engine, 1)
        engine.start(job(campaign, "a", seconds=30), rank=0)
        assert until(lambda: (tmp_path / "units" / "a" / "where.json").exists())
        os.kill(int(str(told(campaign, "a")["pid"])), signal.SIGKILL)
        reports = [report.sentence for report in reports_of(engine)]
        assert reports == ["its worker was killed by SIGKILL, perhaps for want of memory"]
        ready(engine, 1)
        engine.start(job(campaign, "b"), rank=0)
        ready(engine, 1)
        assert (tmp_path / "units" / "b" / "result.json").exists()


def test_workers_are_gone_when_they_are_not_wanted(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path)
    with Processes(campaign, workers=2) as engine:
        ready(engine, 2)
        engine.start(job(campaign, "a", seconds=30), rank=0)
        mine = children(os.getpid())
    assert len(mine) >= 2
    assert not any(alive(pid) for pid in mine if pid not in children(os.getpid()))
    assert len(set(mine) - set(children(os.getpid()))) == 2


def test_work_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    with Processes(campaign_in(tmp_path, "no_such_module:f"), workers=1) as engine:
        (report,) = reports_of(engine)
        assert report.kind == "unusable" and "no_such_module" in report.sentence


def test_workers_that_die_before_their_first_unit_are_not_replaced_for_ever(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"workers\.log: worker = ended with exit code 7; 3 workers ended"),
        Processes(campaign_in(tmp_path, "tests.campaign.deadly_work:f"), workers=1) as engine,
    ):
        reports_of(engine)


def test_a_folder_that_takes_no_log_is_one_sentence(tmp_path: Path) -> None:
    campaign = Campaign(folder=tmp_path / "none", work=f"{WORK}:where", units=())
    with pytest.raises(FileRefused, match=r"workers\.log"), Processes(campaign, workers=1):
        pass
