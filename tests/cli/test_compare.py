"""`compare` says whether to distil or to train, how sure that is, and where the two meet."""

import inspect
import json
from pathlib import Path

import pytest

from bayes_dsl.cli import decision_verbs
from bayes_dsl.cli.compare import crossover_lines
from bayes_dsl.cli.decision_keys import CompareKeys, DifferenceKeys, PlanKeys
from bayes_dsl.costs.scenarios import BEST_CASE, SCENARIOS, TEACHER_PRETRAINING
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.compare import distil_or_train
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.inference.posterior import Posterior

ASKED = ("--student", "1B", "--budget", "1e21", "--accept-unhealthy")


@pytest.fixture(scope="module")
def of_all(small_distilled: Posterior, distilled_file: Path) -> list[dict]:
    """What `compare --json` says of all four scenarios."""
    from contextlib import redirect_stdout
    from io import StringIO

    from bayes_dsl.cli.app import run

    with redirect_stdout(StringIO()) as printed:
        assert run(["compare", str(distilled_file), *ASKED, "--json"]) == 0
    found: list[dict] = json.loads(printed.getvalue())
    return found


def test_the_json_has_exactly_the_declared_keys(of_all: list[dict]) -> None:
    assert [one["scenario"] for one in of_all] == [one.name for one in SCENARIOS]
    for one in of_all:
        assert list(one) == list(CompareKeys.model_fields)
        assert list(one["difference"]) == list(DifferenceKeys.model_fields)
        assert list(one["distilled"]) == list(one["supervised"]) == list(PlanKeys.model_fields)
    documented = " ".join(inspect.getdoc(decision_verbs.compare).split("its keys: ")[1].split()).rstrip(".")
    assert documented.split(", ") == list(CompareKeys.model_fields)


def test_the_numbers_are_the_library_s(of_all: list[dict], small_distilled: Posterior) -> None:
    found = distil_or_train(
        small_distilled, BEST_CASE, budget_flops=1e21, student_params=1e9, accept_unhealthy=True
    )
    first = of_all[0]
    assert first["probability"] == found.probability[0]
    row = found.interval().iloc[0]
    assert first["difference"]["mean"] == row["mean"] and first["difference"]["upper"] == row["upper"]


def test_the_plans_printed_have_the_difference_printed(
    of_all: list[dict], small_distilled: Posterior
) -> None:
    basis = basis_of(small_distilled, accept_unhealthy=True)
    for one in of_all[1:]:
        given = {name: value for name, value in one["distilled"].items() if value is not None}
        trained = {name: value for name, value in one["supervised"].items() if value is not None}
        losses = plan_losses(basis, [Plan(**given), Plan(**trained)])
        difference = losses[:, 0] - losses[:, 1]
        assert difference.mean() == pytest.approx(one["difference"]["mean"], abs=1e-9)
        assert (difference < 0).mean() == one["probability"]


def test_a_dearer_teacher_is_worth_less(of_all: list[dict]) -> None:
    free, logits, training, both = (one["difference"]["mean"] for one in of_all)
    assert free <= min(logits, training) and max(logits, training) <= both


def test_people_read_the_same(bayes_dsl, distilled_file: Path) -> None:
    ran = bayes_dsl("compare", distilled_file, *ASKED, "--scenario", "teacher-pretraining", "--crossover")
    assert (ran.code, ran.err) == (0, "")
    for part in (
        "Distil or train, at equal total compute; 90 % equal-tailed intervals (eti)",
        "P(distilling wins)",
        "Where the two meet",
        "teacher-pretraining, 1B student",
        "students a teacher",
        "below 0 distilling wins",
        "Health: NOT PASSED",
        "6ND is assumed",
    ):
        assert part in ran.out


def test_crossings_come_in_words(bayes_dsl, distilled_file: Path) -> None:
    arguments = (*ASKED, "--scenario", "teacher-pretraining", "--crossover", "--json")
    found = CompareKeys(**json.loads(bayes_dsl("compare", distilled_file, *arguments).out)[0])
    assert found.break_even_students is not None
    assert found.break_even_students.share + found.break_even_students.never == pytest.approx(1.0)
    for one in found.crossover:
        assert one.budgets == (pytest.approx(1e21 / 10**1.5), pytest.approx(1e21 * 10**1.5))
    lines = crossover_lines(found)
    assert len(lines) == len(found.crossover) + 1
    nobody = found.break_even_students.model_copy(update={"median": None, "lower": None, "upper": None})
    none = found.model_copy(update={"crossover": [], "break_even_students": nobody})
    assert crossover_lines(none) == [
        "teacher-pretraining, 1B student at 1e21 FLOPs each: "
        "not even 10000 students sharing a teacher are enough"
    ]


def test_a_supervised_posterior_cannot_be_asked(bayes_dsl, posterior_file: Path) -> None:
    ran = bayes_dsl("compare", posterior_file, "--student", "1B", "--budget", "1e21")
    assert ran.code == 2 and ran.out == ""
    assert "the chinchilla law does not explain distilled runs" in ran.err
    ran = bayes_dsl("compare", posterior_file, "--budget", "1e21", "--scenario", "supervised")
    assert ran.code == 2 and "there is no teacher in it" in ran.err


def test_students_that_share_pay_less(bayes_dsl, distilled_file: Path, of_all: list[dict]) -> None:
    arguments = (*ASKED, "--scenario", "teacher-pretraining", "--students", "50", "--json")
    found = json.loads(bayes_dsl("compare", distilled_file, *arguments).out)[0]
    alone = next(one for one in of_all if one["scenario"] == TEACHER_PRETRAINING.name)
    assert found["difference"]["mean"] < alone["difference"]["mean"]


def test_the_map_is_drawn_for_one_scenario(bayes_dsl, distilled_file: Path, tmp_path: Path) -> None:
    plot = tmp_path / "map.png"
    ran = bayes_dsl("compare", distilled_file, *ASKED, "--plot", plot)
    assert ran.code == 2 and "--plot = all scenarios; a figure shows one scenario" in ran.err
    ran = bayes_dsl("compare", distilled_file, *ASKED, "--plot", plot, "--scenario", "best-case")
    assert ran.code == 0 and f"Drawn: {plot}" in ran.out and plot.stat().st_size > 10_000
