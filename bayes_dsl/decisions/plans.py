"""Plans, and what each of them is expected to reach: every plan judged on the same joint draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.world import World
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.laws.base import Law

_FIELDS = ("student_params", "student_tokens", "teacher_params", "teacher_tokens", "teacher_loss")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run to be made: a student's parameters and tokens, and its teacher by size, by loss, or none.

    A teacher given by loss (nats per token) may have `teacher_params` too, which its logits cost.

    Raises
    ------
    InputError
        A value is no finite number above 0, or a teacher is given by half; every breach is listed.
    """

    student_params: float
    student_tokens: float
    teacher_params: float | None = None
    teacher_tokens: float | None = None
    teacher_loss: float | None = None

    def __post_init__(self) -> None:
        faults = [
            _fault(
                name, f"{value!r}", "must be a finite number above 0", "Give it in plain units, such as 1e9"
            )
            for name in _FIELDS
            if (value := getattr(self, name)) is not None and not 0 < float(value) < np.inf
        ]
        by_size = self.teacher_tokens is not None
        if by_size and self.teacher_loss is not None:
            rule = "a teacher is given by its loss or by its size"
            faults.append(_fault("teacher", "loss and tokens", rule, "Give one of them"))
        half = self.teacher_params is None if by_size else self.teacher_params and self.teacher_loss is None
        if half:
            what = "teacher_params" if by_size else "teacher_tokens"
            rule = "a teacher by size has parameters and tokens"
            faults.append(_fault(what, "none", rule, "Give both, or its loss"))
        if faults:
            raise InputError(faults)

    @property
    def supervised(self) -> bool:
        """Whether there is no teacher."""
        return self.teacher_loss is None and self.teacher_tokens is None

    def cost(self, scenario: Scenario, model: CostModel) -> float:
        """FLOPs that this plan pays in a scenario.

        Raises
        ------
        InputError
            The scenario charges for a teacher's size that the plan does not state.
        """
        if self.supervised:
            return float(
                model.training(self.student_params, self.student_tokens)
                + model.serving(self.student_params, scenario.serving_tokens)
            )
        return float(
            scenario.cost(
                model,
                student_params=self.student_params,
                student_tokens=self.student_tokens,
                teacher_params=self.teacher_params,
                teacher_tokens=self.teacher_tokens,
            )
        )


def plan_losses(basis: Basis, plans: Sequence[Plan]) -> np.ndarray:
    """Expected loss of each plan at each draw, (draw, plan), nats per token.

    A teacher given by size has the loss that its draw expects: the scatter of one teacher is the forecast's
    business, not the choice's.
    """
    columns = []
    with jax.enable_x64(True):
        world = basis.world()
        for plan in plans:
            teacher = "none" if plan.supervised else "size" if plan.teacher_loss is None else "loss"
            basis_role = "supervised" if plan.supervised else "distilled"
            basis.law.role(basis_role)
            numbers = [jnp.asarray(float(getattr(plan, name) or 1.0)) for name in _FIELDS]
            columns.append(np.asarray(_evaluator(basis.law, teacher)(world, *numbers)))
    return np.stack(columns, axis=1)


@lru_cache(maxsize=16)
def _evaluator(law: Law, teacher: str) -> Any:
    def loss(world: World, N_S: Any, D_S: Any, N_T: Any, D_T: Any, L_T: Any) -> Any:
        if teacher == "none":
            return jnp.exp(world.log_loss(law, "supervised", {"N": N_S, "D": D_S}))
        if teacher == "size":
            L_T = jnp.exp(world.log_loss(law, "supervised", {"N": N_T, "D": D_T}))
        return jnp.exp(world.log_loss(law, "distilled", {"N_S": N_S, "D_S": D_S, "L_T": L_T}))

    return jax.jit(loss)


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="plan", what=what, value=value, rule=rule, remedy=remedy)
