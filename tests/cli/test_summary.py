"""`summary` says what a posterior is, says, and does not know."""

import json
from pathlib import Path

from bayes_dsl.cli.json_keys import OddRowKeys
from bayes_dsl.cli.summary import show_odd_rows
from bayes_dsl.inference.posterior import Posterior


def test_the_json_holds_what_the_posterior_holds(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior
) -> None:
    ran = bayes_dsl("summary", posterior_file, "--json", "--prob", "0.5", "--kind", "hdi")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    assert found["law"] == "chinchilla" and found["seed"] == 1
    assert found["versions"] == small_posterior.versions
    assert found["settings"] == small_posterior.settings
    assert found["table"]["sha256"] == small_posterior.table_sha256
    assert found["unidentified"] == list(small_posterior.unidentified())
    assert {one["prob"] for one in found["intervals"]} == {0.5}
    assert {one["kind"] for one in found["intervals"]} == {"hdi"}
    assert found["health"]["line"] == small_posterior.diagnostics.line()


def test_people_read_the_same(bayes_dsl, posterior_file: Path, small_posterior: Posterior) -> None:
    out = bayes_dsl("summary", posterior_file).out
    for part in (
        "small.nc: chinchilla law",
        small_posterior.table_sha256,
        "Health: passed",
        "90 % equal-tailed",
    ):
        assert part in out
    assert "jax" in out and "Odd rows" in out and "Notes" in out


def test_plots_are_drawn(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plots.png"
    ran = bayes_dsl("summary", posterior_file, "--plot", picture)
    assert ran.code == 0 and f"Drawn: {picture}" in ran.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_none_is_refused(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    path.write_bytes(b"not a posterior")
    ran = bayes_dsl("summary", path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1 and "x.nc" in ran.err


def test_odd_rows_are_a_table(capsys) -> None:
    row = OddRowKeys(
        run_id="[b]odd",
        line=None,
        role="supervised",
        observed=3.0,
        expected=2.5,
        residual=0.18,
        standardised_residual=12.0,
        pareto_k=float("nan"),
        reason="far",
    )
    show_odd_rows([row])
    out = capsys.readouterr().out
    assert "[b]odd" in out and "+12.0" in out
    show_odd_rows([])
    assert capsys.readouterr().out == "\nOdd rows: none\n"
