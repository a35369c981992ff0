"""A forecast quotes a back-test of its own table, and no other."""

import json
from dataclasses import replace
from pathlib import Path

from bayes_dsl.inference.posterior import Posterior
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
        "back-tested at 1x to 2x the largest compute: 90 % intervals held 0.00 of 1 clusters"
    )
    far = told(bayes_dsl, posterior_file, kept, "--student", "4e10", "--tokens", "1e12")
    assert far.startswith("beyond what was back-tested: ")
    shown = bayes_dsl("forecast", posterior_file, *ASKED, "--backtest", kept).out
    assert "\nBack-tested at 1x to 2x" in shown


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
