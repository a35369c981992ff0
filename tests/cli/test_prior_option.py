"""`fit --prior-from` starts from a saved posterior or a publication, and says which."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.cli.prior_option import prior_of
from bayes_dsl.errors import FileRefused, InputError, UnhealthyPosterior, UnknownName
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.table import RunTable


def test_the_option_names_a_file_or_a_publication(
    posterior_file: Path, distilled_file: Path, small_posterior: Posterior
) -> None:
    assert prior_of(None, inflate=None, accept_unhealthy=False) is None
    found = prior_of("published:besiroglu", inflate=3.0, accept_unhealthy=False)
    assert found is not None and found.joint.origin == "published besiroglu, inflate 3"
    assert prior_of(str(posterior_file), inflate=None, accept_unhealthy=False) == small_posterior.as_prior()
    with pytest.raises(UnhealthyPosterior):
        prior_of(str(distilled_file), inflate=None, accept_unhealthy=False)
    assert prior_of(str(distilled_file), inflate=None, accept_unhealthy=True) is not None
    with pytest.raises(InputError, match=r"--inflate = 2;.*none is named"):
        prior_of(None, inflate=2.0, accept_unhealthy=False)
    with pytest.raises(UnknownName, match="hoffmann"):
        prior_of("published:kaplan", inflate=None, accept_unhealthy=False)
    with pytest.raises(FileRefused):
        prior_of("nowhere.nc", inflate=None, accept_unhealthy=False)


def test_a_fit_says_what_it_started_from_and_so_does_its_summary(
    bayes_dsl, small_table: RunTable, posterior_file: Path, tmp_path: Path
) -> None:
    few = small_table.select(np.arange(60) % 5 == 0).to_pandas()
    few["loss"] *= 1.001  # other runs than those that the posterior has seen
    table, output = tmp_path / "few.csv", tmp_path / "few.nc"
    RunTable.from_pandas(few, counting="non_embedding").write(table)
    settings = ["--warmup", 500, "--draws", 1000, "-o", output]
    ran = bayes_dsl("fit", table, "--prior-from", posterior_file, "--inflate", 2, *settings, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["law"] == "chinchilla"
    assert found["prior"].startswith("posterior of ") and found["prior"].endswith(", inflate 2")
    said = bayes_dsl("summary", output).out
    assert f"Prior of the coefficients: {found['prior']}" in said.splitlines()
    assert json.loads(bayes_dsl("summary", output, "--json").out)["prior"] == found["prior"]
    assert json.loads(bayes_dsl("summary", posterior_file, "--json").out)["prior"] is None
    assert "Prior of" not in bayes_dsl("summary", posterior_file).out


def test_what_will_not_do_is_refused_in_a_line_before_sampling(
    bayes_dsl, sampled_table: Path, posterior_file: Path, tmp_path: Path
) -> None:
    output = tmp_path / "x.nc"
    for arguments, said in (
        (["--prior-from", posterior_file], "60 of 60"),
        (["--prior-from", "published:besiroglu"], "params counted as total"),
        (["--prior-from", "published:busbridge_corrected", "--law", "chinchilla"], "gamma fixed at 1"),
        (["--prior-from", "published:kaplan"], "kaplan"),
        (["--inflate", 2], "--inflate = 2"),
        (["--prior-from", "published:hoffmann", "--inflate", 0], "inflate = 0"),
    ):
        ran = bayes_dsl("fit", sampled_table, *arguments, "-o", output)
        assert ran.code == 2 and said in ran.err and ran.err.count("\n") == 1, ran.err
    assert not output.exists()
