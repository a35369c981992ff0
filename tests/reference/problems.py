"""Random problems of allocation, large and small worlds, with the bounds, caps and bills that a user may set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_dsl.costs.flops import PAPER, SIX_ND, CostModel
from bayes_dsl.costs.scenarios import SCENARIOS, Scenario, scenario
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.laws.published import published
from tests.reference.allocation import Problem

CORRECTED = published("busbridge_corrected")
# A small world is the large one in other units: sizes a thousand and tokens ten thousand times less.
SMALLER_SIZES, SMALLER_TOKENS = 1e3, 1e4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A problem as the solver takes it; `plain` is the same for the oracles."""

    parameters: dict[str, float]
    scenario: Scenario
    model: CostModel
    bounds: Bounds
    budget: float
    student_params: float | None

    @property
    def plain(self) -> Problem:
        return Problem(
            parameters=self.parameters,
            terms=self.model.terms,
            logits=self.scenario.logits_weight,
            training=self.scenario.pretraining_weight,
            serving=self.scenario.serving_tokens,
            budget=self.budget,
            student_params=self.student_params,
            params=self.bounds.params,
            teacher_tokens=self.bounds.teacher_tokens,
            student_tokens=self.bounds.student_tokens,
        )


def asked(named: Scenario, seed: int, *, free_size: bool | None = None) -> Asked:
    """A random problem that charges what `named` charges; a quarter have a free size where that is None."""
    rng = np.random.default_rng([seed, [one.name for one in SCENARIOS].index(named.name)])
    small = rng.random() < 0.25
    free = bool(rng.random() < 0.25) if free_size is None else free_size
    parameters = _coefficients(rng, small)
    sizes, tokens = (SMALLER_SIZES, SMALLER_TOKENS) if small else (1.0, 1.0)
    model = SIX_ND if small or rng.random() < 0.5 else PAPER
    size = 10 ** rng.uniform(8, 10.7) / sizes
    budget = max(10 ** rng.uniform(19, 26) / (sizes * tokens), 3 * model.forward(size) * size)
    bounds = _bounds(rng, size, budget / (3 * model.forward(size)), 1e6 / sizes, 1e6 / tokens, 1e17 / tokens)
    size = float(np.clip(size, bounds.params[0], bounds.params[1]))
    return Asked(
        parameters=parameters,
        scenario=_payment(rng, named, budget / model.forward(size)),
        model=model,
        bounds=bounds,
        budget=float(budget),
        student_params=None if free else size,
    )


def _coefficients(rng: np.random.Generator, small: bool) -> dict[str, float]:
    spread = rng.uniform(0.05, 0.3)
    p = {
        name: float(value * np.exp(spread * rng.standard_normal()))
        for name, value in CORRECTED.parameters.items()
    }
    # Exponents this far off would leave no scale at which both terms matter, so their weights follow them.
    for weight, power, scale in (("A", "alpha", 1e9), ("B", "beta", 2e10)):
        for prime in ("", "_prime"):
            p[weight + prime] *= scale ** (p[power + prime] - CORRECTED.parameters[power + prime])
            if small:
                less = SMALLER_SIZES if weight == "A" else SMALLER_TOKENS
                p[weight + prime] *= less ** -p[power + prime]
    return p


def _payment(rng: np.random.Generator, named: Scenario, most_tokens: float) -> Scenario:
    changes: dict[str, float | bool] = {}
    if rng.random() < 0.4:
        changes["logits"] = named.logits * rng.uniform(0.05, 1.0)
        changes["pretraining"] = named.pretraining * rng.uniform(0.05, 1.0)
    if rng.random() < 0.3:
        changes["students"] = 10 ** rng.uniform(0, 3)
        changes["stored_logits"] = bool(rng.random() < 0.5)
    if rng.random() < 0.2:
        changes["serving_tokens"] = most_tokens * rng.uniform(0.01, 0.6)
    return scenario(named.name, **changes)


def _bounds(
    rng: np.random.Generator, size: float, most: float, least_size: float, least_tokens: float, top: float
) -> Bounds:
    """Wide ones, or tight ones of which some bind; `most` is what the student gets of a budget all its own."""
    params, tokens = (least_size, least_size * 1e11), (least_tokens, top)
    kind = rng.choice(
        ["wide", "sizes", "strong", "teacher", "tokens", "all"], p=[0.4, 0.12, 0.1, 0.1, 0.18, 0.1]
    )
    caps: dict[str, float] = {}
    if kind in ("sizes", "all"):
        params = (size * 10 ** rng.uniform(-3, 0), size * 10 ** rng.uniform(0.1, 2))
    if kind == "strong":
        tokens = (min(most * rng.uniform(0.01, 0.5), top / 10), top)
    if kind in ("teacher", "all"):
        caps["teacher_tokens_cap"] = max(most * 10 ** rng.uniform(-1.5, 0.5), tokens[0] * 2)
    if kind in ("tokens", "all"):
        caps["student_tokens_cap"] = max(most * rng.uniform(0.02, 0.9), tokens[0] * 2)
    return Bounds(params=params, tokens=tokens, **caps)
