"""`sensitivity` says how far a forecast moves, what matters, and what it could not tell."""

import json
from pathlib import Path

from tests.forecast.made import drifting, made
from tests.repeated import repeated_posterior
from tests.validation.sampled import with_coordinates

TARGET = ("--student", "20B", "--tokens", "400e9")


def test_the_json_and_the_file_say_the_same(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "s.json"
    ran = bayes_dsl(
        "sensitivity", posterior_file, *TARGET, "--floor", "1.8", "--anew", "never", "--json", "-o", kept
    )
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    assert found == json.loads(kept.read_text()) and found["sensitivity"] == str(kept)
    assert found["inputs"] == {"params": 2e10, "tokens": 4e11}
    names = [one["name"] for one in found["alternatives"]] + found["not_told"]
    assert len(names) == 5 and any(name.startswith("E fixed at 1.8") for name in names)
    assert {one["method"] for one in found["alternatives"]} == {"reweighed"}
    assert [one["quantity"] for one in found["power_scaling"]][:2] == ["what is asked", "E"]
    assert set(found["power_scaling"][0]["by_part"]) == {"coefficients", "noise"}
    forecast = json.loads(bayes_dsl("forecast", posterior_file, *TARGET, "--json").out)
    assert all(
        abs(found["forecast"][end] / forecast["expected"][end] - 1) < 1e-9 for end in found["forecast"]
    )


def test_people_read_what_matters_and_what_is_not_told(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "drift.nc"
    with_coordinates(drifting(made("supervised"))).save(path)
    ran = bayes_dsl("sensitivity", path, *TARGET, "--anew", "never", "--about", "next_run")
    assert ran.code == 0 and ran.err == ""
    for part in (
        "Loss of the next run in nats per token, params 20B, tokens 400B: 90 % equal-tailed intervals",
        "as assumed",
        "the misfit's scales at double",
        "What matters",
        "Not told",
        "Power scaling",
        "of the misfit",
    ):
        assert part in ran.out


def test_a_value_that_is_no_E_is_one_line(bayes_dsl, posterior_file: Path) -> None:
    ran = bayes_dsl("sensitivity", posterior_file, *TARGET, "--floor", "-1")
    assert ran.code == 2 and ran.err.count("\n") == 1 and "E = -1.0" in ran.err


def test_unique_tokens_are_asked_for_and_taken(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "repeated.nc"
    with_coordinates(repeated_posterior()).save(path)
    ran = bayes_dsl("sensitivity", path, *TARGET, "--anew", "never")
    assert ran.code == 2 and ran.err.count("\n") == 1
    assert "unique_tokens = none" in ran.err and "--unique" in ran.err
    medians = []
    for unique in ("400B", "20B"):
        ran = bayes_dsl("sensitivity", path, *TARGET, "--unique", unique, "--anew", "never", "--json")
        assert ran.code == 0 and ran.err == ""
        found = json.loads(ran.out)
        medians.append(found["forecast"]["median"])
    assert found["inputs"] == {"params": 2e10, "tokens": 4e11, "unique_tokens": 2e10}
    # Tokens that were seen 20 times teach less.
    assert medians[1] > medians[0] + 0.01
    said = bayes_dsl("sensitivity", path, *TARGET, "--unique", "20B", "--anew", "never").out
    assert "unique tokens 20B" in said
