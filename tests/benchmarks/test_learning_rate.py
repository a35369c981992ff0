"""The best learning rate is found between the rates of a grid, and a grid's end is called no optimum beyond it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.learning_rate import RECORD, optima, row, trained_on
from benchmarks.ledger import Row

RATES = (0.0025, 0.005, 0.01, 0.02, 0.04)


def grid(best: float, *, noise: float = 0.0) -> pd.DataFrame:
    """Losses that are a parabola of the log rate about `best`, for four seeds that differ by an offset."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {
                "width": 16,
                "seed": seed,
                "peak_rate": rate,
                "loss": 3.0 + 0.1 * seed + 0.02 * np.log(rate / best) ** 2 + noise * rng.normal(),
                "status": "ok",
            }
            for seed in range(4)
            for rate in RATES
        ]
    )


def test_an_optimum_between_two_rates_is_found() -> None:
    (found,) = optima(grid(0.013), default=0.01)
    assert found["optimum"] == pytest.approx(0.013, rel=1e-6) and found["best_rate"] == 0.01
    assert found["default_costs"] == 0.0 and found["seeds"] == 4


def test_what_the_default_costs_is_compared_seed_by_seed() -> None:
    (found,) = optima(grid(0.03), default=0.01)
    # Offsets of whole tenths between seeds take no part in the difference.
    assert found["default_costs"] == pytest.approx(0.02 * (np.log(3) ** 2 - np.log(0.04 / 0.03) ** 2))
    assert found["default_costs_se"] == pytest.approx(0.0, abs=1e-12)


def test_the_interval_holds_the_truth_and_an_end_stays_an_end() -> None:
    (found,) = optima(grid(0.013, noise=0.002), default=0.01)
    assert found["optimum_lower"] < 0.013 < found["optimum_upper"] < 0.03
    (found,) = optima(grid(1.0), default=0.01)
    assert found["optimum"] == RATES[-1]


def test_a_rate_at_which_a_seed_diverged_is_named_and_left_out() -> None:
    runs = grid(0.013)
    runs.loc[(runs["peak_rate"] == 0.04) & (runs["seed"] == 2), ["loss", "status"]] = [np.nan, "diverged"]
    (found,) = optima(runs, default=0.01)
    assert found["without_a_loss"] == [0.04] and 0.04 not in found["rates"]


def test_the_row_passes_the_ledgers_schema() -> None:
    figures = row(optima(grid(0.013), default=0.01), default=0.01)
    about = {"date": "2026-01-01T00:00:00Z", "commit": "0" * 40, "dirty": False, "machine": "2 cores"}
    Row.model_validate({**figures, **about, "versions": {"python": "3", "jax": "0"}})


@pytest.mark.skipif(not RECORD.exists(), reason="the campaign has not been run to its end yet")
def test_the_record_speaks_of_four_seeds_a_width() -> None:
    records = json.loads(RECORD.read_text())
    assert all(record["seeds"] == 4 and len(record["rates"]) >= 4 for record in records)
    assert [record["width"] for record in records] == sorted(record["width"] for record in records)


def test_the_ledger_names_what_trained_the_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs.csv"
    assert trained_on(runs) is None
    runs.with_suffix(".made.csv").write_text(
        "run_id,jax_version,device,git_rev\na,0.11.2,one,x\nb,0.11.2,one,\n"
    )
    told = trained_on(runs)
    assert told == {"device": "one", "jax": "0.11.2", "git_rev": "x"}
