"""What comes next, and what a report changes."""

from pathlib import Path
from typing import Literal

import pytest

from bayes_dsl.campaign import Campaign, Unit, folders
from bayes_dsl.campaign.making import Report
from bayes_dsl.campaign.schedule import Schedule
from bayes_dsl.campaign.units import keys

UNITS = (
    Unit(name="small", payload={"i": 1}, cost=1.0, stage=1),
    Unit(name="large", payload={"i": 2}, cost=9.0, stage=1),
    Unit(name="student", payload={"i": 3}, cost=99.0, stage=1, needs=("teacher", "small")),
    Unit(name="teacher", payload={"i": 4}, cost=2.0),
)


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(folder=tmp_path, work="package.module:function", units=UNITS)


def finish(campaign: Campaign, name: str) -> Report:
    key = keys(campaign)[name]
    folders.prepare(campaign.folder, name, key)
    folders.write_result(campaign.folder, name, key, {}, {"core_seconds": 1.0, "wall_seconds": 1.0})
    return Report(name=name, kind="done")


def taken(schedule: Schedule, most: int = 99) -> list[str]:
    return [job["name"] for _, job in schedule.take(most)]


def test_earlier_stages_first_then_the_dearest(campaign: Campaign) -> None:
    schedule = Schedule(campaign)
    assert taken(schedule, 1) == ["teacher"]
    assert taken(schedule) == ["large", "small"]
    assert taken(schedule) == [] and schedule.going
    assert schedule.status(2).running == ("small", "large", "teacher")


def test_a_unit_waits_for_all_that_it_needs(campaign: Campaign) -> None:
    schedule = Schedule(campaign)
    taken(schedule)
    schedule.settle(finish(campaign, "teacher"))
    assert taken(schedule) == []
    schedule.settle(finish(campaign, "small"))
    ((rank, job),) = schedule.take(9)
    assert (job["name"], job["needs"], job["payload"]) == ("student", ["teacher", "small"], {"i": 3})
    assert rank == 1
    schedule.settle(finish(campaign, "student"))
    schedule.settle(finish(campaign, "large"))
    assert not schedule.going and schedule.status(2).counts["done"] == 4


def test_what_is_done_is_not_taken(campaign: Campaign) -> None:
    for name in ("teacher", "small"):
        finish(campaign, name)
    assert taken(Schedule(campaign)) == ["student", "large"]


def test_a_failed_unit_blocks_those_that_need_it_and_no_others(campaign: Campaign) -> None:
    schedule = Schedule(campaign)
    taken(schedule)
    schedule.settle(Report(name="teacher", kind="failed", sentence="it did not go"))
    for name in ("small", "large"):
        schedule.settle(finish(campaign, name))
    assert not schedule.going and schedule.to_make == 0
    told = schedule.status(2)
    assert dict(told.failed) == {"teacher": "it did not go"} and told.blocked == ("student",)


@pytest.mark.parametrize("kind", ["died", "done"])  # one says done whose result cannot be read back
def test_a_worker_s_death_is_forgiven_once(kind: Literal["died", "done"], campaign: Campaign) -> None:
    schedule = Schedule(campaign)
    for _ in range(2):
        assert taken(schedule, 1) == ["teacher"]
        schedule.settle(Report(name="teacher", kind=kind, sentence="its worker was killed by SIGKILL"))
    assert schedule.status(2).failed["teacher"] == "its worker was killed by SIGKILL; this happened 2 times"
    assert taken(schedule) == ["large", "small"]
    assert folders.look(campaign.folder, "teacher", keys(campaign)["teacher"]).state == "failed"


def test_a_worker_that_died_after_its_last_write_had_finished(campaign: Campaign) -> None:
    schedule = Schedule(campaign)
    taken(schedule, 1)
    finish(campaign, "teacher")
    schedule.settle(Report(name="teacher", kind="died"))
    assert schedule.status(2).done == ("teacher",)


def test_failed_units_are_tried_again_only_when_asked(campaign: Campaign) -> None:
    folders.write_failure(campaign.folder, "teacher", keys(campaign)["teacher"], "it did not go")
    assert taken(Schedule(campaign)) == ["large", "small"]
    assert taken(Schedule(campaign, retry_failed=True)) == ["teacher", "large", "small"]
