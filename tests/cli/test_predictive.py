"""`summary` says whether the model looks like the runs, or why that is not told."""

import json
from pathlib import Path

import pytest

from bayes_dsl.cli.predictive import predictive_of, show_predictive
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.loo import leave_one_out
from bayes_dsl.validation.predictive import predictive_check
from tests.posteriors import posterior_around


def test_a_file_tells_what_its_posterior_tells(
    bayes_dsl, distilled_file: Path, small_distilled: Posterior
) -> None:
    ran = bayes_dsl("summary", distilled_file, "--accept-unhealthy", "--json")
    found = json.loads(ran.out)["predictive"]
    check = predictive_check(small_distilled, seed=small_distilled.seed)
    assert found["sentences"] == list(check.sentences()) and found["surprises"] == []
    assert [one["p"] for one in found["statistics"]] == [one.p for one in check.statistics]
    assert [one["role"] for one in found["calibration"]] == ["supervised", "distilled"]
    assert [one["width"] for one in found["prior"]] == [one.width for one in check.prior]


def test_people_read_the_statistics_and_the_sentences(
    small_posterior: Posterior, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predictive_of(small_posterior, leave_one_out(small_posterior))
    show_predictive(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Does the model look like the runs?") and "90 %" in lines[1]
    assert sum(line.startswith("supervised") for line in lines) == len(found.statistics) + 1
    assert lines[-2:] == [f"  {sentence}" for sentence in found.sentences]


def test_a_posterior_without_its_coordinates_says_so(
    small_posterior: Posterior, small_table, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = {name: float(small_posterior.draws(name).mean()) for name in small_posterior.law.names}
    posterior = posterior_around(small_posterior.law, truth, small_table)
    found = predictive_of(posterior, leave_one_out(posterior))
    show_predictive(found)
    assert found is None and "Not told" in capsys.readouterr().out
