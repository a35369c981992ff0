"""Back-tests of public tables: every table opens, families are counted and not rows, and what is recorded adds up."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from benchmarks import real_backtests as real
from tests.real_tables import folder


def test_every_table_opens_and_can_be_cut() -> None:
    folder()
    listed = real.listed()
    assert {entry["family"] for entry in listed["table"]} > set(listed["seen"])
    assert len({entry["name"] for entry in listed["table"]}) == len(listed["table"]) == 12
    units = real.campaign().units
    assert len(units) == 48
    best = real.opened(next(entry for entry in listed["table"] if entry.get("best")))
    pairs = pd.DataFrame({"N": best.used.values("params"), "D": best.used.values("tokens")})
    assert not pairs.duplicated().any()


def rows(**coverage: list[float]) -> pd.DataFrame:
    """Two families, one of them with two tables; `point fit` as good as `misfit` but for the first table."""
    made = []
    for method, shares in coverage.items():
        for (family, table), share in zip((("a", "a1"), ("a", "a2"), ("b", "b1")), shares, strict=True):
            crps = 0.02 if (method, table) == ("point fit", "a1") else 0.01
            one = {"family": family, "table": table, "method": method, "coverage": share, "crps": crps}
            made += [{**one, "factor": factor, "width": 0.1, "bias": 0.0} for factor in (2.0, 4.0)]
    return pd.DataFrame(made)


def test_a_family_counts_once_however_many_tables_it_has() -> None:
    fixed = {"point fit, gamma 1": [0.5, 0.5, 0.5], "point fit": [0.5, 0.5, 0.5]}
    found = real.by_method(rows(misfit=[1.0, 0.8, 0.5], **fixed)).loc["misfit"]
    assert found["coverage"] == pytest.approx((0.9 + 0.5) / 2)
    assert found["crps / point fit"] == pytest.approx(np.exp(np.log(0.5) / 4))
    assert found["tables won against point fit"] == 1 and found["tables won against point fit, gamma 1"] == 0


def test_cuts_are_means_over_families() -> None:
    found = real.by_cut(rows(misfit=[1.0, 0.8, 0.5], **{"point fit": [0.5, 0.5, 0.5]}))
    assert found.loc[(2.0, "misfit"), "coverage"] == pytest.approx((0.9 + 0.5) / 2)
    assert found.loc[(4.0, "point fit"), "crps"] == pytest.approx(0.01 * 2**0.25)


@pytest.mark.skipif(not real.RESULT.is_file(), reason="nothing is recorded yet")
def test_the_record_is_of_today_s_program() -> None:
    told = json.loads(real.RESULT.read_text(encoding="utf-8"))
    if told["program"] != real.program():
        warnings.warn(f"{real.RESULT.name}: of another program, run benchmarks.real_backtests", stacklevel=1)


@pytest.mark.skipif(not real.RESULT.is_file(), reason="nothing is recorded yet")
def test_the_record_is_of_the_tables_that_are_listed() -> None:
    told = json.loads(real.RESULT.read_text(encoding="utf-8"))
    assert told["seen"] == real.listed()["seen"]
    recorded = {(row["table"], row["family"]) for row in told["rows"]}
    assert recorded <= {(entry["name"], entry["family"]) for entry in real.listed()["table"]}
    assert {row["method"] for row in told["rows"]} == set(real.METHODS)
    assert all(0 <= row["coverage"] <= 1 and row["crps"] > 0 for row in told["rows"])


@pytest.mark.skipif(not real.RESULT.is_file(), reason="nothing is recorded yet")
def test_the_record_is_whole_and_meets_what_was_asked() -> None:
    told = json.loads(real.RESULT.read_text(encoding="utf-8"))
    recorded = pd.DataFrame(told["rows"])
    assert len(recorded) == told["units_asked"] * len(real.METHODS) == 48 * 4
    row = real.ledger_row(recorded)
    assert row["met"], row["figures"]
    # Intervals that held every run, or a rival's, would not pass.
    as_rival = recorded.assign(coverage=np.where(recorded["method"] == "misfit", 1.0, recorded["coverage"]))
    assert not real.ledger_row(as_rival)["met"]
    exchanged = {"misfit": "point fit", "point fit": "misfit"}
    assert not real.ledger_row(recorded.assign(method=recorded["method"].replace(exchanged)))["met"]


@pytest.mark.skipif(not real.RESULT.is_file(), reason="nothing is recorded yet")
def test_a_record_is_never_replaced_by_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    folder()
    before = real.RESULT.read_bytes()
    monkeypatch.setattr(real, "gathered", lambda made, partial: real.recorded().iloc[:-1])
    with pytest.raises(SystemExit, match="191 rows are under real_backtests, 192 are recorded"):
        real.measured(1, partial=True)
    assert real.RESULT.read_bytes() == before
