"""Plans are checked, priced, and judged on the same draws."""

import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER, SIX_ND
from bayes_dsl.costs.scenarios import PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING, scenario
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.errors import InputError
from tests.decisions.worlds import chinchilla_basis, distillation_basis

SUPERVISED = Plan(student_params=1e9, student_tokens=2e10)
BY_LOSS = Plan(student_params=1e9, student_tokens=2e10, teacher_loss=2.1)
BY_SIZE = Plan(student_params=1e9, student_tokens=2e10, teacher_params=3e9, teacher_tokens=6e10)


def test_the_loss_of_a_plan_is_the_laws_at_each_draw() -> None:
    basis = distillation_basis(draws=7)
    found = plan_losses(basis, [SUPERVISED, BY_LOSS, BY_SIZE])
    assert found.shape == (7, 3)
    p = {name: draws[3] for name, draws in basis.parameters.items()}

    def supervised(N: float, D: float) -> float:
        return p["E"] + (p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]) ** p["gamma"]

    def distilled(L_T: float) -> float:
        N, D = 1e9, 2e10
        inner = (p["A_prime"] / N ** p["alpha_prime"] + p["B_prime"] / D ** p["beta_prime"]) ** p[
            "gamma_prime"
        ]
        bend = 1 + (L_T / (supervised(N, D) * p["d_1"])) ** (1 / p["f_1"])
        return L_T + L_T ** -p["c_0"] * bend ** (-p["c_1"] * p["f_1"]) * inner

    assert found[3] == pytest.approx(
        [supervised(1e9, 2e10), distilled(2.1), distilled(supervised(3e9, 6e10))], rel=1e-9
    )


def test_a_plan_is_judged_the_same_alone_and_among_others() -> None:
    basis = distillation_basis(draws=5)
    together = plan_losses(basis, [SUPERVISED, BY_LOSS, BY_SIZE])
    for i, plan in enumerate((SUPERVISED, BY_LOSS, BY_SIZE)):
        assert np.array_equal(plan_losses(basis, [plan])[:, 0], together[:, i])


def test_what_a_plan_costs() -> None:
    assert SUPERVISED.cost(SUPERVISED_TRAINING, SIX_ND) == 6 * 1e9 * 2e10
    served = scenario("supervised", serving_tokens=1e12)
    assert SUPERVISED.cost(served, SIX_ND) == 6 * 1e9 * 2e10 + 2 * 1e9 * 1e12
    expected = 6 * 1e9 * 2e10 + 2 * 3e9 * 2e10 + 6 * 3e9 * 6e10
    assert BY_SIZE.cost(PRETRAINING_AND_INFERENCE, SIX_ND) == pytest.approx(expected, rel=1e-15)
    assert BY_SIZE.cost(PRETRAINING_AND_INFERENCE, PAPER) > expected


def test_a_teacher_that_is_charged_needs_its_size() -> None:
    with pytest.raises(InputError, match="teacher_params = None; this scenario charges"):
        BY_LOSS.cost(PRETRAINING_AND_INFERENCE, SIX_ND)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"teacher_tokens": 1e10}, "teacher_params = none; a teacher by size has parameters and tokens"),
        ({"teacher_params": 1e10}, "teacher_tokens = none; a teacher by size has parameters and tokens"),
        ({"teacher_params": 1e9, "teacher_tokens": 1e9, "teacher_loss": 2.0}, "teacher = loss and tokens"),
        ({"teacher_loss": float("nan")}, "teacher_loss = nan; must be a finite number above 0"),
        ({"teacher_loss": 0.0}, "teacher_loss = 0.0; must be a finite number above 0"),
    ],
)
def test_a_half_given_teacher_is_refused(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Plan(student_params=1e9, student_tokens=1e10, **wrong)
    assert said in str(caught.value)


def test_every_fault_is_listed() -> None:
    with pytest.raises(InputError) as caught:
        Plan(student_params=-1, student_tokens=np.inf, teacher_tokens=1e9)
    assert len(caught.value.faults) == 3


def test_a_law_without_teachers_refuses_a_taught_plan() -> None:
    with pytest.raises(InputError, match="role = distilled"):
        plan_losses(chinchilla_basis(draws=2), [BY_LOSS])
