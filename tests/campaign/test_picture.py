"""Where a campaign stands, and what is left of it in seconds."""

from dataclasses import replace
from pathlib import Path

import pytest

from bayes_dsl.campaign import Campaign, Unit, folders, results, status
from bayes_dsl.campaign.folders import Found
from bayes_dsl.campaign.picture import Tally
from bayes_dsl.campaign.units import in_order, keys
from bayes_dsl.errors import InputError


def campaign_in(folder: Path) -> Campaign:
    units = (
        Unit(name="late", payload={}, needs=("early",), cost=4.0),
        Unit(name="early", payload={}, cost=2.0),
        Unit(name="later", payload={}, needs=("late",), cost=8.0),
        Unit(name="alone", payload={}, cost=1.0),
    )
    return Campaign(folder=folder, work="package.module:function", units=units)


def tally(**states: Found) -> Tally:
    campaign = campaign_in(Path("campaign"))
    found = {unit.name: states.get(unit.name, Found()) for unit in campaign.units}
    return Tally(campaign=campaign, order=in_order(campaign), found=found)


DONE = Found(state="done", core_seconds=3.0, wall_seconds=6.0)
FAILED = Found(state="failed", sentence="it did not go")


def test_before_anything_is_measured_costs_stand() -> None:
    told = tally().status(2)
    assert told.waiting == ("late", "early", "later", "alone")
    assert (told.core_seconds_done, told.core_seconds_left, told.seconds_left) == (0.0, 15.0, None)
    assert told.counts == {"done": 0, "running": 0, "waiting": 4, "failed": 0, "blocked": 0}


def test_time_left_follows_the_measured_pace() -> None:
    told = tally(early=DONE).status(2)  # 2 expected, 3 core seconds and 6 seconds taken
    assert told.core_seconds_done == 3.0
    assert told.core_seconds_left == pytest.approx(13.0 * 1.5)
    assert told.seconds_left == pytest.approx(max(13.0 * 3.0 / 2, 8.0 * 3.0))
    alone = tally(early=DONE).status(1).seconds_left
    assert alone == pytest.approx(13.0 * 3.0)
    assert tally(early=DONE).status(0).seconds_left is None


def test_what_has_run_so_far_is_not_left() -> None:
    known = tally(early=DONE)
    known.running = {"late": 5.0, "alone": 100.0}
    told = known.status(1)
    assert told.running == ("late", "alone") and told.waiting == ("later",)
    assert told.seconds_left == pytest.approx((12.0 - 5.0) + 24.0 + 0.0)


def test_what_waits_in_vain_is_blocked_and_not_reckoned() -> None:
    told = tally(early=FAILED, alone=DONE).status(1)
    assert told.failed == {"early": "it did not go"} and told.blocked == ("late", "later")
    assert (told.waiting, told.core_seconds_left, told.seconds_left) == ((), 0.0, 0.0)


def test_a_result_that_stands_is_not_undone_by_a_failed_need() -> None:
    told = tally(early=FAILED, late=DONE).status(1)
    assert told.done == ("late",) and told.blocked == () and told.waiting == ("later", "alone")


def test_a_done_unit_without_a_measurement_counts_its_cost() -> None:
    assert tally(later=Found(state="done")).status(1).core_seconds_done == 8.0


def test_status_is_told_from_the_folders_and_changes_nothing(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path / "campaign")
    assert status(campaign).counts["waiting"] == 4
    assert not (tmp_path / "campaign").exists()
    key = keys(campaign)
    with folders.alone_in_campaign(campaign.folder), folders.alone_in_unit(campaign.folder, "early"):
        told = status(campaign)
        assert told.running == ("early",) and told.seconds_left is None
    folders.prepare(campaign.folder, "early", key["early"])
    folders.write_result(
        campaign.folder, "early", key["early"], {}, {"core_seconds": 3.0, "wall_seconds": 6.0}
    )
    with folders.alone_in_unit(campaign.folder, "late"):
        assert status(campaign).seconds_left == pytest.approx(13.0 * 3.0)
    folders.write_failure(campaign.folder, "late", key["late"], "it did not go")
    told = status(campaign)
    assert (told.done, dict(told.failed), told.blocked) == (("early",), {"late": "it did not go"}, ("later",))
    changed = replace(campaign, settings={"epochs": 2})
    told = status(changed)
    assert told.counts["waiting"] == 4 and len(told.notes) == 2
    assert status(campaign).done == ("early",)


def test_results_come_in_the_order_of_the_units(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path)
    for name, key in sorted(keys(campaign).items()):
        folders.prepare(tmp_path, name, key)
        folders.write_result(tmp_path, name, key, {"name": name}, {})
    got = results(campaign)
    assert [unit.name for unit, _, _ in got] == ["late", "early", "later", "alone"]
    assert [result for _, result, _ in got] == [{"name": unit.name} for unit in campaign.units]
    assert all(folder == tmp_path / "units" / unit.name for unit, _, folder in got)


def test_missing_results_are_named(tmp_path: Path) -> None:
    campaign = campaign_in(tmp_path)
    key = keys(campaign)["alone"]
    folders.prepare(tmp_path, "alone", key)
    folders.write_result(tmp_path, "alone", key, {"x": 1}, {})
    with pytest.raises(InputError, match="late and 2 more; every unit must be done"):
        results(campaign)
    ((unit, result, _),) = results(campaign, partial=True)
    assert (unit.name, result) == ("alone", {"x": 1})
    with pytest.raises(InputError, match="work"):
        results(replace(campaign, work=""))
