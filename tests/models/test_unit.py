"""The work of a unit: what is told becomes runs, teachers and trunks are found, and a lost teacher is said."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from models import unit
from models.sweep import campaign_of
from models.sweep_folder import prepare
from models.train import train
from models.unit import work
from tests.models.small_plans import SMALL, plan_of

BRIEF = SMALL.replace("6400", "1280").replace("12_800", "2560").replace("widths = [8, 16]", "widths = [16]")


def made(text: str, folder: Path) -> dict[str, Any]:
    """The results of all units, made here one after the other."""
    plan = plan_of(text)
    prepare(plan, folder)
    campaign = campaign_of(plan, folder)
    homes = {unit.name: folder / "units" / unit.name for unit in campaign.units}
    for home in homes.values():
        home.mkdir(parents=True, exist_ok=True)
    results = {}
    for one in sorted(campaign.units, key=lambda one: len(one.needs)):
        needs = {name: homes[name] for name in one.needs}
        results[one.name] = work(one.payload, campaign.settings, homes[one.name], needs)
    return results


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return made(BRIEF, tmp_path_factory.mktemp("brief"))


def test_what_is_planned_is_what_is_trained(brief: dict[str, Any]) -> None:
    (first,) = brief["sup-d16-1280-s0"]["outcomes"]
    (teacher,) = brief["T"]["outcomes"]
    (student,) = brief["1280-o0-from-T"]["outcomes"]
    assert (first["role"], first["part"], first["tokens"], first["steps"]) == (
        "supervised",
        "student",
        1280,
        20,
    )
    assert (teacher["role"], teacher["part"], teacher["tokens"]) == ("supervised", "teacher", 2560)
    assert (student["role"], student["teacher_id"], student["mixing"]) == ("distilled", "T", 1.0)
    assert student["teacher_loss"] == pytest.approx(teacher["loss"], abs=1e-5)
    assert {one["status"] for one in (first, teacher, student)} == {"ok"}
    corpora = [result["corpus"] for result in brief.values()]
    assert all(corpus == corpora[0] for corpus in corpora) and corpora[0]["H2"]


def test_made_again_it_is_the_same(brief: dict[str, Any], tmp_path: Path) -> None:
    varying = {"cpu_seconds", "wall_seconds", "started_at", "git_rev"}
    anew = made(BRIEF[: BRIEF.index("[[teachers]]")], tmp_path)
    (once,), (again,) = brief["sup-d16-1280-s0"]["outcomes"], anew["sup-d16-1280-s0"]["outcomes"]
    assert {k: v for k, v in once.items() if k not in varying} == {
        k: v for k, v in again.items() if k not in varying
    }


def test_students_go_on_where_they_were_stopped(
    brief: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(step: int, steps: int, losses: tuple[float, ...]) -> None:
        if len(list(tmp_path.glob("units/*-from-T/checkpoint.npz"))) and step > 8:
            raise KeyboardInterrupt

    often = functools.partial(train, checkpoint_seconds=0.0, most_steps=4, report=stop)
    monkeypatch.setattr(unit, "train", often)
    with pytest.raises(KeyboardInterrupt):
        made(BRIEF, tmp_path)
    monkeypatch.undo()
    (student,) = made(BRIEF, tmp_path)["1280-o0-from-T"]["outcomes"]
    assert student["resumed"] == 1 and student["loss"] == brief["1280-o0-from-T"]["outcomes"][0]["loss"]


def test_a_branch_has_the_loss_of_a_run_from_the_first_step(tmp_path: Path) -> None:
    text = BRIEF[: BRIEF.index("[[teachers]]")]
    text = text.replace("batch_tokens = 64", 'batch_tokens = 64\nschedule = "wsd"\nwarmup_steps = 3')
    together = made(text, tmp_path / "together")
    alone = made(text.replace("[1280, 2560]", "[1280]"), tmp_path / "alone")
    (branch,), (whole,) = together["sup-d16-1280-s0"]["outcomes"], alone["sup-d16-1280-s0"]["outcomes"]
    assert branch["trunk_id"] == "sup-d16-2560-s0" and whole["trunk_id"] is None
    assert branch["loss"] == whole["loss"]


def test_nobody_learns_from_a_teacher_that_diverged(tmp_path: Path) -> None:
    wild = BRIEF.replace('name = "T"\n', 'name = "T"\nrecipe = { peak_rate = 1e30 }\n')
    results = made(wild[: wild.index("[[supervised]]")] + wild[wild.index("[[teachers]]") :], tmp_path)
    assert results["T"]["outcomes"][0]["status"] == "diverged"
    assert results["1280-o0-from-T"]["outcomes"] == []
