"""Plans that ignore the doubt: the plug-in optimum of a posterior, and the paper's recipe."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import least_budget, left_open, quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, basis_of_coefficients, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.published import published

TOKENS_PER_PARAM = 20.0
"""The rule of thumb for supervised training: Hoffmann et al., arXiv 2203.15556."""


def plug_in_plan(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> Plan:
    """The best split as if the posterior's mean (`center`) were the truth.

    Arguments and errors as in `recommended_allocation`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    return optimum_at(
        basis, center(posterior), scenario, budget_flops=budget_flops, student_params=student_params
    )


def paper_recipe_plan(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> Plan:
    """What the paper's own coefficients (`busbridge_corrected`) say, whatever the data: its recipe.

    For supervised training 20 tokens per parameter; a student of given size has what its budget buys. Of the
    posterior only cost model and bounds are used. Arguments and errors as in `recommended_allocation`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    known = published("busbridge_corrected")
    if not scenario.teacher and student_params is None:
        student_params = _size_of_ratio(basis, scenario, float(positive("budget_flops", budget_flops)[0]))
    return optimum_at(
        basis,
        known.parameters,
        scenario,
        budget_flops=budget_flops,
        student_params=student_params,
        law=known.law,
    )


def center(posterior: Posterior | Basis) -> dict[str, float]:
    """The point that stands for a posterior: its mean in the centred coordinates that it is nearly round in.

    Coefficients lie along curved ridges (A with alpha; c_1 with d_1 and f_1): their own means, or those of
    their logarithms, lie beside the ridge and stand for no draw. A basis has no table to centre coordinates
    on: there it is the mean of ln of positive coefficients, and of the others the mean.
    """
    with jax.enable_x64(True):
        if isinstance(posterior, Posterior):
            coordinates = coordinates_of(posterior.law)
            at = {name: jnp.asarray(value) for name, value in posterior.center.items()}
            draws = {name: jnp.asarray(values) for name, values in posterior.law_draws().items()}
            means = {name: jnp.mean(z) for name, z in coordinates.from_parameters(draws, at).items()}
            found = coordinates.to_parameters(means, at)
            return {name: float(found[name]) for name in posterior.law.names}
        support = {parameter.name: parameter.support for parameter in posterior.law.parameters}
        return {
            name: float(np.exp(np.mean(np.log(draws))) if support[name] == "positive" else np.mean(draws))
            for name, draws in posterior.parameters.items()
        }


def optimum_at(
    basis: Basis,
    parameters: Mapping[str, float],
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    law: Law | None = None,
) -> Plan:
    """The best split where the coefficients are known, under the cost model and bounds of a basis.

    Parameters
    ----------
    basis : Basis
        Its draws are not used.
    parameters : mapping of str to float
        The coefficients, by the law's names.
    law : Law, optional
        Theirs; without it the basis's.
    scenario, budget_flops, student_params
        As in `recommended_allocation`.

    Raises
    ------
    BudgetTooSmall
        The budget does not pay the least student and teacher within the bounds.
    """
    point = basis_of_coefficients(law or basis.law, parameters, cost_model=basis.cost, bounds=basis.bounds)
    point.require(scenario)
    budgets = positive("budget_flops", budget_flops)[:1]
    sizes = None if student_params is None else positive("student_params", student_params)[:1]
    least_budget(point, scenario, budgets, sizes)
    values = {
        name: float(array[0, 0]) for name, array in quantities(solve(point, scenario, budgets, sizes)).items()
    }
    numbers = {name: values[name] for name in ("student_params", "student_tokens")}
    if sizes is not None:
        numbers["student_params"] = float(sizes[0])  # to the last digit
    if scenario.teacher:
        named = ("teacher_loss",) if left_open(scenario) else ("teacher_params", "teacher_tokens")
        numbers |= {name: values[name] for name in named}
    return Plan(**numbers)


def _size_of_ratio(basis: Basis, scenario: Scenario, budget: float) -> float:
    """The size at which a budget buys 20 tokens per parameter, within the bounds."""
    least_budget(basis, scenario, np.full(1, budget), None)

    def excess(log_params: float) -> float:
        params = np.exp(log_params)
        cost = scenario.cost(basis.cost, student_params=params, student_tokens=TOKENS_PER_PARAM * params)
        return float(np.log(cost / budget))

    low, high = np.log(basis.bounds.student_params)
    if excess(low) >= 0 or excess(high) <= 0:
        return float(np.exp(low if excess(low) >= 0 else high))
    return float(np.exp(brentq(excess, low, high, xtol=1e-12)))
