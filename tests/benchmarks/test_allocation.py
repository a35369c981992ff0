"""The benchmark of allocation gives rows that the ledger takes, and judges by the losses that it found."""

import math

import numpy as np
import pytest

from benchmarks import allocation, ledger

CIRCUMSTANCES = {
    "date": "2026-01-02T03:04:05Z",
    "commit": "0123456789" * 4,
    "dirty": False,
    "versions": {"python": "3.12.1", "jax": "0.12"},
    "machine": "2 cores of some kind",
}


def test_times_of_both_sides_and_their_ratio() -> None:
    row = allocation.timed(draws=8, rivals=4)
    figures = ledger.Row.model_validate(row | CIRCUMSTANCES).figures
    assert row["settings"]["problems"] == 8 * 20 * 4 * 4 and row["settings"]["rival_problems"] == 16
    ours, cold = figures["ours_cpu_us"], figures["slsqp_cold_cpu_ms"]
    assert figures["ratio_cpu_cold"] == pytest.approx(1e3 * cold / ours)
    assert figures["ours_excess_nats_max"] < allocation.TOLERANCE


def test_losses_are_judged_in_every_scenario() -> None:
    row = allocation.judged(2)
    figures = ledger.Row.model_validate(row | CIRCUMSTANCES).figures
    assert sum(name.startswith("excess_over_grid") for name in figures) == 4
    assert row["met"] and math.isfinite(figures["excess_nats_max"])


def test_a_worse_split_would_not_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: our losses a hundred-thousandth too high."""
    honest = allocation.solve

    def worse(*arguments):  # type: ignore[no-untyped-def]
        split = honest(*arguments)
        return split._replace(log_loss=np.asarray(split.log_loss) + 1e-5)

    monkeypatch.setattr(allocation, "solve", worse)
    assert not allocation.judged(2)["met"]
