"""Held-out runs are scored as they should be, cluster by cluster."""

import numpy as np
import pytest
from scipy.stats import binomtest

from bayes_dsl.errors import InputError, UnknownName
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import backtest as module
from bayes_dsl.validation import forecasters
from bayes_dsl.validation.backtest import backtest
from bayes_dsl.validation.forecasters import Told
from tests.validation.compared import MINE, MY_PRIOR, my_table
from tests.validation.made import made


def test_a_cluster_counts_once() -> None:
    ours, law = made().summary().to_dict("records")
    assert (ours["method"], ours["runs"], ours["clusters"]) == ("misfit", 3, 2)
    # One of its two runs in cluster one, the only one in two: rows would say 2/3.
    assert ours["coverage"] == 0.75
    certain = binomtest(2, 2).proportion_ci(0.9, method="exact")  # 1.5 hits round to 2
    assert (ours["coverage_lower"], ours["coverage_upper"]) == (certain.low, certain.high)
    assert ours["crps"] == pytest.approx((0.007 + 0.002) / 2)
    assert law["bias"] == pytest.approx((0.03 + 0.0) / 2)


def test_distances_are_told_apart() -> None:
    found = made().by_distance()
    assert list(zip(found["distance"], found["method"], strict=True)) == [
        ("1x to 2x", "misfit"),
        ("1x to 2x", "bare law"),
        ("2x to 4x", "misfit"),
        ("2x to 4x", "bare law"),
    ]
    assert found["runs"].tolist() == [2, 2, 1, 1]


def test_a_forecast_is_told_its_record_or_that_there_is_none() -> None:
    found = made()
    assert found.reach == 3.0
    assert found.quoted("misfit", 1.7) == (
        "back-tested at 1x to 2x the largest compute of any run: 90 % intervals held 0.50 of 1 clusters (2 runs) "
        "of runs.csv"
    )
    assert found.quoted("bare law", 0.3).startswith("back-tested at 1x to 2x")
    assert found.quoted("misfit", 50.0) == (
        "beyond what was back-tested: 50x the largest compute of any run, where held-out runs went up to 3x"
    )
    assert found.quoted("other", 1.0) == "other: was not back-tested"


def test_scores_are_those_of_the_draws(small_table: RunTable, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.exp(np.random.default_rng(0).normal(0.0, 0.02, (4000, 1)))

    def near(known: RunTable, later: RunTable, asked: object) -> Told:
        return Told(loss=draws * later.values("loss"))

    def far(known: RunTable, later: RunTable, asked: object) -> Told:
        return Told(loss=1.2 * draws * later.values("loss"), healthy=False, remark="far off")

    monkeypatch.setattr(module, "METHODS", {"near": near, "far": far})
    monkeypatch.setattr(module, "methods_for", lambda table: ("near", "far"))
    calls: list[tuple[int, int]] = []
    found = backtest(small_table, factors=(4, 2), prob=0.8, progress=lambda *at: calls.append(at))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.table_sha256 == small_table.sha256 and found.notes == (
        "far at 2x: far off",
        "far at 4x: far off",
    )
    near_rows, far_rows = (found.rows[found.rows["method"] == name] for name in ("near", "far"))
    assert near_rows["hit"].all() and not far_rows["hit"].any()
    assert near_rows["width"].to_numpy() == pytest.approx(2 * 1.2816 * 0.02, rel=0.05)
    assert far_rows["error"].to_numpy() == pytest.approx(-np.log(1.2), abs=0.002)
    # CRPS of a normal forecast at its mean: sd (sqrt 2 - 1) / sqrt pi.
    assert near_rows["crps"].to_numpy() == pytest.approx(0.02 * (2**0.5 - 1) / np.pi**0.5, rel=0.05)
    assert list(found.summary()["healthy"]) == [True, False, True, False]


def test_point_fits_of_real_draws_end_to_end(small_table: RunTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasters, "REPLICATES", 64)
    found = backtest(small_table, factors=(8,), methods=("point fit", "point fit, gamma 1"), seed=2)
    again = backtest(small_table, factors=(8,), methods=("point fit", "point fit, gamma 1"), seed=2)
    assert found.rows.equals(again.rows)
    assert found.rows["crps"].between(0, 0.02).all()


def test_what_cannot_be_asked_is_refused(small_table: RunTable) -> None:
    with pytest.raises(UnknownName, match="method = oracle; no method of this name"):
        backtest(small_table, methods=("oracle",))
    with pytest.raises(InputError, match="14 are needed"):
        backtest(small_table, factors=(1e4,))


def test_a_law_of_ones_own_is_back_tested_beside_the_literature_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasters, "REPLICATES", 64)
    found = backtest(
        my_table(),
        factors=[8.0],
        methods=["bare law", "point fit"],
        law=MINE,
        prior=MY_PRIOR,
        seed=1,
        settings=Settings(chains=2, warmup=500, draws=500),
    )
    ours, theirs = (found.rows[found.rows["method"] == name] for name in ("bare law", "point fit"))
    # In the law's own world, up to 8 times beyond: noise of .3 percent, and what 51 runs leave open.
    assert ours["error"].abs().max() < 0.02 and ours["healthy"].all()
    assert ours["error"].abs().mean() <= theirs["error"].abs().mean() and len(theirs) == len(ours)
