"""`risk` judges plans on the same draws, prices a target, and says what knowing more would be worth."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.cli import decision_verbs
from bayes_dsl.cli.risk import OWN_NAMES
from bayes_dsl.cli.risk_keys import AssuredKeys, KnowingKeys, MeanKeys, PlanRiskKeys, RiskKeys
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.inference.posterior import Posterior

ASKED = ("--student", "1B", "--budget", "1e21", "--accept-unhealthy", "--scenario", "teacher-pretraining")
OURS = "ours: student=1B, tokens=50B, teacher=2B, teacher-tokens=40B"


@pytest.fixture(scope="module")
def report(distilled_file: Path) -> dict:
    from contextlib import redirect_stdout
    from io import StringIO

    from bayes_dsl.cli.app import run

    with redirect_stdout(StringIO()) as printed:
        arguments = ["risk", str(distilled_file), *ASKED, "--target", "2.35", "--plan", OURS, "--json"]
        assert run(arguments) == 0
    found: dict = json.loads(printed.getvalue())
    return found


def test_the_json_has_exactly_the_declared_keys(report: dict) -> None:
    assert list(report) == list(RiskKeys.model_fields)
    assert [one["name"] for one in report["plans"]] == [*OWN_NAMES, "ours"]
    for one in report["plans"]:
        assert list(one) == list(PlanRiskKeys.model_fields)
        assert list(one["loss"]) == list(one["regret"]) == list(MeanKeys.model_fields)
    assert list(report["budget_for_target"]) == list(AssuredKeys.model_fields)
    assert list(report["value_of_knowing"]) == list(KnowingKeys.model_fields)
    documented = " ".join(inspect.getdoc(decision_verbs.risk).split("Keys of --json: ")[1].split())
    assert documented.rstrip(".").split(", ") == list(RiskKeys.model_fields)


def test_the_plans_printed_have_the_losses_printed(report: dict, small_distilled: Posterior) -> None:
    basis = basis_of(small_distilled, accept_unhealthy=True)
    for one in report["plans"]:
        plan = Plan(**{name: value for name, value in one["plan"].items() if value is not None})
        losses = plan_losses(basis, [plan])[:, 0]
        assert losses.mean() == pytest.approx(one["loss"]["mean"], rel=1e-9)
        assert (losses > 2.35).mean() == one["missing"]
        assert np.quantile(losses, 0.9) == pytest.approx(one["loss_at_risk"], rel=1e-9)
        assert one["cvar"] >= one["loss_at_risk"]
        assert -1e-6 < one["regret"]["mean"] <= one["largest_regret"]


def test_the_recommended_plan_has_the_least_mean_loss_of_the_taught_ones(report: dict) -> None:
    losses = {one["name"]: one["loss"]["mean"] for one in report["plans"]}
    for name in ("minimax regret", "plug-in", "paper's recipe"):
        assert losses["recommended"] <= losses[name] + 1e-6


def test_the_budget_of_the_target_reaches_it(report: dict, small_distilled: Posterior) -> None:
    assured = report["budget_for_target"]
    plan = Plan(**{name: value for name, value in assured["plan"].items() if value is not None})
    basis = basis_of(small_distilled, accept_unhealthy=True)
    assert (plan_losses(basis, [plan])[:, 0] <= 2.35).mean() >= 0.9
    assert f"{assured['budget_flops']:.4g} FLOPs reach" in assured["statement"]


def test_people_read_the_same(bayes_dsl, distilled_file: Path) -> None:
    ran = bayes_dsl("risk", distilled_file, *ASKED, "--target", "1.0")
    assert (ran.code, ran.err) == (0, "")
    for part in (
        "teacher-pretraining, 1e21 FLOPs; nats per token, 90 % equal-tailed intervals (eti)",
        "minimax regret",
        "paper's recipe",
        "The plans",
        "Regret: above the best split of the same budget (teacher-pretraining or supervised)",
        "Target: no budget reaches a loss of 1 with 90 % assurance",
        "Knowing the coefficients exactly would be worth",
        "P(miss)",
    ):
        assert part in ran.out


def test_without_a_target_nothing_is_said_of_it(bayes_dsl, distilled_file: Path) -> None:
    found = json.loads(bayes_dsl("risk", distilled_file, *ASKED, "--json").out)
    assert found["budget_for_target"] is None and found["target_loss"] is None
    assert {one["missing"] for one in found["plans"]} == {None}


def test_wrong_plans_are_refused_before_anything_is_loaded(bayes_dsl, tmp_path: Path) -> None:
    ran = bayes_dsl("risk", tmp_path / "none.nc", "--budget", "1e21", "--plan", "mine: tokens=1B")
    assert ran.code == 2 and "student is missing" in ran.err


def test_a_supervised_posterior_compares_supervised_plans(bayes_dsl, posterior_file: Path) -> None:
    found = json.loads(bayes_dsl("risk", posterior_file, "--budget", "1e22", "--json").out)
    assert [one["name"] for one in found["plans"]] == list(OWN_NAMES[:-1])
    assert found["against"] == "supervised"


def test_the_plans_are_drawn(bayes_dsl, distilled_file: Path, tmp_path: Path) -> None:
    plot = tmp_path / "risk.svg"
    ran = bayes_dsl("risk", distilled_file, *ASKED, "--plot", plot)
    assert ran.code == 0 and f"Drawn: {plot}" in ran.out
    assert "recipe" in plot.read_text()
