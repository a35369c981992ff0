"""The decisions benchmark: worlds that differ, regret that is one, sums that are right, and what may be recorded."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.inference.fit import DEFAULT_SETTINGS
from benchmarks import decisions, decisions_study
from tests.forecast.made import made

PLANNERS = decisions_study.PLANNERS


def record(seed: int, **more: float) -> dict[str, Any]:
    """A world's record: every planner loses .01 and what is named on top, a little more in later worlds."""
    lost = {name: 0.01 + 0.001 * seed + more.get(name, 0.0) for name in PLANNERS}
    regret = {problem.name: lost for problem in decisions_study.PROBLEMS}
    done = {"problems": [], "point_fit_converged": True, "fit_s": 30.0, "wall_s": 90.0}
    return {"seed": seed, "regret": regret, **done}


def test_worlds_differ_and_their_terms_stay_at_the_studys_scale() -> None:
    worlds = [decisions_study.truth(seed) for seed in range(5)]
    published = decisions_study.PUBLISHED.parameters
    assert decisions_study.truth(3) == worlds[3] and len({world["alpha"] for world in worlds}) == 5
    for world in worlds:
        assert world.keys() == published.keys() and world["c_1"] == published["c_1"]
        for weight, (exponent, at) in decisions_study.CENTER.items():
            term = world[weight] / at ** world[exponent]
            assert 0.6 < term / (published[weight] / at ** published[exponent]) < 1.7


def test_a_study_has_the_rows_of_a_real_one() -> None:
    table = decisions_study.study(0)
    role = table.values("role")
    assert (np.sum(role == "supervised"), np.sum(role == "distilled")) == (120, 254)
    assert not np.array_equal(table.values("loss"), decisions_study.study(1).values("loss"))


def test_every_problem_leaves_something_to_choose() -> None:
    names = [problem.name for problem in decisions_study.PROBLEMS]
    assert len(names) == len(set(names)) == 18
    assert all(one.scenario.teacher or one.student_params is None for one in decisions_study.PROBLEMS)


def test_regret_is_never_negative_and_none_where_the_truth_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [one for one in decisions_study.PROBLEMS if one.student_params == 3e9][2:4]
    monkeypatch.setattr(decisions_study, "PROBLEMS", tuple(some))
    truth = decisions_study.truth(1)
    for spread, planner in ((1e-9, "recommended"), (1e-2, "point_fit")):
        found = decisions_study.regrets(made(spread=spread), truth, seed=1)
        for lost in found.values():
            assert min(lost.values()) > -1e-6
            assert lost["point_fit"] < 1e-6 < lost[planner] + 2e-6
            if spread < 1e-6:  # then the posterior is the paper's own coefficients
                assert lost["recommended"] == pytest.approx(lost["paper"], abs=1e-5)
                assert lost["plug_in"] == pytest.approx(lost["paper"], abs=1e-5)


def test_sums_have_their_standard_errors_and_name_who_loses_least() -> None:
    records = [record(seed, plug_in=0.002 * (seed % 2), paper=-0.001) for seed in range(4)]
    found = decisions_study.summary(records)["groups"]["best-case"]
    values = 0.01 + 0.001 * np.arange(4)
    assert found["recommended"]["mean"] == pytest.approx(values.mean())
    assert found["recommended"]["se"] == pytest.approx(values.std(ddof=1) / 2)
    more = np.array([0.0, 0.002, 0.0, 0.002])
    assert found["plug_in"]["more_than_recommended"] == pytest.approx(more.mean())
    assert found["plug_in"]["more_se"] == pytest.approx(more.std(ddof=1) / 2)
    assert found["lowest"] == "paper"
    assert len(decisions_study.summary(records)["not_lowest"]) == 6
    ours = decisions_study.summary(
        [record(seed, plug_in=0.001, point_fit=0.001, paper=0.001) for seed in (0, 1)]
    )
    assert ours["not_lowest"] == [] and decisions.row(ours, DEFAULT_SETTINGS)["met"]
    assert not decisions.row(decisions_study.summary(records), DEFAULT_SETTINGS)["met"]


def test_a_campaign_plans_only_in_worlds_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def pretend(folder: Path, seeds: Any, settings: Any, workers: int) -> list[str]:
        for seed in seeds:
            asked.append(seed)
            decisions.kept(folder, seed).write_text(json.dumps(record(seed)))
        return ["done"]

    monkeypatch.setattr(decisions, "_made", pretend)
    decisions.campaign(tmp_path / "new", (0, 1), DEFAULT_SETTINGS, 1)
    decisions.kept(tmp_path / "new", 0).unlink()
    records = decisions.campaign(tmp_path / "new", (0, 1, 2), DEFAULT_SETTINGS, 1)
    assert asked == [0, 1, 0, 2] and [one["seed"] for one in records] == [0, 1, 2]


def test_only_the_whole_campaign_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [record(seed) for seed in (0, 1)]
    found = decisions.result(records, DEFAULT_SETTINGS)
    assert json.loads(decisions.written(found)) == json.loads(json.dumps(decisions.short(found)))
    monkeypatch.setattr(decisions, "CACHE", tmp_path)
    monkeypatch.setattr(decisions, "campaign", lambda *_: records)
    monkeypatch.setattr(decisions, "RESULTS", tmp_path / "decisions.json")
    with pytest.raises(SystemExit):
        decisions.main(["--seeds", "2", "--record"])
    assert not (tmp_path / "decisions.json").exists()
    assert decisions.main(["--seeds", "2"]) == 0


def test_what_is_recorded_is_the_sum_of_its_worlds() -> None:
    if not decisions.RESULTS.is_file():
        pytest.skip("not recorded yet: `python -m benchmarks.decisions --record`")
    recorded = json.loads(decisions.RESULTS.read_text(encoding="utf-8"))
    assert [world["seed"] for world in recorded["worlds"]] == list(decisions_study.SEEDS)
    again = decisions_study.summary(recorded["worlds"])
    for group, found in again["groups"].items():
        for planner in PLANNERS:
            mean = recorded["summary"]["groups"][group][planner]["mean"]
            assert found[planner]["mean"] == pytest.approx(mean, rel=1e-4, abs=1e-9)
    assert recorded["summary"]["not_lowest"] == again["not_lowest"]
    assert again["least_regret"] > -1e-6
    if recorded["fingerprint"] != decisions_study.fingerprint(DEFAULT_SETTINGS):
        warnings.warn("decisions.json was recorded with other code or settings", stacklevel=1)
