"""Teachers that already exist: which one to take for a student, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayes_dsl.costs.checks import number_faults, text_faults
from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import least_budget
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.compare import without_teacher
from bayes_dsl.decisions.options import Option
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

NONE = "none"
"""What the option without a teacher is called."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A network that can be taught from.

    Attributes
    ----------
    name : str
        What answers call it; not "none".
    loss : float
        Its measured loss, nats per token, on the data that the student will be judged on.
    params : float or None
        Its parameters, counted as in the posterior's table; needed where its logits are charged.
    price_flops : float
        FLOPs that one student pays for it, out of its budget: a licence, or its share of the training.
    loss_se : float or None
        Standard error of `loss`, nats per token; None: it is taken as exact.

    Raises
    ------
    InputError
        A value is out of its range; every breach is listed.
    """

    name: str
    loss: float
    params: float | None = None
    price_flops: float = 0.0
    loss_se: float | None = None

    def __post_init__(self) -> None:
        where = f"teacher {self.name}"
        faults = list(text_faults(self.name, where="teacher", what="name"))
        if self.name == NONE:
            rule, remedy = "stands for no teacher at all", "Give it another name"
            faults.append(Fault(where="teacher", what="name", value=NONE, rule=rule, remedy=remedy))
        for what, zero in (("loss", False), ("params", False), ("price_flops", True), ("loss_se", True)):
            value = getattr(self, what)
            if value is None and what in ("params", "loss_se"):
                continue
            faults += number_faults(
                value,
                where=where,
                what=what,
                allowed=(lambda x: x >= 0) if zero else (lambda x: x > 0),
                rule=f"must be a finite number {'of 0 or more' if zero else 'above 0'}",
                remedy="Give it in plain units, such as 2.1 nats per token or 1e21 FLOPs",
            )
        if faults:
            raise InputError(faults)


@dataclass(frozen=True, kw_only=True, eq=False)
class TeacherChoice:
    """Teachers, and none, at equal total compute; the last axis of every array is the option, as in `names`.

    Attributes
    ----------
    names : tuple of str
        Those that the budget pays for, in the order given; last "none", the supervised run.
    plans : dict of str to Plan
        What is done with each: the student's size and tokens.
    losses : numpy.ndarray
        Expected loss of the student, (draw, option), nats per token.
    unaffordable : tuple of str
        Teachers whose price leaves too little for a student.
    """

    scenario: Scenario
    basis: Basis
    budget_flops: float
    teachers: tuple[Teacher, ...]
    plans: dict[str, Plan]
    losses: np.ndarray
    unaffordable: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    @property
    def recommended(self) -> str:
        """The option of least expected loss over the posterior."""
        return self.names[int(np.argmin(self.losses.mean(axis=0)))]

    @property
    def probability_best(self) -> np.ndarray:
        """P(no other option reaches a lower expected loss), (option,); they sum to 1."""
        best = np.argmin(self.losses, axis=1)
        return np.bincount(best, minlength=len(self.names)) / len(best)

    @property
    def regret(self) -> np.ndarray:
        """Loss above that of each draw's best option, (draw, option), nats per token."""
        return np.asarray(self.losses - self.losses.min(axis=1, keepdims=True))

    def table(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """One row an option: its plan, expected loss with its interval, P(best) and expected regret."""
        lower, upper = interval(self.losses, prob=prob, kind=kind)
        return pd.DataFrame(
            {
                "student_params": [plan.student_params for plan in self.plans.values()],
                "student_tokens": [plan.student_tokens for plan in self.plans.values()],
                "loss": self.losses.mean(axis=0),
                "lower": lower,
                "upper": upper,
                "prob": prob,
                "kind": kind,
                "probability_best": self.probability_best,
                "regret": self.regret.mean(axis=0),
                "largest_regret": self.regret.max(axis=0),
            },
            index=pd.Index(self.names, name="teacher"),
        )


def choose_teacher(
    posterior: Posterior | Basis,
    scenario: Scenario,
    teachers: Sequence[Teacher],
    *,
    budget_flops: float,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
    seed: int = 0,
) -> TeacherChoice:
    """Which of several existing teachers to take for a student, or none, at equal total compute.

    What a teacher costs comes out of the student's budget: its price, and its logits where the scenario
    charges them. Its training is charged by nothing but the price. The rest of the budget buys tokens.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients, which must explain distilled and supervised runs.
    scenario : Scenario
        Of it the logits, the sharing of stored ones and the tokens served are used.
    teachers : sequence of Teacher
    budget_flops : float
        FLOPs of one student, all told.
    student_params : float, optional
        The student's parameters; without it each option has the size of its least expected loss.
    cost_model, bounds : optional
        See `basis_of`.
    seed : int
        Draws the true losses of teachers that have a standard error, log-normal about the measured ones.

    Raises
    ------
    InputError
        No teachers, two of one name, or one without params whose logits are charged; every breach is listed.
    BudgetTooSmall
        The budget does not pay the supervised run.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    alone = without_teacher(basis, scenario)
    budget = float(positive("budget_flops", budget_flops)[0])
    size = None if student_params is None else float(positive("student_params", student_params)[0])
    _require_usable(scenario, teachers)
    least_budget(basis, alone, np.full(1, budget), None if size is None else np.full(1, size))
    plans: dict[str, Plan] = {}
    losses, unaffordable = [], []
    # The training that is charged is in the price: nothing else of it is.
    bought = replace(scenario, pretraining=0.0)
    for i, teacher in enumerate((*teachers, None)):
        option = Option(
            basis=basis,
            scenario=alone if teacher is None else bought,
            money=budget - (0.0 if teacher is None else teacher.price_flops),
            teacher_params=None if teacher is None else teacher.params,
            teacher_loss=_teacher_losses(teacher, basis.draws, np.random.default_rng((seed, i))),
        )
        name = NONE if teacher is None else teacher.name
        found = option.best(size)
        if found is None:
            unaffordable.append(name)
            continue
        plans[name] = Plan(
            student_params=found,
            student_tokens=float(option.student_tokens(np.full(1, found))[0]),
            teacher_loss=None if teacher is None else teacher.loss,
            teacher_params=None if teacher is None else teacher.params,
        )
        losses.append(option.losses(np.full(1, found))[0])
    return TeacherChoice(
        scenario=scenario,
        basis=basis,
        budget_flops=budget,
        teachers=tuple(teachers),
        plans=plans,
        losses=np.stack(losses, axis=1),
        unaffordable=tuple(unaffordable),
    )


def _teacher_losses(teacher: Teacher | None, draws: int, rng: np.random.Generator) -> np.ndarray | None:
    """What the teacher's loss may truly be, (draw,), nats per token."""
    if teacher is None:
        return None
    relative = (teacher.loss_se or 0.0) / teacher.loss
    return teacher.loss * np.exp(relative * rng.standard_normal(draws))


def _require_usable(scenario: Scenario, teachers: Sequence[Teacher]) -> None:
    faults = []
    if not teachers:
        faults.append(_fault("teachers", "none", "there must be one to choose", "Give at least one Teacher"))
    names = [teacher.name for teacher in teachers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(_fault("teacher", name, "two teachers have this name", "Give each a name of its own"))
    for teacher in teachers:
        if scenario.logits_weight and teacher.params is None:
            rule = f"{scenario.name} charges its logits, which its size tells"
            faults.append(_fault(f"teacher {teacher.name}, params", "None", rule, "Give its parameters"))
    if faults:
        raise InputError(faults)


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="choice of a teacher", what=what, value=value, rule=rule, remedy=remedy)
