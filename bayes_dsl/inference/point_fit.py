"""The literature's estimator: the coefficients that minimise Huber's loss of the error in ln(loss)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.inference.coordinates import Coordinates, coordinates_of
from bayes_dsl.inference.law_inputs import inputs_of
from bayes_dsl.inference.least_squares import Minima, minimise
from bayes_dsl.inference.padding import padded, padded_weights
from bayes_dsl.inference.starts import box_of_starts
from bayes_dsl.inference.taylor import Residuals
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable

DELTA = 1e-3
STARTS = 512
MAX_ITERATIONS = 600
SCREENING_ITERATIONS = 30
FINALISTS = 32
SAME_OBJECTIVE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Runs as plain arrays, shape (row,): for each role the law's inputs and the loss in nats per token."""

    inputs: Mapping[str, Mapping[str, np.ndarray]]
    loss: Mapping[str, np.ndarray]

    @classmethod
    def of_table(cls, table: RunTable, law: Law) -> Rows:
        """The rows of a table that have status ok, in the law's order of roles.

        Raises
        ------
        InputError
            A row's role is one that the law does not explain, or no row is usable.
        TableError
            A column that the law reads is empty in some row.
        """
        used = table.used
        role_of = used.values("role")
        for name in sorted({str(name) for name in role_of}):
            law.role(name)
        roles = [role for role in law.roles if np.any(role_of == role.name)]
        inputs: dict[str, dict[str, np.ndarray]] = {}
        loss: dict[str, np.ndarray] = {}
        for role in roles:
            rows = used.select(role_of == role.name)
            inputs[role.name] = inputs_of(rows, law, role)
            loss[role.name] = np.asarray(rows.values("loss"), dtype=np.float64)
        return cls(inputs=inputs, loss=loss)

    @property
    def n_rows(self) -> int:
        """Number of rows, of all roles."""
        return sum(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Number of rows of each role."""
        return tuple(len(loss) for loss in self.loss.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class PointFit:
    """One set of coefficients, and whether the search for it ended at a minimum.

    Attributes
    ----------
    law : Law
    parameters : dict of str to float
        By the law's names, in the law's units.
    objective : float
        Sum over rows of Huber_delta(error of ln loss).
    converged : bool
        Whether a Newton step from here would gain nothing (1e-12 of the objective); False is not a fit.
    n_rows : int
    residuals : dict of str to ndarray, shape (row,)
        For each role, measured minus fitted ln(loss), in the order of `rows`.
    delta : float
        Where Huber's function turns from a square to a line, in ln(loss).
    starts : int
        How many starts were tried.
    starts_at_best : int
        How many of the best 32 of them, followed to the end, met at this objective (1e-9 of it).
    evaluations : int
        Evaluations of the residuals with their derivatives, over all starts.
    rows : Rows
    """

    law: Law
    parameters: dict[str, float]
    objective: float
    converged: bool
    n_rows: int
    residuals: dict[str, np.ndarray]
    delta: float
    starts: int
    starts_at_best: int
    evaluations: int
    rows: Rows


def point_fit(
    table: RunTable | Rows,
    *,
    law: Law,
    delta: float = DELTA,
    starts: int | Sequence[Mapping[str, float]] = STARTS,
    seed: int = 0,
    max_iterations: int = MAX_ITERATIONS,
) -> PointFit:
    """Minimise sum_i Huber_delta(ln(fitted loss_i) - ln(measured loss_i)) over a law's coefficients.

    The estimator of Hoffmann et al. (arXiv 2203.15556), Besiroglu et al. (2404.10102) and Busbridge et al.
    (2502.08606, App. F). We depart from their search, not from their objective: coordinates centred on the
    data, a Latin hypercube of starts in them, and Newton's method with a test of convergence, where L-BFGS-B
    from a grid of uncentred logarithms stops early. Distilled and supervised rows are fitted together, on the
    measured teacher loss. Positive coefficients stay positive.

    Parameters
    ----------
    table : RunTable or Rows
        Runs whose status is not ok are left out.
    law : Law
        Of the package or the user's own.
    delta : float
        Where Huber's function turns from a square to a line, in ln(loss); Busbridge et al. take 1e-4.
    starts : int or sequence of mappings
        Number of starts in the hypercube, or the starts themselves, as coefficients by the law's names.
    seed : int
        Draws the hypercube.
    max_iterations : int
        Iterations that each of the best starts may use.

    Raises
    ------
    TableError
        Fewer rows than the law has coefficients.
    InputError
        A row's role is one that the law does not explain, or a start lacks a coefficient.
    """
    rows = table if isinstance(table, Rows) else Rows.of_table(table, law)
    _refuse_few(rows, law)
    residuals, data = problem(law, rows)
    first = _starts(law, rows, starts, seed)
    ones = padded_weights(np.ones((1, rows.n_rows)), rows.lengths)
    ones = np.broadcast_to(ones, (len(first), ones.shape[1]))
    screened = minimise(
        residuals,
        data,
        starts=first,
        weights=ones,
        delta=delta,
        max_iterations=min(SCREENING_ITERATIONS, max_iterations),
    )
    best = np.argsort(screened.objective, kind="stable")[:FINALISTS]
    ended = minimise(
        residuals,
        data,
        starts=screened.position[best],
        weights=ones[: len(best)],
        delta=delta,
        max_iterations=max_iterations,
        cold=False,
    )
    evaluations = int(screened.iterations.sum() + ended.iterations.sum())
    return _fit_of(law, rows, ended, delta=delta, starts=len(first), evaluations=evaluations)


def _fit_of(law: Law, rows: Rows, ended: Minima, *, delta: float, starts: int, evaluations: int) -> PointFit:
    best = int(np.argmin(ended.objective))
    objective = float(ended.objective[best])
    parameters = parameters_at(law, rows, ended.position[best])
    with jax.enable_x64(True):
        fitted = {
            role: law.log_loss(role, parameters, _padded(inputs)) for role, inputs in rows.inputs.items()
        }
    residuals = {
        role: np.log(loss) - np.asarray(fitted[role])[: len(loss)] for role, loss in rows.loss.items()
    }
    return PointFit(
        law=law,
        parameters={name: float(value) for name, value in parameters.items()},
        objective=objective,
        converged=bool(ended.converged[best]),
        n_rows=rows.n_rows,
        residuals=residuals,
        delta=delta,
        starts=starts,
        starts_at_best=int(np.sum(ended.objective <= objective * (1 + SAME_OBJECTIVE))),
        evaluations=evaluations,
        rows=rows,
    )


def problem(law: Law, rows: Rows) -> tuple[Residuals, dict[str, Any]]:
    """The residuals of a law's rows as a function of its coordinates, and the data that it reads.

    Each role's rows are filled up (`padding.py`): weights of theirs are `padded_weights(weights, rows.lengths)`.
    """
    data = {
        "inputs": {role: _padded(inputs) for role, inputs in rows.inputs.items()},
        "log_loss": {role: padded(np.log(loss)) for role, loss in rows.loss.items()},
        "center": {name: np.float64(value) for name, value in center_of(rows).items()},
    }
    return _residuals_of(law, tuple(rows.loss)), data


def _padded(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: padded(values) for name, values in inputs.items()}


@functools.cache
def _residuals_of(law: Law, roles: tuple[str, ...]) -> Residuals:
    coordinates = coordinates_of(law)

    def residuals(position: jax.Array, data: Any) -> jax.Array:
        parameters = coordinates.to_parameters(_named(coordinates, position), data["center"])
        return jnp.concatenate(
            [law.log_loss(role, parameters, data["inputs"][role]) - data["log_loss"][role] for role in roles]
        )

    return residuals


def _named(coordinates: Coordinates, position: jax.Array) -> dict[str, jax.Array]:
    return {name: position[..., i] for i, name in enumerate(coordinates.names)}


def parameters_at(law: Law, rows: Rows, position: np.ndarray) -> dict[str, np.ndarray]:
    """The law's coefficients at coordinates, shape (..., coordinate), each of shape (...)."""
    coordinates = coordinates_of(law)
    with jax.enable_x64(True):
        center = {name: jnp.asarray(value, jnp.float64) for name, value in center_of(rows).items()}
        values = coordinates.to_parameters(_named(coordinates, jnp.asarray(position, jnp.float64)), center)
        return {name: np.asarray(values[name]) for name in law.names}


def position_of(law: Law, rows: Rows, parameters: Mapping[str, float]) -> np.ndarray:
    """Coordinates of coefficients, shape (coordinate,): the inverse of `parameters_at`."""
    coordinates = coordinates_of(law)
    with jax.enable_x64(True):
        center = {name: jnp.asarray(value, jnp.float64) for name, value in center_of(rows).items()}
        given = {name: jnp.asarray(float(value), jnp.float64) for name, value in parameters.items()}
        values = coordinates.from_parameters(given, center)
        return np.array([float(values[name]) for name in coordinates.names])


def center_of(rows: Rows) -> dict[str, float]:
    """Where coordinates are centred: means of ln N, ln D and, by the gap's weight, ln N_S, ln D_S, ln L_T."""
    distilled = rows.inputs.get("distilled", {})
    supervised = rows.inputs.get("supervised", {})
    size = supervised.get("N", distilled.get("N_S"))
    tokens = supervised.get("D", distilled.get("D_S"))
    center = dict.fromkeys(("log_N", "log_D", "log_N_S", "log_D_S", "log_L_T"), 0.0)
    if size is not None and tokens is not None:
        center["log_N"], center["log_D"] = float(np.log(size).mean()), float(np.log(tokens).mean())
    if {"N_S", "D_S", "L_T"} <= set(distilled):
        weight = np.maximum(rows.loss["distilled"] - distilled["L_T"], 0.0)
        weight = weight if weight.sum() > 0 else np.ones_like(weight)
        for name in ("N_S", "D_S", "L_T"):
            center[f"log_{name}"] = float(np.average(np.log(distilled[name]), weights=weight))
    return center


def _refuse_few(rows: Rows, law: Law) -> None:
    if rows.n_rows < len(law.parameters):
        raise TableError(
            Fault(
                where="point fit",
                what="rows",
                value=str(rows.n_rows),
                rule=f"the law {law.name} has {len(law.parameters)} coefficients and needs as many rows",
                remedy="Add runs, or choose a law with fewer coefficients",
            )
        )


def _starts(law: Law, rows: Rows, starts: int | Sequence[Mapping[str, float]], seed: int) -> np.ndarray:
    if not isinstance(starts, int):
        return np.stack([position_of(law, rows, start) for start in starts])
    names = coordinates_of(law).names
    grid = box_of_starts(names, starts, seed)
    if "log_L_center" in names:
        supervised = rows.loss.get("supervised", next(iter(rows.loss.values())))
        grid[:, names.index("log_L_center")] += float(np.log(supervised).mean())
    return grid
