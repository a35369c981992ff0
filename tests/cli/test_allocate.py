"""`allocate` says how to split a budget, how sure that is, and what it does not know."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.cli.allocate import PURPOSES, forecast_question
from bayes_dsl.cli.believed import WITH, WITHOUT
from bayes_dsl.cli.decision_keys import AllocateKeys, NearOptimalKeys, RangeKeys, RecommendedKeys
from bayes_dsl.cli.json_keys import HealthKeys, LossKeys
from bayes_dsl.costs.flops import SIX_ND, at_fixed_depth
from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from tests.forecast.made import drifting, made
from tests.posteriors import posterior_around

QUANTITIES = ("student_params", "student_tokens", "teacher_params", "teacher_tokens")
LINE = re.compile(r"^[^:]+: [^=]+ = [^;]*; .+\. .+\.$")


@pytest.fixture(scope="module")
def of_file(tmp_path_factory: pytest.TempPathFactory, small_table: RunTable):
    """Writes a posterior about Besiroglu's coefficients, its table counted or priced as asked."""

    def write(name: str, *, counting: str | None = None, cost: object = None) -> Path:
        truth = published("besiroglu")
        posterior = posterior_around(truth.law, truth.parameters, small_table)
        posterior.tree.attrs["counting"] = counting or ""
        if cost is not None:
            posterior.tree.attrs["cost_model"] = json.dumps(cost.record())
        path = tmp_path_factory.mktemp("allocate") / name
        posterior.save(path)
        return path

    return write


@pytest.fixture
def allocate(bayes_dsl, distilled_file: Path):
    """Runs `allocate --json` on the distilled posterior."""

    def call(*arguments: object) -> dict:
        asked = ("--student", "1B", "--budget", "1e21", "--accept-unhealthy", "--json")
        ran = bayes_dsl("allocate", distilled_file, *asked, *arguments)
        assert (ran.code, ran.err) == (0, "")
        return json.loads(ran.out)

    return call


def test_the_json_has_exactly_the_declared_keys(allocate) -> None:
    found = allocate()
    assert list(found) == list(AllocateKeys.model_fields)
    assert list(found["recommended"]) == list(RecommendedKeys.model_fields)
    assert list(found["near_optimal"]) == list(NearOptimalKeys.model_fields)
    assert list(found["health"]) == list(HealthKeys.model_fields)
    for loss, about in (("student_loss", "expected"), ("next_run", "next_run")):
        assert list(found["recommended"][loss]) == list(LossKeys.model_fields)
        assert found["recommended"][loss]["about"] == about
    assert all(list(one) == list(RangeKeys.model_fields) for one in found["optimal"].values())
    assert AllocateKeys.model_validate(found)


def test_the_numbers_hang_together(allocate) -> None:
    found = allocate("--prob", "0.5", "--kind", "hdi", "--within", "0.002")
    best, near = found["recommended"], found["near_optimal"]
    assert (found["scenario"], found["budget_flops"]) == ("pretraining-and-inference", 1e21)
    assert found["cost_model"] == json.loads(json.dumps(SIX_ND.record()))
    assert found["undetermined"] == [] and found["bounds_hit"] == [] and found["rule"] == "mean"
    assert best["student_params"] == 1e9
    N_S, D_S, N_T, D_T = (best[name] for name in QUANTITIES)
    parts = {
        "student_training": 6 * N_S * D_S,
        "teacher_logits": 2 * N_T * D_S,
        "teacher_training": 6 * N_T * D_T,
    }
    assert best["cost_parts"] == pytest.approx({**parts, "serving": 0.0})
    assert set(best["cost_parts"]) == set(PURPOSES)
    assert sum(parts.values()) == pytest.approx(1e21, rel=1e-6) == best["cost_flops"]
    assert near["within_nats"] == 0.002 and "student_params" not in near["ranges"]
    for name in QUANTITIES[1:]:
        assert near["ranges"][name][0] < best[name] < near["ranges"][name][1]
        optimum = found["optimal"][name]
        assert optimum["lower"] < optimum["median"] < optimum["upper"]
        assert (optimum["prob"], optimum["kind"], optimum["at_bound"]) == (0.5, "hdi", 0.0)
        low, high = found["search"][name]
        assert low < near["ranges"][name][0] and near["ranges"][name][1] < high
    loss, next_run = best["student_loss"], best["next_run"]
    assert (loss["prob"], loss["kind"]) == (0.5, "hdi")
    assert loss["lower"] < loss["median"] < loss["upper"]
    assert next_run["upper"] - next_run["lower"] > loss["upper"] - loss["lower"]
    assert not found["health"]["healthy"] and found["health"]["problems"]
    assert "no cost model was named and none came with the table: 6ND is assumed" in found["notes"]


def test_several_questions_are_a_list_students_first(bayes_dsl, posterior_file: Path) -> None:
    sizes, budgets = ["--student", "1B", "--student", "2B"], ["--budget", "1e21", "--budget", "1e22"]
    found = json.loads(bayes_dsl("allocate", posterior_file, *sizes, *budgets, "--json").out)
    asked = [(one["recommended"]["student_params"], one["budget_flops"]) for one in found]
    assert asked == [(1e9, 1e21), (1e9, 1e22), (2e9, 1e21), (2e9, 1e22)]
    single = json.loads(bayes_dsl("allocate", posterior_file, *sizes[2:], *budgets[2:], "--json").out)
    assert found[3] == single


def test_without_a_student_its_size_is_found(bayes_dsl, posterior_file: Path) -> None:
    found = json.loads(bayes_dsl("allocate", posterior_file, "--budget", "1e21", "--json").out)
    best = found["recommended"]
    assert found["scenario"] == "supervised" and found["undetermined"] == []
    assert [best[name] for name in ("teacher_params", "teacher_tokens", "teacher_loss")] == [None] * 3
    # The closed form at the published coefficients, from which the table was made.
    p = published("besiroglu").parameters
    ratio = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    known = ratio * (1e21 / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    low, high = found["near_optimal"]["ranges"]["student_params"]
    assert low < known < high and best["student_params"] == pytest.approx(known, rel=0.3)
    assert 6 * best["student_params"] * best["student_tokens"] == pytest.approx(1e21, rel=1e-9)
    assert set(found["optimal"]) == {"student_params", "student_tokens", "student_loss"}


def test_what_a_free_teacher_leaves_open_is_null_and_named(allocate) -> None:
    found = allocate("--scenario", "best-case")
    assert found["undetermined"] == ["teacher_params", "teacher_tokens"]
    assert found["recommended"]["teacher_params"] is None and found["recommended"]["teacher_tokens"] is None
    assert 1.5 < found["recommended"]["teacher_loss"] < found["recommended"]["student_loss"]["upper"]
    for name in found["undetermined"]:
        assert name not in found["optimal"] and name not in found["near_optimal"]["ranges"]
    assert found["recommended"]["student_tokens"] == pytest.approx(1e21 / 6e9)


def test_what_runs_into_a_bound_is_null_and_named(allocate) -> None:
    found = allocate("--scenario", "teacher-inference")
    (hit,) = found["bounds_hit"]
    assert hit == {
        "quantity": "teacher_tokens",
        "side": "upper",
        "value": found["search"]["teacher_tokens"][1],
    }
    assert found["recommended"]["teacher_tokens"] is None and found["undetermined"] == []
    assert (
        found["optimal"]["teacher_tokens"]["at_bound"]
        > 0.9
        > 0.1
        > found["optimal"]["teacher_params"]["at_bound"]
    )
    assert all(found["recommended"][name] > 0 for name in QUANTITIES[:3])


def test_people_read_the_same(bayes_dsl, distilled_file: Path) -> None:
    asked = ["--student", "1B", "--budget", "1e21", "--accept-unhealthy", "--scenario", "teacher-inference"]
    ran = bayes_dsl("allocate", distilled_file, *asked, "--prob", "0.8")
    assert (ran.code, ran.err) == (0, "")
    for part in (
        "teacher-inference, 1e21 FLOPs; optima as 80 % equal-tailed intervals (eti)",
        "within 0.005 nats of it",
        "nats per token",
        "Cost: 1e21 FLOPs: ",
        "% the teacher's logits",
        "Health: NOT PASSED (R-hat",
        "at a bound",
        "teacher tokens runs into the upper bound",
        "that number is the bound's, not the law's",
        "6ND: forward FLOPs per token 2 N",
        "Notes",
    ):
        assert part in ran.out
    assert "the teacher's training," not in ran.out.split("Health")[0]
    quiet = bayes_dsl("allocate", distilled_file, *asked, "--quiet").out
    assert "Notes" not in quiet and "Left open" in quiet


def test_people_read_what_is_open(bayes_dsl, distilled_file: Path) -> None:
    asked = ["--student", "1B", "--budget", "1e21", "--accept-unhealthy", "--scenario", "best-case"]
    shown = bayes_dsl("allocate", distilled_file, *asked).out
    (row,) = (line for line in shown.splitlines() if line.startswith("teacher params"))
    assert row.split() == ["teacher", "params", "open", "-", "-"]
    assert "teacher params: nothing is charged for it, and the law asks for the teacher's loss alone" in shown


def test_a_cap_is_kept_and_what_it_leaves_is_said(bayes_dsl, posterior_file: Path) -> None:
    asked = ["--student", "2B", "--budget", "1e21", "--max-tokens", "10B"]
    found = json.loads(bayes_dsl("allocate", posterior_file, *asked, "--json").out)
    assert found["bounds_hit"] == [{"quantity": "student_tokens", "side": "upper", "value": 1e10}]
    assert found["search"]["student_tokens"][1] == 1e10
    assert found["recommended"]["cost_flops"] == pytest.approx(6 * 2e9 * 1e10)
    shown = bayes_dsl("allocate", posterior_file, *asked).out
    assert "8.8e20 FLOPs of the budget are not spent: no split within the bounds needs them" in shown


def test_serving_and_sharing_are_charged(allocate) -> None:
    alone, shared = allocate("--serving", "100B"), allocate("--students", "8", "--stored-logits")
    assert alone["recommended"]["cost_parts"]["serving"] == pytest.approx(2e9 * 1e11)
    assert "serving 1e+11 tokens" in " ".join(alone["notes"])
    assert "8 students share the teacher's training and its stored logits" in " ".join(shared["notes"])
    assert shared["recommended"]["student_loss"]["median"] < alone["recommended"]["student_loss"]["median"]


@pytest.mark.parametrize("rule", ["quantile", "minimax-regret"])
def test_another_rule_chooses_another_split(bayes_dsl, posterior_file: Path, rule: str) -> None:
    mean, other = (
        json.loads(bayes_dsl("allocate", posterior_file, "--budget", "1e23", "--rule", name, "--json").out)
        for name in ("mean", rule)
    )
    assert other["rule"] == rule
    sizes = [one["recommended"]["student_params"] for one in (mean, other)]
    assert sizes[0] != sizes[1] and abs(np.log(sizes[1] / sizes[0])) < 0.3


def test_a_plot_is_drawn(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "plot.png"
    asked = ["--budget", "1e21", "--student", "1B", "--plot", picture]
    ran = bayes_dsl("allocate", posterior_file, *asked)
    assert (ran.code, ran.err) == (0, "") and ran.out.endswith(f"Drawn: {picture}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(bayes_dsl("allocate", posterior_file, *asked, "--json").out)


def test_one_figure_shows_one_student(bayes_dsl, posterior_file: Path, tmp_path: Path) -> None:
    asked = ["--budget", "1e21", "--student", "1B", "--student", "2B", "--plot", tmp_path / "plot.png"]
    ran = bayes_dsl("allocate", posterior_file, *asked)
    assert (ran.code, ran.out) == (2, "") and not list(tmp_path.iterdir())
    assert LINE.match(ran.err.rstrip()) and ran.err.startswith("allocate: --plot = 2 students; ")


def test_an_unhealthy_posterior_is_refused(bayes_dsl, distilled_file: Path) -> None:
    ran = bayes_dsl("allocate", distilled_file, "--budget", "1e21")
    assert (ran.code, ran.out) == (1, "") and "--accept-unhealthy" in ran.err


def test_budgets_too_small_are_all_told_with_the_least_that_works(bayes_dsl, posterior_file: Path) -> None:
    ran = bayes_dsl("allocate", posterior_file, "--budget", "1e3", "--budget", "1e21", "--budget", "1e4")
    assert (ran.code, ran.out) == (2, "")
    lines = ran.err.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"allocation, supervised: budget_flops = {budget}" for budget in ("1000", "1e+04")
    ]
    assert all(LINE.match(line) for line in lines)
    least = re.search(r"Give at least (\S+) FLOPs", lines[0])
    assert least is not None
    again = bayes_dsl("allocate", posterior_file, "--budget", f"{1.001 * float(least[1]):g}", "--json")
    assert again.code == 0 and json.loads(again.out)["bounds_hit"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "best-case"], "the chinchilla law does not explain distilled runs"),
        (["--logits", "0.5"], "nothing can be charged for a teacher that is not there"),
        (["--students", "0"], "at least one student shares the teacher"),
        (["--cost", "table"], "came without a cost model"),
        (["--counting", "total"], "must be non_embedding, as in the table"),
        (["--max-student", "1"], "a cap is above the search's lower bound"),
        (["--student", "1e30"], "Give at least"),
    ],
)
def test_bad_questions_are_one_line(bayes_dsl, posterior_file: Path, arguments: list[str], said: str) -> None:
    ran = bayes_dsl("allocate", posterior_file, "--budget", "1e21", *arguments)
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert LINE.match(line) and said in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing option '--budget'"),
        (["--budget", "1e21", "--within", "-1"], "no finite number above 0"),
        (["--budget", "1e21", "--rule", "best"], "'best' is not one of 'mean', 'quantile', 'minimax-regret'"),
        (["--budget", "1e21", "--scenario", "free"], "'free' is not one of 'best-case'"),
        (["--budget", "1e21", "--cost", "7ND"], "'7ND' is not one of 'paper', '6ND', 'table'"),
        (["--budget", "1e21", "--prob", "90"], "not between 0 and 1"),
    ],
)
def test_bad_usage_is_one_line(bayes_dsl, posterior_file: Path, arguments: list[str], said: str) -> None:
    ran = bayes_dsl("allocate", posterior_file, *arguments)
    assert (ran.code, ran.out) == (2, "") and ran.err.count("\n") == 1 and said in ran.err


def test_the_paper_s_costs_are_not_for_params_counted_as_total(bayes_dsl, of_file) -> None:
    total, unstated = of_file("total.nc", counting="total"), of_file("unstated.nc")
    asked = ["--budget", "1e21", "--student", "1B", "--cost", "paper"]
    for ran in (
        bayes_dsl("allocate", total, *asked),
        bayes_dsl("allocate", unstated, *asked, "--counting", "total"),
    ):
        assert (ran.code, ran.out) == (2, "")
        (line,) = ran.err.splitlines()
        assert LINE.match(line) and line.startswith("cost model paper: counting = total; ")
    found = json.loads(bayes_dsl("allocate", unstated, *asked, "--json").out)
    assert found["cost_model"]["name"] == "paper" and "taken as non_embedding" in found["notes"][-1]


def test_the_numbers_that_came_with_the_table_are_the_default(bayes_dsl, of_file) -> None:
    own = at_fixed_depth(layers=8, context=512, vocabulary=4096, name="ours")
    path = of_file("ours.nc", cost=own)
    asked = ["--budget", "1e21", "--student", "1B", "--json"]
    unnamed, table, six = (
        json.loads(bayes_dsl("allocate", path, *asked, *words).out)
        for words in ([], ["--cost", "table"], ["--cost", "6ND"])
    )
    assert unnamed == table and table["cost_model"] == json.loads(json.dumps(own.record()))
    assert own.training(1e9, table["recommended"]["student_tokens"]) == pytest.approx(1e21)
    assert not any("assumed" in note for note in table["notes"])
    assert WITHOUT in table["notes"] and WITH not in table["notes"]
    assert six["cost_model"]["name"] == "6ND"
    assert six["recommended"]["student_tokens"] == pytest.approx(1e21 / 6e9)


def test_a_plan_is_asked_for_in_the_forecast_s_words(small_posterior: Posterior) -> None:
    alone = {"student_params": 1e9, "student_tokens": 2e10}
    assert forecast_question(Plan(**alone)) == alone
    by_loss, by_size = {"teacher_loss": 2.1}, {"teacher_params": 3e9, "teacher_tokens": 6e10}
    assert forecast_question(Plan(**alone, **by_loss, teacher_params=1e9)) == {**alone, **by_loss}
    assert forecast_question(Plan(**alone, **by_size)) == {**alone, **by_size}


@pytest.mark.parametrize(
    ("student", "budget"), [("1000M", "1e21"), ("0.001T", "1000000000T"), ("1e9", "1.0e+21")]
)
def test_units_survive_every_border(
    bayes_dsl, posterior_file: Path, small_posterior: Posterior, student: str, budget: str
) -> None:
    # From a flag with its letter to the search, to JSON, and from there into another verb: params, tokens, FLOPs, nats.
    asked = ["--scenario", "supervised", "--cost", "6ND", "--json", "-q"]
    ran = bayes_dsl("allocate", posterior_file, "--student", student, "--budget", budget, *asked)
    best = json.loads(ran.out)["recommended"]
    direct = recommended_allocation(
        small_posterior, SUPERVISED_TRAINING, student_params=1e9, budget_flops=1e21, cost_model=SIX_ND
    )
    assert best["student_tokens"] == direct.plan.student_tokens == pytest.approx(1e21 / 6e9)
    there = ["--student", best["student_params"], "--tokens", best["student_tokens"], "--json", "-q"]
    told = json.loads(bayes_dsl("forecast", posterior_file, *there).out)["expected"]
    for name in ("median", "lower", "upper"):
        assert told[name] == pytest.approx(best["student_loss"][name], rel=1e-9)


def test_decisions_of_a_posterior_with_misfit_follow_it_and_say_so(bayes_dsl, tmp_path: Path) -> None:
    bare = made("distillation")
    bare.save(tmp_path / "bare.nc")
    drifting(bare).save(tmp_path / "drift.nc")
    asked = ["--budget", "1e23", "--student", "3B", "--cost", "6ND", "--accept-unhealthy", "--json"]
    for verb in (["allocate"], ["compare", "--scenario", "teacher-pretraining"], ["risk"]):
        found = {}
        for name, note in (("bare", WITHOUT), ("drift", WITH)):
            ran = bayes_dsl(verb[0], tmp_path / f"{name}.nc", *verb[1:], *asked)
            assert ran.code == 0, ran.err
            told = json.loads(ran.out)
            found[name] = told[0] if isinstance(told, list) else told
            assert note in found[name]["notes"]
        assert found["bare"] != found["drift"]
    capped = bayes_dsl("allocate", tmp_path / "drift.nc", *asked[:-1], "--max-teacher-tokens", "1e18")
    assert capped.code == 0, "a cap beyond the paths binds nothing"
