"""The literature's interval: a point fit refitted to resampled rows, each saying whether it converged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.least_squares import minimise
from bayes_dsl.inference.nearby import MOST_EVALUATIONS, minimise_nearby
from bayes_dsl.inference.padding import padded_weights
from bayes_dsl.inference.point_fit import PointFit, parameters_at, position_of, problem
from bayes_dsl.inference.taylor import model_fits
from bayes_dsl.laws.base import Law

REPLICATES = 4096
MAX_ITERATIONS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Refits of a point fit to resampled rows.

    Attributes
    ----------
    fit : PointFit
        What was refitted.
    parameters : dict of str to ndarray, shape (replicate,)
        By the law's names, in the law's units.
    objective : ndarray, shape (replicate,)
        Sum over the resampled rows of Huber_delta(error of ln loss).
    converged : ndarray of bool, shape (replicate,)
        Standard errors, intervals and predictions use these refits only; see `converged_share`.
    seed : int
    """

    fit: PointFit
    parameters: dict[str, np.ndarray]
    objective: np.ndarray
    converged: np.ndarray
    seed: int

    @property
    def converged_share(self) -> float:
        """Share of the refits that converged; below .99, what is said of the rest is too narrow."""
        return float(np.mean(self.converged))

    def standard_errors(self, *, log: bool = False) -> dict[str, float]:
        """Standard deviation of each coefficient, or of its logarithm, over the converged refits."""
        return {name: float(np.std(values, ddof=1)) for name, values in self._values(log).items()}

    def interval(
        self, *, prob: float, kind: str = "eti", log: bool = False
    ) -> dict[str, tuple[float, float]]:
        """Percentile interval of each coefficient over the converged refits.

        Parameters
        ----------
        prob : float
            Between 0 and 1.
        kind : str
            "eti" (equal tails) or "hdi" (the shortest interval).
        log : bool
            Of the logarithm, for coefficients that are positive.
        """
        return {
            name: (float(lower), float(upper))
            for name, values in self._values(log).items()
            for lower, upper in [interval(values, prob=prob, kind=kind)]
        }

    def _values(self, log: bool) -> dict[str, np.ndarray]:
        if not np.any(self.converged):
            raise InputError(
                Fault(
                    where="bootstrap",
                    what="converged refits",
                    value="0",
                    rule="an interval is made of converged refits",
                    remedy="Raise max_iterations, or fit a law with fewer coefficients",
                )
            )
        positive = {
            parameter.name for parameter in self.fit.law.parameters if parameter.support == "positive"
        }
        return {
            name: np.log(values[self.converged]) if log and name in positive else values[self.converged]
            for name, values in self.parameters.items()
        }


def bootstrap(
    fit: PointFit, *, replicates: int = REPLICATES, seed: int = 0, max_iterations: int = MAX_ITERATIONS
) -> Bootstrap:
    """Refit a law to rows drawn with replacement, as many as there are, within each role.

    Every refit starts at the fit and goes on until it converges, whatever rows it drew: a refit that stops
    early stays near its start, and intervals of such refits are too narrow (a factor of hundreds for ln A).

    Parameters
    ----------
    fit : PointFit
    replicates : int
        Busbridge et al. (arXiv 2502.08606) take 4,096.
    seed : int
        Decides which rows are drawn.
    max_iterations : int
        Iterations that each refit may use.
    """
    residuals, data = problem(fit.law, fit.rows)
    counts = padded_weights(_counts(fit, replicates, seed), fit.rows.lengths)
    start = position_of(fit.law, fit.rows, fit.parameters)
    position, objective = np.tile(start, (replicates, 1)), np.full(replicates, np.inf)
    converged = np.zeros(replicates, dtype=bool)
    left_over = max_iterations
    if model_fits(counts.shape[1], len(start)) and max_iterations > MOST_EVALUATIONS:
        near = minimise_nearby(residuals, data, center=start, weights=counts, delta=fit.delta)
        position, objective, converged = near.position, near.objective, near.converged
        left_over -= MOST_EVALUATIONS
    left = np.flatnonzero(~converged)
    if len(left):
        ended = minimise(
            residuals,
            data,
            starts=position[left],
            weights=counts[left],
            delta=fit.delta,
            max_iterations=left_over,
            cold=False,
        )
        position[left], objective[left], converged[left] = ended.position, ended.objective, ended.converged
    return Bootstrap(
        fit=fit,
        parameters=parameters_at(fit.law, fit.rows, position),
        objective=objective,
        converged=converged,
        seed=seed,
    )


def _counts(fit: PointFit, replicates: int, seed: int) -> np.ndarray:
    """How often each row was drawn, (replicate, row)."""
    rng = np.random.default_rng(seed)
    parts = []
    for loss in fit.rows.loss.values():
        drawn = rng.integers(0, len(loss), size=(replicates, len(loss)))
        drawn += len(loss) * np.arange(replicates)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=replicates * len(loss))
        parts.append(counts.reshape(replicates, len(loss)).astype(np.uint16))
    return np.concatenate(parts, axis=1)


def predict(
    fitted: PointFit | Bootstrap,
    role: str,
    inputs: Mapping[str, ArrayLike],
    *,
    noise: bool,
    draws: int = REPLICATES,
    seed: int = 0,
) -> np.ndarray:
    """Losses of runs not yet made, by the literature's means: shape (draw, candidate), nats per token.

    Parameters
    ----------
    fitted : PointFit or Bootstrap
        Converged refits make the draws; a point fit repeats its own coefficients.
    role : str
        A role that the law explains.
    inputs : mapping of str to array_like, shape (candidate,)
        The law's inputs for that role.
    noise : bool
        Whether each draw multiplies the expected loss by exp(a residual drawn from the fit's own, of that
        role): the loss of the next run, rather than the expected loss.
    draws : int
        Number of draws; refits are taken in turn.
    seed : int
        Decides which residuals are drawn.

    Raises
    ------
    InputError
        The law does not explain the role, no refit converged, or `noise` is asked for a role without rows.
    """
    fit = fitted.fit if isinstance(fitted, Bootstrap) else fitted
    if isinstance(fitted, Bootstrap):
        parameters = {name: np.resize(values, draws) for name, values in fitted._values(False).items()}
    else:
        parameters = {name: np.full(draws, value) for name, value in fit.parameters.items()}
    log_loss = _log_loss(fit.law, role, parameters, inputs)
    if noise:
        if role not in fit.residuals:
            rule = f"the fit saw {', '.join(fit.residuals)} runs only and knows no noise of {role} ones"
            remedy = "Ask for the expected loss (noise=False)"
            raise InputError(Fault(where="predict", what="role", value=role, rule=rule, remedy=remedy))
        rng = np.random.default_rng(seed)
        log_loss = log_loss + rng.choice(fit.residuals[role], size=log_loss.shape)
    return np.exp(log_loss)


def _log_loss(
    law: Law, role: str, parameters: Mapping[str, np.ndarray], inputs: Mapping[str, ArrayLike]
) -> np.ndarray:
    with jax.enable_x64(True):
        columns = {name: jnp.asarray(values)[:, None] for name, values in parameters.items()}
        rows = {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in inputs.items()}
        return np.asarray(law.log_loss(role, columns, rows))
