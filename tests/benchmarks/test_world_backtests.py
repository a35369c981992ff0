"""Back-tests in simulated worlds: the right ones are the law's, the others are not, and records add up."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest

from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.supervised import SUPERVISED
from benchmarks import distillation_worlds as taught
from benchmarks import supervised_worlds as alone
from benchmarks import world_backtests as worlds
from benchmarks.world_scores import COLUMNS, judged, ledger_row, scored

SEED = 3
KINDS = [(name, world) for name, study in worlds.STUDIES.items() for world in study.worlds]


def by_law(law: Any, role: str, parameters: dict[str, float], **inputs: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        return np.exp(np.asarray(law.log_loss(role, parameters, inputs)))


def test_without_a_change_a_supervised_world_is_the_law() -> None:
    truth = alone.coefficients(np.random.default_rng(SEED))
    p = truth
    size, tokens = p.a / p.gamma, p.b / p.gamma
    middle = np.log(alone.MIDDLE)
    weight = np.log(p.m) / p.gamma
    parameters = {
        **{"E": p.E, "alpha": size, "beta": tokens, "gamma": p.gamma},
        "A": float(np.exp(weight + np.log(p.w) + size * middle[0])),
        "B": float(np.exp(weight + np.log1p(-p.w) + tokens * middle[1])),
    }
    expected = by_law(SUPERVISED, "supervised", parameters, N=alone.PARAMS, D=alone.TOKENS)
    found = np.exp(alone.log_loss(truth, alone.World(), alone.PARAMS, alone.TOKENS))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_without_a_change_a_distillation_world_is_the_law() -> None:
    truth = taught.Truth(p=taught.coefficients(np.random.default_rng(SEED)), world=taught.World())
    parameters = {name: truth.p[name] for name in DISTILLATION.names}
    alone_loss = np.exp(truth.log_supervised(taught.N, taught.D))
    np.testing.assert_allclose(
        alone_loss, by_law(DISTILLATION, "supervised", parameters, N=taught.N, D=taught.D), rtol=1e-12
    )
    teacher = alone_loss[taught.TAUGHT_BY]
    student = {"N_S": taught.N_S, "D_S": taught.D_S, "L_T": teacher}
    found = teacher + truth.gap(taught.N_S, taught.D_S, teacher)
    np.testing.assert_allclose(found, by_law(DISTILLATION, "distilled", parameters, **student), rtol=1e-12)


@pytest.mark.parametrize(("name", "world"), KINDS)
def test_a_table_is_the_same_each_time_and_asks_beyond_its_runs(name: str, world: str) -> None:
    study = worlds.STUDIES[name]
    one, again = (study.simulated(world, 1, seed=SEED) for _ in range(2))
    pd.testing.assert_frame_equal(one.known.to_pandas(), again.known.to_pandas())
    assert one.targets == again.targets
    used = one.known.used
    compute = used.values("params") * used.values("tokens")
    teaches = used.values("role") == "supervised"
    # Not the rows': exchanged labels have other compute than their runs.
    largest = taught.STUDENT_BUDGETS[-1] if name == "distillation" else alone.BUDGETS[-1]
    for target in one.targets:
        assert 7.99 < 6.0 * target.params * target.tokens / largest < 16.01
    assert len({target.kind for target in one.targets}) == len(one.targets) >= len(study.apart) + 1
    for target in one.targets:
        if target.kind in study.apart:
            times = float(target.kind.split()[1].rstrip("x"))
            strongest = np.nanmin(used.values("teacher_loss"))
            assert target.teacher_loss == pytest.approx(strongest / times)
        if target.teacher_params and target.teacher_tokens:
            beyond = target.teacher_params * target.teacher_tokens / compute[teaches].max()
            assert 7.99 < beyond < 16.01


def test_every_other_supervised_world_leaves_the_law() -> None:
    """From the same coefficients: expected losses at 12 times the budget, or rows, are not the law's."""
    size, tokens = np.array([3e9]), np.array([7e10])
    for name, draw in alone.WORLDS.items():
        rng = np.random.default_rng(SEED)
        truth, world = alone.coefficients(rng), draw(rng)
        moved = abs(
            alone.log_loss(truth, world, size, tokens) - alone.log_loss(truth, alone.World(), size, tokens)
        )[0]
        spoilt = world.swapped > 0 or world.degrees_of_freedom < alone.DEGREES_OF_FREEDOM
        assert (moved == 0.0) == (name == "right law" or spoilt), name
        assert moved < 0.1, f"{name} is no slight change"
    labelled = alone.simulated("mislabelled rows", 0, seed=SEED).known.used.values("params")
    assert np.sum(labelled != alone.PARAMS) == alone.SWAPPED


def test_every_other_distillation_world_leaves_the_law() -> None:
    for name, draw in taught.WORLDS.items():
        rng = np.random.default_rng(SEED)
        truth = taught.Truth(p=taught.coefficients(rng), world=draw(rng))
        law = taught.Truth(p=truth.p, world=taught.World())
        asked = np.array([4e9]), np.array([8e10]), np.array([1.8])
        moved = abs(np.log(truth.gap(*asked) / law.gap(*asked)))[0]
        world = truth.world
        spoilt = world.exchanged or world.teacher_effect or world.degrees_of_freedom < 5
        assert (moved == 0.0) == (name == "right law" or bool(spoilt)), name
    labelled = taught.simulated("exchanged labels", 0, seed=SEED).known.used
    students = labelled.values("params")[labelled.values("role") == "distilled"]
    assert 0 < np.sum(students != taught.N_S) <= 2 * taught.EXCHANGED


def test_without_luck_students_of_one_teacher_are_off_by_one_number(monkeypatch: Any) -> None:
    monkeypatch.setattr(taught, "SCALE", 0.0)
    rng = np.random.default_rng(SEED)
    for name in ("teacher effects", "right law"):
        truth = taught.Truth(p=taught.coefficients(rng), world=taught.WORLDS[name](rng))
        table = taught._table(truth, rng)
        students = table[table["role"] == "distilled"]
        teacher = students["teacher_loss"].to_numpy()
        expected = teacher + truth.gap(taught.N_S, taught.D_S, teacher)
        off = np.log(students["loss"].to_numpy() / expected).reshape(len(taught.TEACHERS), -1)
        assert np.ptp(off, axis=1).max() < 1e-12
        assert (np.std(off[:, 0]) > 1e-3) == (name == "teacher effects")


def rows_of(study: worlds.Study, **hits: float) -> dict[str, pd.DataFrame]:
    """Made-up rows: of each method the given share of the tables is hit."""
    kinds = ("near", *study.apart)
    made = {}
    for world in study.worlds:
        count = study.tables[world]
        rows = [
            dict(zip(COLUMNS, (method, n, kind, int(n < hits[word] * count), 0.1, 0.01, 0.0, 1), strict=True))
            for method, word in (("bare law", "off"), ("misfit", "on"))
            for n in range(count)
            for kind in kinds
        ]
        made[world] = pd.DataFrame(rows)
    return made


@pytest.mark.parametrize("name", list(worlds.STUDIES))
def test_what_is_asked_can_be_met_and_missed(name: str) -> None:
    study = worlds.STUDIES[name]
    fine = rows_of(study, off=0.9, on=0.95)
    assert judged(study, fine)[1]
    assert not judged(study, rows_of(study, off=0.8, on=0.95))[1]
    assert not judged(study, rows_of(study, off=0.9, on=1.0))[1]
    bend = "bend at the edge"
    low = rows_of(study, off=0.9, on=0.82)
    assert judged(study, {**fine, bend: low[bend]})[1]
    assert not judged(study, {**fine, "heavy tails": low["heavy tails"]})[1]
    right = fine["right law"]
    on = right["method"] == "misfit"
    for column, factor in (("width", study.wider), ("crps", study.worse)):
        dear = right.assign(**{column: np.where(on, factor * 1.01 * right[column], right[column])})
        assert not judged(study, {**fine, "right law": dear})[1], column
    assert not judged(study, {**fine, bend: fine[bend][fine[bend]["table"] > 0]})[1], "a table is missing"
    row = ledger_row(name, study, fine)
    assert row["met"] and row["figures"]["coverage_on"] == [0.95] * len(study.worlds)


def test_a_table_counts_once_however_many_targets_it_has() -> None:
    rows = pd.DataFrame({"method": "misfit", "table": [0, 0, 0, 1], "hit": [1, 1, 1, 0]})
    found = scored(rows.assign(width=0.1, crps=0.01, error=0.0, healthy=1)).loc["misfit"]
    assert found["coverage"] == 0.5 and found["tables"] == 2


def test_tables_that_are_recorded_are_not_run_again(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr(worlds, "RESULTS", tmp_path)
    monkeypatch.setattr(worlds, "program_of", lambda study: "this one")
    first = worlds.campaign_of("supervised", ["interaction"], tables=20)
    assert [unit.payload["first"] for unit in first.units] == [0, 5, 10, 15]
    row = ("misfit", 0, "8x to 16x", 1, 0.1, 0.01, 0.0, 1)
    rows = [(row[0], number, *row[2:]) for number in (0, 1, 2, 3, 4, 5)]
    told = {"program": "this one", "rows": rows}
    (tmp_path / "supervised-interaction.json").write_text(json.dumps(told), encoding="utf-8")
    left = worlds.campaign_of("supervised", ["interaction"], tables=20)
    assert [unit.payload["first"] for unit in left.units] == [5, 10, 15]
    assert len(worlds.recorded("supervised", "interaction", "another")) == 0
    monkeypatch.setattr(worlds, "program_of", lambda study: "another")
    assert len(worlds.campaign_of("supervised", ["interaction"], tables=20).units) == 4


RECORDED = [(name, world) for name, world in KINDS if len(worlds.recorded(name, world))]
WHOLE = ("supervised", "distillation")
"""Studies whose record is finished: it is to stay so."""


@pytest.mark.parametrize(("name", "world"), RECORDED)
def test_a_record_is_of_its_world_and_of_no_other(name: str, world: str) -> None:
    rows = worlds.recorded(name, world)
    study = worlds.STUDIES[name]
    assert not rows.duplicated(["method", "table", "target"]).any()
    assert set(rows["method"]) == set(study.methods) and set(rows["table"]) <= set(range(study.tables[world]))
    counts = rows.groupby("table").size()
    asked = len(study.simulated(world, 0, seed=worlds.SEED).targets)
    assert (counts == asked * len(study.methods)).all()
    assert rows["hit"].isin([0, 1]).all() and (rows["width"] > 0).all() and (rows["crps"] > 0).all()


@pytest.mark.parametrize("name", WHOLE)
def test_a_finished_record_is_whole_and_meets_what_is_asked(name: str) -> None:
    study = worlds.STUDIES[name]
    rows = {world: worlds.recorded(name, world) for world in study.worlds}
    for world, found in rows.items():
        assert set(found["table"]) == set(range(study.tables[world])), world
    scores, met = judged(study, rows)
    assert met, scores.to_string()
    # Exchanged, the methods would not do.
    names = {"misfit": "bare law", "bare law": "misfit"}
    assert not judged(study, {w: f.assign(method=f["method"].replace(names)) for w, f in rows.items()})[1]


@pytest.mark.parametrize("name", list(dict.fromkeys(name for name, _ in RECORDED)))
def test_a_record_is_of_today_s_program(name: str) -> None:
    told = sorted(worlds.RESULTS.glob(f"{name}-*.json"))
    now = worlds.program_of(worlds.STUDIES[name])
    stale = [path.name for path in told if json.loads(path.read_text(encoding="utf-8"))["program"] != now]
    if stale:
        warnings.warn(f"{', '.join(stale)}: of another program, run benchmarks.world_backtests", stacklevel=1)
