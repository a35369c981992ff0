"""Splits of one budget as points of a box, and the loss of each at every draw: what a recommendation searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis, paid, prices
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.splits import Kind, Limits, Prices
from bayes_dsl.decisions.teachers import curve_of, log_forward
from bayes_dsl.decisions.world import World

Summary = Callable[[np.ndarray], np.ndarray]
"""From losses (point, draw) to one number a point, (point,)."""

# Points evaluated in one compiled call; draws at which a grid is judged.
BLOCK = 64
GRID_DRAWS = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """One budget in one scenario: which numbers are free, as coordinates of a box.

    The coordinates are natural logarithms: the student's parameters where its size is free, then the
    teacher's parameters and tokens, or its loss where the teacher costs nothing. What is left of the budget
    are the student's tokens.
    """

    basis: Basis
    scenario: Scenario
    budget: float
    student_params: float | None

    @property
    def names(self) -> tuple[str, ...]:
        size = ("student_params",) if self.student_params is None else ()
        if not self.scenario.teacher:
            return size
        return (*size, "teacher_loss") if self.free_teacher else (*size, "teacher_params", "teacher_tokens")

    @property
    def free_teacher(self) -> bool:
        return self.scenario.teacher and paid(self.scenario) == "nothing"

    def box(self) -> list[tuple[float, float]]:
        """Least and greatest value of each coordinate."""
        bounds = self.basis.bounds
        ranges = {
            "student_params": bounds.student_params,
            "teacher_params": bounds.params,
            "teacher_tokens": bounds.teacher_tokens,
        }
        if "teacher_loss" in self.names:
            ranges["teacher_loss"] = self._teacher_losses()
        return [
            (float(np.log(low)), float(np.log(high))) for low, high in (ranges[name] for name in self.names)
        ]

    def _teacher_losses(self) -> tuple[float, float]:
        """Losses of the strongest and weakest teacher within the bounds, in the middle draw."""
        with jax.enable_x64(True):
            curve = curve_of(self.basis.world())
            strongest, weakest = curve.log_s_range(self.basis.limits().teacher)
            return float(np.median(curve.loss(strongest))), float(np.median(curve.loss(weakest)))

    def losses(self, points: np.ndarray) -> np.ndarray:
        """Expected loss of the splits at `points` (point, coordinate): (point, draw); infinite if unaffordable."""
        kind = Kind(
            law=self.basis.law,
            cost=self.basis.cost,
            role="distilled" if self.scenario.teacher else "supervised",
            paid=paid(self.scenario),
        )
        evaluate = _evaluator(kind, self.names)
        width = 1 if len(points) == 1 else BLOCK
        found = []
        with jax.enable_x64(True):
            for begin in range(0, len(points), width):
                block = points[begin : begin + width]
                padded = np.concatenate([block, np.repeat(block[-1:], width - len(block), axis=0)])
                found.append(np.asarray(evaluate(*self._fixed, jnp.asarray(padded)))[: len(block)])
        return np.concatenate(found)

    @cached_property
    def _fixed(self) -> tuple[Any, ...]:
        """All that a point is judged with, as JAX arrays: made once, for a search asks hundreds of times."""
        with jax.enable_x64(True):
            size = jnp.log(jnp.asarray(float(self.student_params or 1.0)))
            budget = jnp.asarray(float(self.budget))
            return self.basis.world(), prices(self.scenario), self.basis.limits(), budget, size

    def student_tokens(self, points: np.ndarray) -> np.ndarray:
        """Tokens that each split leaves the student, within its caps, (point,)."""
        at = self._numbers(points)
        cost, scenario = self.basis.cost, self.scenario
        student, teacher = at["student_params"], at.get("teacher_params")
        money = self.budget - cost.serving(student, scenario.serving_tokens)
        per_token = 3.0 * cost.forward(student)
        if teacher is not None:
            money = money - scenario.pretraining_weight * cost.training(teacher, at["teacher_tokens"])
            per_token = per_token + scenario.logits_weight * cost.forward(teacher)
        return np.asarray(np.minimum(money / per_token, self.basis.bounds.student_tokens[1]))

    def plan(self, point: np.ndarray) -> Plan:
        """The split at one point (coordinate,)."""
        at = {name: float(values[0]) for name, values in self._numbers(point[None]).items()}
        if self.student_params is not None:
            at["student_params"] = float(self.student_params)
        return Plan(student_tokens=float(self.student_tokens(point[None])[0]), **at)

    def _numbers(self, points: np.ndarray) -> dict[str, np.ndarray]:
        at = {name: np.exp(points[:, i]) for i, name in enumerate(self.names)}
        size = np.full(len(points), np.nan if self.student_params is None else self.student_params)
        return {"student_params": size, **at}


@lru_cache(maxsize=64)
def _evaluator(kind: Kind, names: tuple[str, ...]) -> Any:
    def one(
        world: World, prices: Prices, limits: Limits, budget: Any, log_N: Any, point: jax.Array
    ) -> jax.Array:
        at = dict(zip(names, point, strict=True))
        log_N = at.get("student_params", log_N)
        student = jnp.exp(log_forward(kind.cost, log_N))
        money, per_token = budget - student * prices.serving, 3.0 * student
        role, inputs = "supervised", {"N": jnp.exp(log_N)}
        if kind.role == "distilled":
            role, inputs = "distilled", {"N_S": jnp.exp(log_N)}
            if "teacher_loss" in at:
                inputs["L_T"] = jnp.exp(at["teacher_loss"])
            else:
                log_F = log_forward(kind.cost, at["teacher_params"])
                money = money - 3.0 * prices.training * jnp.exp(log_F + at["teacher_tokens"])
                per_token = per_token + prices.logits * jnp.exp(log_F)
                teacher = {"N": jnp.exp(at["teacher_params"]), "D": jnp.exp(at["teacher_tokens"])}
                inputs["L_T"] = jnp.exp(world.log_loss(kind.law, "supervised", teacher))
        tokens = money / per_token
        least, most = limits.student_tokens
        inputs["D" if role == "supervised" else "D_S"] = jnp.clip(tokens, least, most)
        value = world.log_loss(kind.law, role, inputs)
        return jnp.where(tokens >= least * (1.0 - 1e-9), jnp.exp(value), jnp.inf)

    def many(
        world: World, prices: Prices, limits: Limits, budget: Any, log_N: Any, points: jax.Array
    ) -> jax.Array:
        losses: jax.Array = jax.lax.map(
            lambda point: one(world, prices, limits, budget, log_N, point), points
        )
        return losses

    return jax.jit(many)
