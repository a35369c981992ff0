"""A forecast quotes a back-test of its own table, and no other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.cli.quoted import quote
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.backtest_file import write_backtest
from tests.validation.made import made

ASKED = ("--student", "4e9", "--tokens", "1e11")


def told(bayes_dsl, posterior_file: Path, kept: Path, *asked: str) -> str:
    ran = bayes_dsl("forecast", posterior_file, *(asked or ASKED), "--backtest", kept, "--json")
    assert ran.code == 0
    said: str = json.loads(ran.out)["backtest"]
    return said


def test_a_record_of_the_same_table_is_quoted(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    kept = tmp_path / "b.json"
    write_backtest(made(small_posterior.table_sha256), kept)
    assert told(bayes_dsl, posterior_file, kept).startswith(
        "back-tested at 1x to 2x the largest compute of any run: 90 % intervals held 0.00 of 1 clusters"
    )
    far = told(bayes_dsl, posterior_file, kept, "--student", "4e10", "--tokens", "1e12")
    assert far.startswith("beyond what was back-tested: ")
    shown = bayes_dsl("forecast", posterior_file, *ASKED, "--backtest", kept).out
    assert "\nBack-tested at 1x to 2x" in shown


def test_every_target_has_its_own_quote(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    kept = tmp_path / "b.json"
    write_backtest(made(small_posterior.table_sha256), kept)
    targets = ("--student", "4e9", "--student", "4e10", "--tokens", "1e11")
    shown = bayes_dsl("forecast", posterior_file, *targets, "--backtest", kept).out
    assert "\nFor 4B x 100B: back-tested at 1x to 2x the largest compute" in shown
    assert "\nFor 40B x 100B: beyond what was back-tested: " in shown
    write_backtest(made(), kept)
    shown = bayes_dsl("forecast", posterior_file, *targets, "--backtest", kept).out
    assert shown.count("not quoted") == 1 and "\nBack-test b.json: not quoted" in shown


def test_a_record_of_another_law_is_not_quoted(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    kept = tmp_path / "b.json"
    write_backtest(made(small_posterior.table_sha256, law="supervised"), kept)
    said = told(bayes_dsl, posterior_file, kept)
    assert (
        "not quoted, for its posteriors are of the supervised law, and this one is of the chinchilla law"
        in said
    )


def test_a_record_on_another_prior_is_not_quoted(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    kept = tmp_path / "b.json"
    write_backtest(replace(made(small_posterior.table_sha256), prior="hoffmann"), kept)
    assert told(bayes_dsl, posterior_file, kept) == (
        "back-test b.json: not quoted, for the prior of its posteriors is another (theirs: hoffmann; "
        "this one's: the package's own)"
    )


def test_distances_count_from_the_largest_run_of_any_role_as_in_the_back_test(
    small_posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, runs = tmp_path / "b.json", [("supervised", 1e9, 4e10), ("distilled", 1e8, 1e10)]
    write_backtest(made(small_posterior.table_sha256), kept)
    # Of the same median loss, on which the package's own prior is centred.
    middle = float(np.median(small_posterior.table.values("loss")))
    frame = pd.DataFrame(runs, columns=["role", "params", "tokens"])
    frame = frame.assign(loss=middle, teacher_loss=[np.nan, 2.5])
    table = RunTable.from_pandas(frame)
    monkeypatch.setitem(vars(small_posterior), "table", table)
    for times, place in ((1.5, "1x to 2x"), (2.5, "2x to 4x")):
        said = quote(small_posterior, kept, {"params": 1e9, "tokens": times * 4e10, "teacher_loss": 2.0})
        assert said.startswith(f"back-tested at {place} the largest compute")


def test_other_scales_are_measured_on_their_own(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    kept = tmp_path / "b.json"
    write_backtest(replace(made(small_posterior.table_sha256), by="params"), kept)
    largest = small_posterior.table.values("params").max()
    said = told(bayes_dsl, posterior_file, kept, "--student", f"{2.5 * largest:.6g}", "--tokens", "1e9")
    assert said.startswith("back-tested at 2x to 4x the largest params")


def test_a_record_of_another_table_is_not(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "b.json"
    write_backtest(made(), kept)
    assert "not quoted, for it is of runs.csv (sha256 000000000000)" in told(bayes_dsl, posterior_file, kept)


def test_what_is_no_back_test_is_one_line(bayes_dsl, posterior_file: Path) -> None:
    ran = bayes_dsl("forecast", posterior_file, *ASKED, "--backtest", posterior_file)
    assert ran.code == 2 and len(ran.err.splitlines()) == 1 and "this is no back-test" in ran.err
