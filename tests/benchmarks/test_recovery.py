"""The recovery study: targets that are not trivial, sums that are right, and a record that meets what is asked."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayes_dsl.inference import simulate
from bayes_dsl.inference.fit import DEFAULT_SETTINGS
from benchmarks import recovery, recovery_study

TRUTH = recovery_study.true_values()


def record(seed: int, *, outside: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """A posterior's record, with the truth outside the intervals that are named."""
    quantities = {
        name: {"median": 1.0, "lower": 0.5, "upper": 1.5, "inside": name not in outside} for name in TRUTH
    }
    health = {
        "rhat": 1.001,
        "bulk_ess": 900.0,
        "tail_ess": 800.0,
        "divergences": 0,
        "ebfmi": 0.9,
        "target_accept": 0.95,
    }
    cost = {"gradients_a_draw": 15.0, "wall_s": 20.0, "cpu_s": 19.0, "compiled": False, "load": 1.0}
    told = {"world": "independent", "seed": seed, "quantities": quantities, "problems": []}
    return {**told, **health, **cost, **changes}


def test_the_truth_is_known_in_numbers() -> None:
    assert list(TRUTH) == [
        *("E", "alpha", "beta", "gamma", "c_0", "r_0"),
        *("4x_compute", "16x_compute", "stronger_teacher"),
    ]
    assert TRUTH["r_0"] == pytest.approx(0.9298, abs=1e-4)
    for target in recovery_study.TARGETS:
        assert TRUTH[target.name] - target.teacher_loss > recovery_study.LEAST_GAP


def test_targets_stand_where_they_are_said_to_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recovery_study.WORLDS, "exact", simulate.NOISELESS)
    table = recovery_study.study("exact", 0)
    students = table.select(table.values("role") == "distilled")
    largest = float(np.max(students.values("params") * students.values("tokens")))
    strongest = float(np.min(students.values("teacher_loss")))
    four, sixteen, stronger = recovery_study.TARGETS
    for target, times in ((four, 4), (sixteen, 16), (stronger, 1)):
        assert target.params * target.tokens == pytest.approx(times * largest, rel=0.01)
        assert target.tokens == pytest.approx(20 * target.params, rel=0.01)
    assert min(four.teacher_loss, sixteen.teacher_loss) > strongest
    assert 1.05 < strongest / stronger.teacher_loss < 1.1


def test_a_trivial_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = replace(recovery_study.TARGETS[0], teacher_loss=2.2)
    monkeypatch.setattr(recovery_study, "TARGETS", (weak,))
    with pytest.raises(AssertionError, match="trivial"):
        recovery_study.true_values.__wrapped__()


@pytest.mark.parametrize(("truth", "expected"), [(0.06, True), (0.04, False), (0.94, True), (0.96, False)])
def test_inside_is_the_equal_tailed_interval(truth: float, expected: bool) -> None:
    found = recovery_study.inside(np.linspace(0.0, 1.0, 1001), truth)
    assert found["inside"] is expected
    assert (found["lower"], found["median"], found["upper"]) == pytest.approx((0.05, 0.5, 0.95))


def test_worlds_are_studies_of_one_shape_that_differ_as_they_say() -> None:
    first, second = (recovery_study.study(world, 3) for world in recovery_study.WORLDS)
    assert len(first) == len(second) == 374
    ratio = np.log(second.values("loss") / first.values("loss"))
    distilled = first.values("role") == "distilled"
    assert np.abs(ratio[~distilled]).max() < 1e-12
    teachers = first.values("teacher_id")[distilled]
    shared = [np.ptp(ratio[distilled][teachers == teacher]) for teacher in np.unique(teachers)]
    assert max(shared) < 1e-12 and 0.002 < np.std(ratio[distilled]) < 0.008


def test_the_sums() -> None:
    records = [record(seed) for seed in range(36)]
    records += [record(36 + i, outside=("E", "c_0", "4x_compute", "r_0", "gamma")) for i in range(4)]
    found = recovery_study.summary(records)
    assert found["inside"]["E"] == 36 and found["inside"]["beta"] == 40
    assert found["pooled"] == pytest.approx(1 - 20 / 360)
    assert found["met"] and found["seeds"] == 40


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records[:39],
        lambda records: [record(seed, outside=("r_0",) if seed < 12 else ()) for seed in range(40)],
        lambda records: [record(seed, outside=("E", "alpha") if seed < 30 else ()) for seed in range(40)],
        lambda records: [record(seed) for seed in range(40)],  # never outside: intervals far too wide
        lambda records: [*records[:39], record(39, divergences=1)],
    ],
    ids=["a seed is missing", "one quantity is out", "too few", "too many", "a divergence"],
)
def test_what_misses_the_requirement_is_not_met(change: Any) -> None:
    good = [record(seed, outside=("beta", "gamma") if seed < 10 else ()) for seed in range(40)]
    assert recovery_study.summary(good)["met"]
    assert not recovery_study.summary(change(good))["met"]


def test_a_campaign_samples_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def pretend(folder: Path, tasks: Any, settings: Any, workers: int) -> list[str]:
        for world, seed in tasks:
            asked.append((world, seed))
            recovery.kept(folder, world, seed).write_text(json.dumps(record(seed, world=world)))
        return ["done"]

    monkeypatch.setattr(recovery, "_sampled", pretend)
    worlds = list(recovery_study.WORLDS)
    recovery.campaign(tmp_path / "new", worlds, (0, 1), DEFAULT_SETTINGS, 2)
    assert len(asked) == 4
    recovery.kept(tmp_path / "new", worlds[1], 1).unlink()
    records = recovery.campaign(tmp_path / "new", worlds, (0, 1, 2), DEFAULT_SETTINGS, 2)
    assert asked[4:] == [(worlds[1], 1), (worlds[0], 2), (worlds[1], 2)]
    assert [[one["seed"] for one in found] for found in records.values()] == [[0, 1, 2]] * 2


def test_the_fingerprint_follows_code_and_settings_though_not_comments(tmp_path: Path) -> None:
    plain, remarked, other = (tmp_path / f"{name}.py" for name in ("plain", "remarked", "other"))
    plain.write_text("def f(x):\n    return x + 1\n")
    remarked.write_text(
        '"""Purpose."""\ndef f(x):\n    """Adds."""\n    return (x  # one more\n        + 1)\n'
    )
    other.write_text("def f(x):\n    return x + 2\n")
    code = recovery_study._code
    assert code(plain) == code(remarked) != code(other)
    longer = replace(DEFAULT_SETTINGS, draws=2000)
    assert recovery_study.fingerprint(DEFAULT_SETTINGS) == recovery_study.fingerprint(DEFAULT_SETTINGS)
    assert recovery_study.fingerprint(DEFAULT_SETTINGS) != recovery_study.fingerprint(longer)


def test_what_is_written_is_read_back_and_only_a_whole_campaign_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {world: [record(seed, world=world) for seed in (0, 1)] for world in recovery_study.WORLDS}
    found = recovery.result(records, DEFAULT_SETTINGS)
    assert json.loads(recovery.written(found)) == json.loads(json.dumps(found))
    monkeypatch.setattr(recovery, "CACHE", tmp_path)
    monkeypatch.setattr(recovery, "campaign", lambda *_: records)
    monkeypatch.setattr(recovery, "RESULTS", tmp_path / "recovery.json")
    with pytest.raises(SystemExit):
        recovery.main(["--seeds", "2", "--record"])
    assert not (tmp_path / "recovery.json").exists()
    assert recovery.main(["--seeds", "2"]) == 1


def test_the_recorded_campaign_meets_what_is_required() -> None:
    assert recovery.RESULTS.is_file(), "run `python -m benchmarks.recovery --record`"
    recorded = json.loads(recovery.RESULTS.read_text(encoding="utf-8"))
    assert set(recorded["summary"]) == set(recovery_study.WORLDS)
    for world, summary in recorded["summary"].items():
        rows = [one for one in recorded["posteriors"] if one["world"] == world]
        assert sorted(one["seed"] for one in rows) == list(recovery_study.SEEDS)
        for name, truth in recorded["truth"].items():
            for one in rows:
                lower, _, upper, inside = one[name]
                assert inside == (lower <= truth <= upper)
            assert sum(one[name][3] for one in rows) == summary["inside"][name]
            assert summary["inside"][name] >= recovery_study.LEAST_INSIDE
        assert recovery_study.POOLED[0] <= summary["pooled"] <= recovery_study.POOLED[1]
        assert sum(one["divergences"] for one in rows) == summary["divergences"] == 0
        assert summary["met"]
    if recorded["fingerprint"] != recovery_study.fingerprint(DEFAULT_SETTINGS):
        warnings.warn("recovery.json was recorded with other code or settings", stacklevel=1)


def test_the_fingerprint_covers_what_makes_a_draw() -> None:
    names = {source.name for source in recovery_study.sources()}
    assert names >= {
        "distillation.py",
        "priors.py",
        "noise.py",
        "program.py",
        "observations.py",
        "sampler.py",
    }
    assert not names & {"posterior_file.py", "bootstrap.py"}
    for beside in recovery_study.BESIDE:  # none is named that is not there
        assert any(
            (recovery_study.ROOT / "bayes_dsl" / room / f"{beside}.py").is_file()
            for room in recovery_study.ROOMS
        )
