"""Sweeps from end to end: units, the same bytes however they are run, kills, and one sweep in a folder."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bayes_dsl.campaign.units import keys
from bayes_dsl.errors import InputError
from models.__main__ import run
from models.expansion import runs_of
from models.plan_tables import Plan
from models.sweep import campaign_of, costs_of, groups_of
from models.sweep_folder import Train, standing, sweep
from models.table import collect_into
from tests.campaign.tools import children
from tests.models.small_plans import HEAD, SMALL, plan_of, started, written

LONGER = HEAD.replace("20_000", "400_000") + ("[[supervised]]\nwidths = [16]\ntokens = [6400, 384_000]\n")
"""A run of a moment and one of some seconds."""


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 100.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def trained(plan: Path, out: Path, workers: int) -> bytes:
    """The table of a plan after a sweep."""
    assert run(["sweep", str(plan), "--out", str(out), "--workers", str(workers), "-q"]) == 0
    assert run(["collect", str(out), "-o", str(out / "runs.csv")]) == 0
    return (out / "runs.csv").read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small plan was trained by two workers, with its table."""
    folder = tmp_path_factory.mktemp("small")
    trained(written(folder), folder, 2)
    return folder


def test_students_of_a_teacher_on_the_same_batches_are_one_unit() -> None:
    more = '[[students]]\nteachers = ["T"]\nwidths = [24]\ntokens = [6400]\nseeds = [0, 1]\n'
    later = '[[students]]\nteachers = ["T"]\nwidths = [32]\ntokens = [6400]\nstage = 2\n'
    groups = {
        group.name: [run.width for run in group.runs] for group in groups_of(plan_of(SMALL + more + later))
    }
    assert groups == {
        "sup-d16-6400-s0": [16],
        "sup-d16-12800-s0": [16],
        "T": [16],
        "6400-o0-from-T": [8, 16, 24],
        "6400-o1-from-T": [24],
        "6400-o0-from-T-stage2": [32],
    }


def test_a_campaign_says_who_waits_for_whom_and_holds_no_path(tmp_path: Path) -> None:
    units = {unit.name: unit for unit in campaign_of(plan_of(SMALL), tmp_path).units}
    assert units["6400-o0-from-T"].needs == ("T",) and units["T"].needs == ()
    campaign = campaign_of(plan_of(SMALL), tmp_path)
    assert str(tmp_path) not in json.dumps([dict(unit.payload) for unit in campaign.units])
    assert str(tmp_path) not in json.dumps(dict(campaign.settings))
    assert keys(campaign) == keys(campaign_of(plan_of(SMALL), tmp_path / "elsewhere"))


def test_branches_wait_for_their_trunk_which_knows_them(tmp_path: Path) -> None:
    wsd = SMALL.replace("batch_tokens = 64", 'batch_tokens = 64\nschedule = "wsd"\nwarmup_steps = 5')
    units = {unit.name: unit for unit in campaign_of(plan_of(wsd), tmp_path).units}
    assert units["sup-d16-6400-s0"].needs == ("sup-d16-12800-s0",)
    assert units["sup-d16-6400-s0"].payload["trunk"] == "sup-d16-12800-s0"
    assert units["sup-d16-12800-s0"].payload["runs"][0]["branches"] == [6400]


def changed_keys(old: Plan, new: Plan, folder: Path) -> set[str]:
    before, after = keys(campaign_of(old, folder)), keys(campaign_of(new, folder))
    return {name for name in before if before[name] != after.get(name)}


def test_only_what_changes_results_is_trained_again(tmp_path: Path) -> None:
    plan = plan_of(SMALL)
    labels = SMALL.replace("widths = [16]", 'widths = [16]\ngroup = "g"\nstage = 0')
    assert changed_keys(plan, plan_of(labels), tmp_path) == set()
    grown = SMALL + "[[supervised]]\nwidths = [24]\ntokens = [6400]\n"
    assert changed_keys(plan, plan_of(grown), tmp_path) == set()
    teacher = SMALL.replace('name = "T"\n', 'name = "T"\nrecipe = { peak_rate = 0.02 }\n')
    assert changed_keys(plan, plan_of(teacher), tmp_path) == {"T", "6400-o0-from-T"}
    assert len(changed_keys(plan, plan_of(SMALL.replace("context = 16", "context = 32")), tmp_path)) == 4


def test_the_first_unit_of_a_shape_pays_for_its_compilation() -> None:
    text = SMALL.replace("tokens = [6400, 12_800]", "tokens = [6400]\nseeds = [0, 1]")
    first, second, *_ = (cost.core_seconds for cost in costs_of(plan_of(text), groups_of(plan_of(text))))
    assert first > second + 1


def test_one_worker_gives_the_same_bytes_as_two(small: Path, tmp_path: Path) -> None:
    table = trained(small / "small.toml", tmp_path, 1)
    assert table == (small / "runs.csv").read_bytes()
    header, *rows = table.decode().splitlines()
    assert header.startswith("run_id,role,params,tokens,loss,teacher_loss,loss_se")
    assert [row.split(",")[0] for row in rows] == [one.run_id for one in runs_of(plan_of(SMALL))]


def test_a_second_run_trains_nothing_and_a_grown_plan_only_what_is_new(small: Path, tmp_path: Path) -> None:
    def results() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in small.glob("units/*/result.json")}

    before = results()
    trained(small / "small.toml", small, 2)
    assert results() == before
    trained(written(tmp_path, SMALL + "[[supervised]]\nwidths = [16]\ntokens = [3200]\n"), small, 2)
    assert before.items() <= results().items() and len(results()) == 5
    trained(small / "small.toml", small, 2)
    assert len(results()) == 5


def test_killed_in_the_middle_and_run_again_gives_the_same_bytes(tmp_path: Path) -> None:
    plan, killed = written(tmp_path, LONGER), tmp_path / "killed"
    process = started("sweep", plan, "--out", killed)
    try:
        wait_until(lambda: len(list(killed.glob("units/*/result.json"))) == 1, process)
        name, status = standing(killed)
        assert name.name == "small" and status.done == ("sup-d16-6400-s0",)
        assert status.running == ("sup-d16-0.384M-s0",) and not status.waiting
        with pytest.raises(
            InputError, match="another sweep works in this folder, and one at a time may"
        ) as held:
            sweep(name, killed, Train())
        assert len(held.value.faults) == 1
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    with pytest.raises(InputError, match=r"unit without a result = sup-d16-0\.384M-s0"):
        collect_into(killed, tmp_path / "early.csv")
    assert not list(tmp_path.glob("early*"))
    assert trained(plan, killed, 2) == trained(plan, tmp_path / "whole", 2)


@pytest.mark.evidence
def test_sweeps_killed_at_random_moments_give_the_same_table(tmp_path: Path) -> None:
    """SWEEP_KILLS of them: of the sweep, of a worker, or of both."""
    kills, dice, wanted = 0, random.Random(0), int(os.environ.get("SWEEP_KILLS", "4"))
    plan = written(tmp_path, LONGER)
    whole = trained(plan, tmp_path / "whole", 2)
    for number in range(10 * wanted):
        folder = tmp_path / f"{number}"
        while kills < wanted:
            process = started("sweep", plan, "--out", folder, "--workers", "2", "-q")
            try:
                process.wait(dice.uniform(0.3, 6.0))
                break  # it came to its end in the meantime
            except subprocess.TimeoutExpired:
                workers = children(process.pid)
                for pid in dice.choice([[process.pid], workers[:1], [process.pid, *workers]]):
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
            finally:
                process.kill()
                process.communicate()
        assert trained(plan, folder, 2) == whole
        if kills >= wanted:
            return
    pytest.fail(f"{kills} kills only")
