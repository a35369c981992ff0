"""Whole clusters are left out, no posterior sees what it is scored on, and what failed its gate is told."""

import numpy as np
import pytest

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.design import supervised_grid
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import left_out
from bayes_dsl.validation.density import log_predictive
from bayes_dsl.validation.holdouts import holdouts
from bayes_dsl.validation.left_out import (
    HELD_OUT,
    Sampling,
    folds_of,
    independent,
    leave_clusters_out,
    leave_largest_out,
    shares_effects,
)
from tests.posteriors import HEALTHY, posterior_around
from tests.validation.compared import TRUTH, made_by_hand

SHORT = Settings(chains=2, warmup=500, draws=500, most_draws=500)
GROUPS = [f"run {i // 4}" for i in range(60)]


def sampling(step=lambda: None, **given: object) -> Sampling:
    return Sampling(**{"seed": 0, "settings": Settings(), "step": step, **given})


def grouped(table: RunTable) -> RunTable:
    return RunTable.from_pandas(table.to_pandas().assign(group=GROUPS))


def test_rows_share_effects_where_the_program_samples_some(small_table, small_distilled) -> None:
    assert not shares_effects(small_table, SUPERVISED)
    assert shares_effects(grouped(small_table), SUPERVISED)
    assert shares_effects(small_distilled.table, small_distilled.law)


def test_a_teacher_without_a_name_is_told_by_its_loss(small_distilled) -> None:
    frame = small_distilled.table.to_pandas()
    named = independent(small_distilled.table)
    unnamed = independent(RunTable.from_pandas(frame.assign(teacher_id="")))
    distilled = (frame["role"] == "distilled").to_numpy()
    assert len(set(named[distilled])) == len(set(unnamed[distilled])) == 4
    assert [list(named[distilled]).index(one) for one in named[distilled]] == [
        list(unnamed[distilled]).index(one) for one in unnamed[distilled]
    ]


def test_folds_hold_whole_clusters_and_about_as_many_rows() -> None:
    labels = np.array(["big"] * 12 + GROUPS, dtype=object)
    fold = folds_of(labels, 5, seed=1)
    assert all(len(set(fold[labels == name])) == 1 for name in set(labels))
    counts = np.bincount(fold)
    assert len(counts) == 5 and counts.max() - counts.min() <= 4
    assert (fold == folds_of(labels, 5, seed=1)).all() and (fold != folds_of(labels, 5, seed=2)).any()
    assert set(folds_of(np.array(["a", "b", "a"], object), 5, seed=0)) == {0, 1}


def test_a_fold_is_scored_by_a_posterior_without_it(small_table) -> None:
    table = grouped(small_table)
    labels = independent(table)
    fold, steps = folds_of(labels, 3, seed=0), []
    with made_by_hand() as seen:
        scores, problems = leave_clusters_out(
            table, SUPERVISED, labels, fold, sampling(lambda: steps.append(1))
        )
    assert problems == [] and len(seen) == len(steps) == 3
    for one, known in enumerate(seen):
        assert set(known.values("run_id")) == set(table.values("run_id")[fold != one])
    names = np.unique(labels.astype(str))
    for name, score in zip(names, scores, strict=True):
        rows = labels == name
        posterior = posterior_around(SUPERVISED, TRUTH, seen[fold[rows][0]])
        assert score == pytest.approx(log_predictive(posterior, table.select(rows)).sum())


def test_what_another_study_knows_helps_in_every_fold(small_posterior: Posterior) -> None:
    """12 new runs of the small posterior's world, half of them left out: the rest alone tell little of the law."""
    truth = published("besiroglu")
    design = supervised_grid([2e8, 4e8, 8e8, 1.6e9], tokens=[2e9, 8e9, 32e9])
    table = simulate(truth.law, truth.parameters, design, noise=Noise(scale=0.005), seed=8)
    labels = np.array([f"run {i}" for i in range(12)], object)
    fold = np.arange(12) % 2
    carried = small_posterior.as_prior()
    scores = {}
    for name, priors in (("default", {}), ("carried", {"chinchilla": carried})):
        how = sampling(settings=SHORT, priors=priors)
        scores[name], _ = leave_clusters_out(table, CHINCHILLA, labels, fold, how)
    # Were the prior left behind in the folds, both would be equal.
    assert scores["carried"].sum() > scores["default"].sum() + 1.0


def test_the_largest_runs_are_scored_by_posteriors_of_the_smaller(small_table) -> None:
    cut = holdouts(small_table, [4.0, 8.0])
    with made_by_hand() as seen:
        rows, problems = leave_largest_out(cut, CHINCHILLA, sampling())
    assert list(rows.columns) == list(HELD_OUT) and problems == []
    assert [len(one) for one in seen] == [len(one.known) for one in cut]
    for one in cut:
        mine = rows[rows["factor"] == one.factor]
        assert mine["run_id"].tolist() == one.later.values("run_id").tolist()
        posterior = posterior_around(CHINCHILLA, TRUTH, one.known)
        assert mine["log_score"].to_numpy() == pytest.approx(log_predictive(posterior, one.later))
    # About the CRPS of a forecast with the right spread, .0056: sigma .005 with 5 degrees of freedom.
    assert 0.001 < rows["crps"].mean() < 0.01


def test_a_posterior_that_fails_its_gate_is_scored_and_told(small_table, monkeypatch) -> None:
    def fails(table: RunTable, **_: object) -> None:
        posterior = posterior_around(CHINCHILLA, TRUTH, table, diagnostics={**HEALTHY, "divergences": 7})
        raise NotConverged("", diagnostics=posterior.diagnostics, posterior=posterior)

    monkeypatch.setattr(left_out, "fit", fails)
    rows, problems = leave_largest_out(holdouts(small_table, [8.0]), CHINCHILLA, sampling())
    assert not rows["healthy"].any() and np.isfinite(rows["log_score"]).all()
    assert len(problems) == 1 and problems[0].startswith(
        "chinchilla at 8x did not pass its health gate: diverg"
    )
    labels = independent(small_table)
    _, problems = leave_clusters_out(small_table, CHINCHILLA, labels, folds_of(labels, 2, seed=0), sampling())
    assert len(problems) == 2 and "without fold 1" in problems[0]
