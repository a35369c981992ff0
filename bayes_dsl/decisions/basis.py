"""What a decision stands on: draws of a law, what things cost, and where the search goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from bayes_dsl.costs.flops import SIX_ND, CostModel, check_counting
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.bounds import Bounds, bounds_of, require_within_reach
from bayes_dsl.decisions.splits import Limits, Paid, Prices
from bayes_dsl.decisions.teachers import Box
from bayes_dsl.decisions.world import World, of_draws
from bayes_dsl.errors import Fault, InputError, NotIdentified
from bayes_dsl.inference.paths import Drift
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.supervised import chinchilla_log_loss, supervised_log_loss


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """Joint draws of a law's parameters, (draw,) each, with a cost model and search bounds.

    `drift` has the paths of the misfit of the same draws: each draw's losses follow its own paths. None is the
    bare law.
    Every plan of one comparison is judged on the same draws, so that differences keep their correlation.
    `notes` says what was assumed because nobody stated it.
    """

    law: Law
    parameters: Mapping[str, np.ndarray]
    cost: CostModel
    bounds: Bounds
    drift: Drift | None = None
    notes: tuple[str, ...] = ()

    @property
    def draws(self) -> int:
        return len(next(iter(self.parameters.values())))

    def thinned(self, most: int) -> Basis:
        """The same basis on at most so many draws, evenly chosen."""
        if self.draws <= most:
            return self
        chosen = np.linspace(0, self.draws - 1, most).round().astype(int)
        parameters = {name: draws[chosen] for name, draws in self.parameters.items()}
        return replace(self, parameters=parameters, drift=of_draws(self.drift, chosen))

    def bare(self) -> Basis:
        """The same draws of the law without their misfit."""
        return replace(self, drift=None)

    def world(self) -> World:
        """The draws as JAX arrays in float64."""
        return self._world

    def limits(self) -> Limits:
        """The bounds as the search takes them, in float64."""
        return self._limits

    # Made once: a recommendation judges hundreds of splits.
    @cached_property
    def _world(self) -> World:
        with jax.enable_x64(True):
            arrays = {name: jnp.asarray(draws, jnp.float64) for name, draws in self.parameters.items()}
            return World(arrays, self.drift)

    @cached_property
    def _limits(self) -> Limits:
        bounds = self.bounds
        least, most = bounds.student_tokens
        with jax.enable_x64(True):
            return Limits(
                teacher=Box(log_params=_logs(bounds.params), log_tokens=_logs(bounds.teacher_tokens)),
                log_student_params=_logs(bounds.student_params),
                student_tokens=(jnp.asarray(least), jnp.asarray(most)),
            )

    def require(self, scenario: Scenario) -> None:
        """Raise `NotIdentified` unless the law explains the runs that a scenario speaks of."""
        role = "distilled" if scenario.teacher else "supervised"
        if not self.law.explains(role):
            raise NotIdentified(
                _fault(
                    "scenario",
                    scenario.name,
                    f"the {self.law.name} law does not explain {role} runs",
                    "Ask for supervised, or sample a distillation posterior from a table with distilled rows",
                )
            )
        if self.law.takes("U"):
            raise NotIdentified(
                _fault(
                    "law",
                    self.law.name,
                    "a split says nothing of unique tokens, which this law reads",
                    "Decide by a law of parameters and tokens, and forecast the plan with this one",
                )
            )
        known = (supervised_log_loss, chinchilla_log_loss)
        if scenario.teacher and self.law.role("supervised").log_loss not in known:
            raise NotIdentified(
                _fault(
                    "law",
                    self.law.name,
                    "a teacher is searched along the supervised law's own coordinates",
                    "Use the package's supervised law for the teacher's loss",
                )
            )


def basis_of(
    posterior: Posterior | Basis,
    *,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> Basis:
    """What a posterior says, with a cost model (the given one, else the posterior's, else 6ND) and bounds.

    Raises
    ------
    UnhealthyPosterior
        The posterior failed its health gate, and nobody accepted that.
    CountingMismatch
        The cost model counts parameters otherwise than the posterior's table does.
    InputError
        Bounds go beyond the reach of the posterior's misfit.
    """
    if isinstance(posterior, Basis):
        return replace(posterior, cost=cost_model or posterior.cost, bounds=bounds or posterior.bounds)
    posterior.require_healthy(accept_unhealthy)
    notes: tuple[str, ...] = ()
    cost = cost_model or posterior.cost_model
    if cost is None:
        cost = SIX_ND
        notes = ("no cost model was named and none came with the table: 6ND is assumed",)
    check_counting(cost, posterior.counting)
    if bounds is not None:
        require_within_reach(bounds, posterior)
    return Basis(
        law=posterior.law,
        parameters=posterior.law_draws(),
        cost=cost,
        bounds=bounds or bounds_of(posterior),
        drift=posterior.drift,
        notes=notes,
    )


def basis_of_coefficients(
    law: Law, parameters: Mapping[str, float], *, cost_model: CostModel, bounds: Bounds
) -> Basis:
    """A world whose coefficients are known, such as a published set or a simulated truth: one draw."""
    return Basis(
        law=law,
        parameters={name: np.full(1, float(parameters[name])) for name in law.names},
        cost=cost_model,
        bounds=bounds,
    )


def paid(scenario: Scenario) -> Paid:
    """Which of the teacher's costs are charged at all."""
    logits, training = scenario.logits_weight > 0, scenario.pretraining_weight > 0
    if logits and training:
        return "both"
    return "logits" if logits else "training" if training else "nothing"


def prices(scenario: Scenario) -> Prices:
    """A scenario as the search takes it; call it with float64 enabled."""
    return Prices(
        jnp.asarray(float(scenario.logits_weight)),
        jnp.asarray(float(scenario.pretraining_weight)),
        jnp.asarray(float(scenario.serving_tokens)),
    )


def positive(name: str, value: ArrayLike) -> np.ndarray:
    """A number or numbers as a flat array.

    Raises
    ------
    InputError
        One of them is no finite number above 0.
    """
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64)).ravel()
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    bad = array[~((array > 0) & np.isfinite(array))]
    if len(bad) or not array.size:
        shown = f"{bad[0]:g}" if len(bad) and np.ndim(value) else repr(value)
        raise InputError(
            _fault(name, shown, "must be a finite number above 0", "Give it in plain units, such as 1e21")
        )
    return array


def _logs(pair: tuple[float, float]) -> tuple[Any, Any]:
    return jnp.log(jnp.asarray(pair[0])), jnp.log(jnp.asarray(pair[1]))


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="decision", what=what, value=value, rule=rule, remedy=remedy)
