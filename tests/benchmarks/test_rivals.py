"""What the sampling benchmarks make of their runs: ratios, the checks of one posterior, and what counts as met."""

from typing import Any

import numpy as np
import pytest

from benchmarks import end_to_end, rivals
from benchmarks.tables import problem


def sampled(ess: float, wall_s: float, *, mean: float = 0.0, divergences: int = 0) -> dict[str, Any]:
    return {
        "wall_s": wall_s,
        "cpu_s": 2 * wall_s,
        "load": 0.5,
        "rhat": 1.002,
        "bulk_ess": ess,
        "tail_ess": ess,
        "divergences": divergences,
        "passed": divergences == 0,
        "gradients": 32_000,
        "draws": 4000,
        "mean": {"log_gamma": mean},
        "mcse": {"log_gamma": 0.01},
    }


def report(ess: float, cold_s: float, *, shift: float = 0.0, **found: Any) -> dict[str, Any]:
    return {
        "cold": sampled(ess, cold_s, **found),
        "warm": sampled(ess, cold_s / 10, **found),
        "log_density": [1.0 + shift, 2.0 + shift, 4.0 + shift],
    }


def test_a_ratio_is_that_of_independent_draws_a_second() -> None:
    found = rivals.figures({"ours": [report(4000, 10)], "nutpie": [report(2000, 20)]})
    assert found["ratio_nutpie_cold"] == pytest.approx(4.0)
    assert found["ratio_nutpie_warm"] == pytest.approx(4.0)
    assert found["ratio_nutpie_cold_cpu"] == pytest.approx(4.0)
    assert found["ours_cold_ess_per_cpu_s"] == pytest.approx(200.0)
    assert found["ours_ess_per_1000_gradients"] == pytest.approx(125.0)


def test_the_median_round_decides() -> None:
    ours = [report(4000, seconds) for seconds in (10, 11, 1000)]
    found = rivals.figures({"ours": ours, "pymc": [report(4000, 110)] * 3})
    assert found["ratio_pymc_cold"] == pytest.approx(10.0)


def test_log_densities_may_differ_by_a_constant_only() -> None:
    same = {"ours": [report(1, 1)], "pymc": [report(1, 1, shift=3.0)]}
    assert rivals.spread_of_log_density(same) == pytest.approx(0.0, abs=1e-12)
    same["pymc"][0]["log_density"][1] += 1e-6
    assert rivals.spread_of_log_density(same) == pytest.approx(1e-6)


def test_means_are_compared_in_combined_standard_errors() -> None:
    reports = {"ours": [report(1, 1)], "pymc": [report(1, 1, mean=0.03)]}
    # Two runs a side: each side's error is .01 / sqrt(2), the two together .01.
    assert rivals.farthest_means(reports) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("theirs", "met"),
    [
        (report(1000, 10), True),
        (report(3000, 10), False),
        (report(1000, 10, divergences=1), False),
        (report(1000, 10, mean=1.0), False),
    ],
    ids=["faster", "too close", "they diverge", "another posterior"],
)
def test_a_ratio_is_met_between_healthy_sides_of_one_posterior_only(
    theirs: dict[str, Any], met: bool
) -> None:
    found = rivals.figures({"ours": [report(4000, 10)], "nutpie": [theirs]})
    assert rivals.reached(found, ["nutpie"]) is met


def test_mcmc_run_is_judged_by_its_faster_way() -> None:
    health = {"tail_ess": 900, "gradients_a_draw": 8.0}
    ours, slow, fast = ([{**sampled(1000, wall), **health}] for wall in (2.0, 20.0, 12.0))
    reports = {"ours": ours, "sequential": slow, "parallel": fast}
    found = end_to_end.figures({side: runs[0] for side, runs in reports.items()}, reports)
    assert found["mcmc_run_chain_method"] == "parallel"
    assert found["ratio_wall"] == pytest.approx(6.0)


def test_the_arrays_hold_the_whole_posterior_as_plain_numbers() -> None:
    arrays = rivals.arrays_of("study")
    table, law = problem("study")
    assert len(arrays["log_loss"]) == len(table)
    assert set(arrays["inputs"]) == {role.name for role in law.roles}
    assert not any(name.startswith("z_") for name in arrays["sites"])
    assert all(set(point) == set(arrays["sites"]) for point in arrays["points"])
    assert isinstance(arrays["log_loss"][0], float) and np.isfinite(arrays["log_loss"]).all()
