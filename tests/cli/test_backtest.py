"""`backtest` cuts the table, scores the methods, keeps the result, and `forecast` quotes it."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli import backtest as module
from bayes_dsl.cli.backtest import factors_of
from bayes_dsl.cli.backtest_keys import BacktestKeys, ScoresKeys
from bayes_dsl.errors import InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.published_prior import prior_from_published
from bayes_dsl.validation import forecasters
from bayes_dsl.validation.backtest_file import read_backtest
from tests.validation.made import made

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


def test_a_prior_is_named_as_for_fit(
    bayes_dsl,
    sampled_table: Path,
    posterior_file: Path,
    small_posterior: Posterior,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[object] = []

    def asked(table: object, *, prior: object, **_: object):
        given.append(prior)
        return made()

    with monkeypatch.context() as patch:
        patch.setattr(module, "backtest", asked)
        for named in (
            (),
            ("--prior-from", "published:besiroglu", "--inflate", 2),
            ("--prior-from", posterior_file),
        ):
            assert bayes_dsl("backtest", sampled_table, *named, "--json").code == 0
    assert given == [None, prior_from_published("besiroglu", inflate=2.0), small_posterior.as_prior()]
    for named, said in (
        (("--prior-from", posterior_file), "60 of 60"),
        (("--prior-from", "published:besiroglu"), "params counted as total"),
        (("--inflate", 2), "backtest: --inflate = 2"),
    ):
        ran = bayes_dsl("backtest", sampled_table, *named)
        assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1, ran.err
