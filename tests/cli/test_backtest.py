"""`backtest` cuts the table, scores the methods, keeps the result, and `forecast` quotes it."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli.backtest import factors_of
from bayes_dsl.cli.backtest_keys import BacktestKeys, ScoresKeys
from bayes_dsl.errors import InputError
from bayes_dsl.validation import forecasters
from bayes_dsl.validation.backtest_file import read_backtest

FAST = ("--method", "point fit", "--holdout", "8x", "--holdout", "4x")


def test_factors_are_read_as_people_write_them() -> None:
    assert factors_of(["8x", "4", " 2.5x "]) == [8.0, 4.0, 2.5]
    with pytest.raises(InputError) as caught:
        factors_of(["8x", "half", "1x", "-2x", "8K"])
    assert [fault.value for fault in caught.value.faults] == ["half", "1x", "-2x", "8K"]


def test_a_table_from_a_shell(
    bayes_dsl, sampled_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasters, "REPLICATES", 64)
    kept, drawn = tmp_path / "b.json", tmp_path / "b.png"
    ran = bayes_dsl("backtest", sampled_table, *FAST, "-o", kept, "--plot", drawn)
    assert ran.code == 0 and ran.err == ""
    assert "point fit  8x" in ran.out and "point fit  4x" in ran.out
    assert f"Written: {kept}" in ran.out and drawn.stat().st_size > 1000
    found = read_backtest(kept)
    printed = json.loads(bayes_dsl("backtest", sampled_table, *FAST, "--json").out)
    assert list(printed) == list(BacktestKeys.model_fields)
    assert list(printed["by_holdout"][0]) == list(ScoresKeys.model_fields)
    assert [one["where"] for one in printed["by_holdout"]] == ["4x", "8x"]
    assert [one["coverage"] for one in printed["by_holdout"]] == found.summary()["coverage"].tolist()
    assert printed["table_sha256"] == found.table_sha256


def test_every_bad_word_is_a_line(bayes_dsl, sampled_table: Path) -> None:
    ran = bayes_dsl("backtest", sampled_table, "--holdout", "half", "--holdout", "0x")
    assert (ran.code, len(ran.err.splitlines())) == (2, 2)
    ran = bayes_dsl("backtest", sampled_table, "--holdout", "10000x")
    assert ran.code == 2 and "14 are needed to condition on" in ran.err
