"""One existing teacher, or none, as an option: the student that a budget buys with it, and what that reaches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize_scalar

from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.world import World
from bayes_dsl.laws.base import Law

# Sizes of a student that are tried before the best of them is refined.
SIZES = 128
# Nats per token that stand for a student which the budget does not pay.
_UNAFFORDABLE = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class Option:
    """Students of a teacher whose loss is known: the size is chosen, the tokens are what money is left for.

    Attributes
    ----------
    scenario : Scenario
        Of it the teacher's logits and the tokens served are charged.
    money : float
        FLOPs that are left after the teacher's price.
    teacher_params : float or None
        Needed where logits are charged.
    teacher_loss : numpy.ndarray or None
        Nats per token at every draw, (draw,); None: no teacher.
    """

    basis: Basis
    scenario: Scenario
    money: float
    teacher_params: float | None = None
    teacher_loss: np.ndarray | None = None

    def student_tokens(self, sizes: np.ndarray) -> np.ndarray:
        """Tokens that are left for students of these sizes, (size,), within their cap; negative: none."""
        cost = self.basis.cost
        per_token = 3.0 * cost.forward(sizes)
        if self.teacher_params is not None:
            per_token = per_token + self.scenario.logits_weight * cost.forward(float(self.teacher_params))
        left = (self.money - cost.serving(sizes, self.scenario.serving_tokens)) / per_token
        return np.asarray(np.minimum(left, self.basis.bounds.student_tokens[1]))

    def losses(self, sizes: np.ndarray) -> np.ndarray:
        """Expected loss, (size, draw), nats per token; infinite where too few tokens are left."""
        tokens, least = self.student_tokens(sizes), self.basis.bounds.student_tokens[0]
        evaluate = _evaluator(self.basis.law, self.teacher_loss is not None)
        with jax.enable_x64(True):
            points = [jnp.asarray(array)[:, None] for array in (sizes, np.maximum(tokens, least))]
            teacher = jnp.asarray(1.0 if self.teacher_loss is None else self.teacher_loss)
            found = np.asarray(evaluate(self.basis.world(), *points, teacher))
        return np.where((tokens >= least)[:, None], found, np.inf)

    def best(self, size: float | None) -> float | None:
        """The student's size, the given one or that of least expected loss; None where no student is paid."""
        if size is not None:
            return size if np.isfinite(self.losses(np.full(1, size))).all() else None
        low, high = self.basis.bounds.student_params
        logs = np.linspace(float(np.log(low)), float(np.log(high)), SIZES)
        means = self.losses(np.exp(logs)).mean(axis=1)
        best = int(np.argmin(means))
        if not np.isfinite(means[best]):
            return None

        def mean(log_size: float) -> float:
            return float(min(self.losses(np.exp(np.full(1, log_size))).mean(), _UNAFFORDABLE))

        ends = (logs[max(best - 1, 0)], logs[min(best + 1, SIZES - 1)])
        refined = minimize_scalar(mean, bounds=ends, method="bounded", options={"xatol": 1e-6})
        return float(np.exp(refined.x if refined.fun < means[best] else logs[best]))


@lru_cache(maxsize=16)
def _evaluator(law: Law, distilled: bool) -> Any:
    def loss(world: World, N: Any, D: Any, L_T: Any) -> Any:
        inputs = {"N_S": N, "D_S": D, "L_T": L_T} if distilled else {"N": N, "D": D}
        return jnp.exp(world.log_loss(law, "distilled" if distilled else "supervised", inputs))

    return jax.jit(loss)
