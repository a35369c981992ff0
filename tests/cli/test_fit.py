"""`fit` writes a posterior, healthy or marked as not, and says which."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli.fit import cost_of, require_place
from bayes_dsl.costs.flops import PAPER, SIX_ND
from bayes_dsl.errors import FileRefused
from bayes_dsl.inference import diagnostics
from bayes_dsl.inference.posterior import Posterior
from tests.conftest import SMALL_SETTINGS

# As in the shared posterior, so that nothing is compiled twice.
SETTINGS = [
    "--chains",
    SMALL_SETTINGS.chains,
    "--warmup",
    SMALL_SETTINGS.warmup,
    "--draws",
    SMALL_SETTINGS.draws,
]


def test_the_posterior_is_that_of_the_library(
    bayes_dsl, sampled_table: Path, small_posterior: Posterior, tmp_path: Path
) -> None:
    output = tmp_path / "posterior.nc"
    arguments = ["--law", "chinchilla", "--seed", 1, "--no-misfit", *SETTINGS, "-o", output, "--json"]
    ran = bayes_dsl("fit", sampled_table, *arguments)
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    saved = Posterior.load(output)
    assert saved.healthy and saved.seed == 1
    assert saved.draws("E").tolist() == small_posterior.draws("E").tolist()
    assert found["posterior"] == str(output)
    assert (found["law"], found["misfit"], found["seed"]) == ("chinchilla", "none", 1)
    assert found["table"] == {"source": "small.csv", "rows": 60, "used": 60, "sha256": saved.table_sha256}
    assert found["health"]["healthy"] is True and found["health"]["problems"] == []
    (row,) = (one for one in found["intervals"] if one["parameter"] == "alpha")
    assert row["lower"] < row["median"] < row["upper"] and (row["prob"], row["kind"]) == (0.9, "eti")
    assert found["notes"] == list(saved.notes)


def test_an_unhealthy_posterior_is_written_marked_and_refused_later(
    bayes_dsl, sampled_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "LEAST_ESS", 1e9)
    output = tmp_path / "posterior.nc"
    ran = bayes_dsl("fit", sampled_table, "--law", "chinchilla", "--seed", 1, *SETTINGS, "-o", output)
    assert ran.code == 1
    assert "Health: NOT PASSED" in ran.out and f"Written: {output}" in ran.out
    bulk, tail, marked = ran.err.splitlines()
    assert "bulk ESS" in bulk and "tail ESS" in tail and "marked unhealthy" in marked
    assert not Posterior.load(output).healthy

    asked = ["forecast", output, "--student", "1B", "--tokens", "20B"]
    refused = bayes_dsl(*asked)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.count("\n") == 1 and "--accept-unhealthy" in refused.err
    assert bayes_dsl("summary", output).code == 1
    accepted = bayes_dsl(*asked, "--accept-unhealthy", "--json")
    assert accepted.code == 0
    assert json.loads(accepted.out)["health"]["healthy"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--law", "cubic", "-o", "x.nc"], "'cubic' is not one of"),
        (["--draws", "10", "-o", "x.nc"], "draws = 10"),
        (["--target-accept", "1.5", "-o", "x.nc"], "target_accept = 1.5"),
        (["--seed", "-1", "-o", "x.nc"], "'--seed'"),
        (["--seed", "9" * 30, "-o", "x.nc"], "'--seed'"),
        ([], "Missing option"),
    ],
)
def test_bad_input_is_refused_in_a_line(bayes_dsl, table_file: Path, arguments: list[str], said: str) -> None:
    ran = bayes_dsl("fit", table_file, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1 and said in ran.err


def test_a_law_that_lacks_the_role_is_refused_before_sampling(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("run_id,role,params,tokens,loss,teacher_loss\na,distilled,1e8,2e9,3,2\n")
    ran = bayes_dsl("fit", path, "--law", "supervised", "-o", tmp_path / "x.nc")
    assert ran.code == 2 and "Traceback" not in ran.err and "distilled" in ran.err
    assert not (tmp_path / "x.nc").exists()


def test_a_place_that_cannot_be_written_is_refused_before_sampling(bayes_dsl, table_file: Path) -> None:
    ran = bayes_dsl("fit", table_file, "-o", table_file.parent / "nowhere" / "x.nc")
    assert ran.code == 2 and "no such folder" in ran.err


def test_places(tmp_path: Path) -> None:
    require_place(tmp_path / "x.nc")
    with pytest.raises(FileRefused, match="folder"):
        require_place(tmp_path)


def test_the_cost_model_is_the_named_one_or_lies_beside_the_table(tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    assert cost_of(table, None) is None
    assert cost_of(table, "paper") == PAPER
    numbers = tmp_path / "runs.cost.toml"
    numbers.write_text('name = "ours"\nterms = [[2.0, 1.0], [1e5, 0.5]]\n')
    found = cost_of(table, None)
    assert found is not None and (found.name, found.terms) == ("ours", ((2.0, 1.0), (1e5, 0.5)))
    assert cost_of(table, "6ND") == SIX_ND
    assert cost_of(tmp_path / "other.csv", str(numbers)) == found


def test_a_cost_model_that_nobody_knows_is_refused(bayes_dsl, table_file: Path, tmp_path: Path) -> None:
    for word, said in (("cheap", "paper"), (str(tmp_path / "no.toml"), "no.toml")):
        ran = bayes_dsl("fit", table_file, "-o", tmp_path / "p.nc", "--cost", word)
        assert ran.code == 2 and said in ran.err and not (tmp_path / "p.nc").exists()


def test_broken_numbers_beside_the_table_are_refused_before_the_sampling(
    bayes_dsl, table_file: Path, tmp_path: Path
) -> None:
    table_file.with_name("runs.cost.toml").write_text("terms = [[-2.0, 1.0]]\n")
    ran = bayes_dsl("fit", table_file, "-o", tmp_path / "p.nc")
    assert ran.code == 2 and "runs.cost.toml" in ran.err and not (tmp_path / "p.nc").exists()
