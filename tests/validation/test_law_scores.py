"""Scores of laws are ArviZ's where ArviZ has them, and held-out runs count as their clusters do."""

import arviz
import numpy as np
import pandas as pd
import pytest

from bayes_dsl.validation.law_scores import cautions, forecast_weights, held_out_scores, ranked, shares_of
from bayes_dsl.validation.loo import leave_one_out
from tests.posteriors import posterior_around
from tests.validation.compared import LAWS, TRUTH

HELD = pd.DataFrame(
    [
        # law, factor, run, cluster, log_score, crps
        ("a", 4.0, "r1", "one", 1.0, 0.1),
        ("a", 4.0, "r2", "one", 3.0, 0.3),
        ("a", 4.0, "r3", "two", 2.0, 0.2),
        ("a", 8.0, "r3", "two", 4.0, 0.4),
        ("b", 4.0, "r1", "one", 0.0, 0.1),
        ("b", 4.0, "r2", "one", 0.0, 0.1),
        ("b", 4.0, "r3", "two", 0.0, 0.1),
        ("b", 8.0, "r3", "two", 9.0, 0.1),
    ],
    columns=["law", "factor", "run_id", "cluster", "log_score", "crps"],
)
KS = {"a": np.array([0.1, 0.2]), "b": np.array([0.1, np.nan])}


def test_differences_and_weights_are_arviz_s(small_table) -> None:
    posteriors = {
        law.name: posterior_around(law, TRUTH | {"E": TRUTH["E"] * off}, small_table, seed=seed)
        for law, off, seed in zip(LAWS, (1.0, 1.002), (0, 1), strict=True)
    }
    loo = {name: leave_one_out(one) for name, one in posteriors.items()}
    found = ranked({n: one.pointwise for n, one in loo.items()}, {n: one.pareto_k for n, one in loo.items()})
    given = {n: arviz.loo(one.tree, pointwise=True, var_name="log_loss") for n, one in posteriors.items()}
    theirs = arviz.compare(given, round_to="none")
    assert list(found.index) == list(theirs.index)
    for name in ("elpd", "se", "elpd_diff", "dse"):
        assert found[name].to_numpy() == pytest.approx(theirs[name].to_numpy(float), abs=0.1)
    assert found["stacking_weight"].to_numpy() == pytest.approx(theirs["weight"].to_numpy(float), abs=0.02)
    assert (found["high_k"] == 0).all() and (found["largest_k"] < 0.7).all()


def test_sums_over_large_clusters_do_not_overflow() -> None:
    found = ranked({"a": np.array([2000.0, -3000.0, 5.0]), "b": np.array([1999.0, -2999.0, 4.5])}, {})
    assert np.isfinite(found[["elpd", "elpd_diff", "dse", "stacking_weight"]].to_numpy()).all()
    assert found["high_k"].isna().all() and found["stacking_weight"].sum() == pytest.approx(1.0)


def test_a_cluster_and_a_holdout_count_once() -> None:
    shares = shares_of(HELD[HELD["law"] == "a"])
    assert shares == pytest.approx([1 / 8, 1 / 8, 1 / 4, 1 / 2])
    found = held_out_scores(HELD)
    assert found.loc["a", "log_score"] == pytest.approx((1 + 3) / 8 + 2 / 4 + 4 / 2)
    assert found.loc["b", "crps"] == pytest.approx(0.1)


def test_weights_are_of_the_held_out_runs() -> None:
    weights = forecast_weights(HELD, ["a", "b"])
    assert list(weights) == ["a", "b"] and sum(weights.values()) == pytest.approx(1.0)
    # Each law is far ahead on half of what counts.
    assert weights["a"] == pytest.approx(0.5, abs=0.1)
    assert forecast_weights(HELD.iloc[:0], ["a", "b"]) == {}


def test_what_must_be_known_is_said() -> None:
    frame = ranked({"a": np.array([1.0, 2.0]), "b": np.array([1.0, 1.9])}, KS)
    said = cautions(frame, HELD)
    assert said[0].startswith("b: Pareto k above 0.7 in 1 rows")
    assert "as few as 1 independent" in said[1] and "not independent" in said[2]
    assert cautions(ranked({"a": np.ones(2), "b": np.zeros(2)}, {}), HELD.iloc[:0]) == ()
    without = HELD.assign(crps=np.nan)
    assert any("needs scoringrules" in one for one in cautions(frame, without))
