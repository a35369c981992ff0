"""`forecast` says a loss with its interval, its health and its reach."""

import inspect
import json
from pathlib import Path

import pytest

from bayes_dsl.cli.forecast import questions
from bayes_dsl.errors import InputError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.forecast.register import read_register
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.power_scaling import power_scaling, sentences
from tests.forecast.made import drifting, made
from tests.repeated import repeated_posterior
from tests.validation.sampled import with_coordinates

TARGET = ["--student", "20B", "--tokens", "400e9"]


def test_the_json_has_exactly_the_keys_of_the_contract(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior
) -> None:
    ran = bayes_dsl("forecast", posterior_file, *TARGET, "--json")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    keys = (
        "inputs",
        "expected",
        "next_run",
        "extrapolation",
        "misfit",
        "misfit_share",
        "sensitivity",
        "health",
    )
    assert tuple(found) == (*keys, "warnings", "backtest")
    assert (found["misfit"], found["misfit_share"], found["backtest"]) == ("none", None, None)
    assert found["inputs"] == {"params": 2e10, "tokens": 4e11}
    for about in ("expected", "next_run"):
        assert list(found[about]) == ["median", "lower", "upper", "prob", "kind", "about"]
        assert found[about]["about"] == about
        assert found[about]["lower"] < found[about]["median"] < found[about]["upper"]
    with pytest.warns(match="beyond the runs"):
        expected = expected_loss(small_posterior, student_params=2e10, student_tokens=4e11)
    assert found["expected"] == expected.records(prob=0.9, kind="eti")[0]
    assert found["extrapolation"]["times_largest_compute"] == pytest.approx(16.0, rel=0.01)
    assert found["extrapolation"]["decades"]["params"] == pytest.approx(0.602, abs=0.01)
    assert found["warnings"] == list(expected.warnings)


def test_people_read_the_same(bayes_dsl, posterior_file: Path) -> None:
    ran = bayes_dsl("forecast", posterior_file, *TARGET, "--prob", "0.8", "--kind", "hdi")
    assert ran.code == 0 and ran.err == ""
    for part in (
        "80 % highest-density intervals (hdi)",
        "expected loss",
        "next run",
        "Health: passed (R-hat",
        "16 times the compute of the largest run",
        "params +0.60",
        "Warnings",
        "Notes",
    ):
        assert part in ran.out


def test_it_says_which_misfit_and_its_share(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    assert "Misfit: none" in bayes_dsl("forecast", posterior_file, *TARGET).out
    drifting(made("supervised")).save(tmp_path / "drift.nc")
    asked = ["forecast", tmp_path / "drift.nc", *TARGET, "--accept-unhealthy"]
    found = json.loads(bayes_dsl(*asked, "--json").out)
    assert found["misfit"] == "drift" and 0.5 < found["misfit_share"] < 1.1
    assert f"{found['misfit_share']:.0%} of the variance" in bayes_dsl(*asked).out
    too_far = bayes_dsl("forecast", tmp_path / "drift.nc", "--student", "1e15", "--tokens", "1T")
    assert too_far.code == 2 and "misfit's paths go from" in too_far.err


def test_it_says_what_it_leans_on(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    far = ["--student", "1e12", "--tokens", "2e13"]
    ran = bayes_dsl("forecast", posterior_file, *far)
    (told,) = (line for line in ran.out.splitlines() if line.startswith("Sensitivity of 1T x 20T: "))
    assert "what is asked depends on E: with E fixed at" in told and "% of the interval's width" in told
    found = json.loads(bayes_dsl("forecast", posterior_file, *far, "--json").out)["sensitivity"]
    assert set(found) == {"matters", "not_told"} and len(found["matters"]) == 1
    # Among the runs nothing matters, and nothing is said.
    near = bayes_dsl("forecast", posterior_file, "--student", "1B", "--tokens", "20B")
    assert near.code == 0 and "Sensitivity" not in near.out
    # What its draws do not tell is a note; a posterior without coordinates tells nothing.
    with_coordinates(drifting(made("supervised"))).save(tmp_path / "drift.nc")
    asked = ["forecast", tmp_path / "drift.nc", *TARGET, "--accept-unhealthy"]
    assert "not known from these draws: what changes with E fixed at" in bayes_dsl(*asked).out
    drifting(made("supervised")).save(tmp_path / "drift.nc")
    assert json.loads(bayes_dsl(*asked, "--json").out)["sensitivity"] is None


def test_where_other_priors_are_too_far_power_scaling_speaks(
    bayes_dsl, distilled_file: Path, small_distilled: Posterior
) -> None:
    asked = ("--student", "4e8", "--tokens", "4e10", "--teacher-loss", "2.3", "--accept-unhealthy", "--json")
    found = json.loads(bayes_dsl("forecast", distilled_file, *asked).out)["sensitivity"]
    assert any(told.startswith("every prior") for told in found["not_told"])
    loss = expected_loss(small_distilled, student_params=4e8, student_tokens=4e10, teacher_loss=2.3).loss[
        :, 0
    ]
    told = sentences(power_scaling(small_distilled, loss, coefficients=False))
    assert len(told) <= 1 and set(told) <= set(found["matters"])


def test_several_targets_are_a_list(bayes_dsl, posterior_file: Path) -> None:
    arguments = ["--student", "1B", "--student", "2B", "--tokens", "20B", "--json"]
    found = json.loads(bayes_dsl("forecast", posterior_file, *arguments).out)
    assert [one["inputs"]["params"] for one in found] == [1e9, 2e9]
    single = json.loads(
        bayes_dsl("forecast", posterior_file, "--student", "2B", "--tokens", "20B", "--json").out
    )
    assert found[1]["expected"] == single["expected"]


def test_a_forecast_is_registered_and_scored(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    register = tmp_path / "register.jsonl"
    said = bayes_dsl("forecast", posterior_file, *TARGET, "--register", register)
    quietly = bayes_dsl("forecast", posterior_file, *TARGET, "--register", register, "--json")
    first, second = read_register(register)
    assert f"Registered as forecast 1 in {register}, sha256 {first['sha256']}" in said.out
    assert second["sha256"] in quietly.err and json.loads(quietly.out)
    actual = tmp_path / "actual.csv"
    told = first["forecast"]["next_run"]
    actual.write_text(f"forecast,loss\n1,{told['median']}\n{second['sha256'][:12]},{told['upper'] + 1}\n")
    found = json.loads(bayes_dsl("score", register, actual, "--json").out)
    assert [one["hit"] for one in found["scores"]] == [True, False]
    quantiles = first["forecast"]["quantiles"]
    assert len(quantiles["probs"]) == len(quantiles["loss"]) == 100


def test_a_plot_is_drawn(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plot.png"
    ran = bayes_dsl("forecast", posterior_file, *TARGET, "--plot", picture)
    assert ran.code == 0 and f"Drawn: {picture}" in ran.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_figure_shows_one_target(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    ran = bayes_dsl("forecast", posterior_file, *TARGET, "--student", "1B", "--plot", tmp_path / "plot.png")
    assert ran.code == 2 and "2 targets" in ran.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "lines", "said"),
    [
        (["--student", "1,3B", "--tokens", "0"], 2, "--student = 1,3B"),
        (["--student", "1B"], 1, "Missing option '--tokens'"),
        (
            ["--student", "1B", "--tokens", "1B", "--teacher-loss", "2.1"],
            1,
            "does not explain distilled runs",
        ),
        (["--student", "1B", "--tokens", "1B", "--teacher", "2B"], 1, "needs params and tokens"),
        (["--student", "1B", "--tokens", "1B", "--counting", "total"], 1, "must be non_embedding"),
        (["--student", "1B", "--tokens", "1B", "--prob", "90"], 1, "not between 0 and 1"),
        (["--student", "1B", "--tokens", "1B", "--kind", "x"], 1, "'x' is not one of 'eti', 'hdi'"),
    ],
)
def test_bad_questions_are_refused(
    bayes_dsl, posterior_file: Path, arguments: list[str], lines: int, said: str
) -> None:
    ran = bayes_dsl("forecast", posterior_file, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == lines and said in ran.err


def test_a_question_is_in_the_library_s_words() -> None:
    (asked,) = questions(["1.3B"], ["26e9"], teacher_loss="2.1", teacher=None, teacher_tokens=None)
    assert asked == {"student_params": 1.3e9, "student_tokens": 2.6e10, "teacher_loss": 2.1}
    (sized,) = questions(["1B"], ["20B"], teacher_loss=None, teacher="3B", teacher_tokens="60B")
    for function in (expected_loss, next_run_loss):
        assert {*asked, *sized} <= set(inspect.signature(function).parameters)


def test_every_bad_number_is_listed() -> None:
    with pytest.raises(InputError) as caught:
        questions(["x", "1B"], ["-1"], teacher_loss="nan", teacher=None, teacher_tokens=None)
    assert [fault.what for fault in caught.value.faults] == ["--student", "--tokens", "--teacher-loss"]


def test_unique_tokens_are_asked_for_and_shown(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "repeated.nc"
    repeated_posterior().save(path)
    ran = bayes_dsl("forecast", path, *TARGET)
    assert ran.code == 2
    assert ran.err.strip().count("\n") == 0 and "unique_tokens = none" in ran.err and "--unique" in ran.err
    ran = bayes_dsl("forecast", path, *TARGET, "--unique", "100e9", "--json", "--plot", tmp_path / "f.png")
    assert ran.code == 0 and (tmp_path / "f.png").exists()
    found = json.loads(ran.out)
    assert found["inputs"] == {"params": 2e10, "tokens": 4e11, "unique_tokens": 1e11}
    assert found["extrapolation"]["decades"]["epochs"] == 0.0
