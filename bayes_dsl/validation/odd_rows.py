"""Which rows of the table the posterior cannot explain, or leans on too much."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.noise import token_scale, total_scale
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.loo import LARGEST_PARETO_K, LeaveOneOut, leave_one_out
from bayes_dsl.validation.replicates import role_rows

Floats = NDArray[np.float64]

LARGEST_STANDARDISED_RESIDUAL = 4.0
"""A row further from its expected loss, in noise scales, is odd; so is one above `LARGEST_PARETO_K`."""

_LINE_NAME = re.compile(r"line (\d+)")


@dataclass(frozen=True, kw_only=True)
class OddRow:
    """One row of the table that should be looked at.

    Attributes
    ----------
    run_id, role : str
    line : int or None
        Physical line of the row in its file; None where the posterior does not know it.
    observed, expected : float
        Nats per token; the expected loss is the posterior's median for this row, with the effects that it
        shares with other rows (of its group, teacher or student configuration).
    residual : float
        ln(observed / expected).
    standardised_residual : float
        The residual over the row's noise scale.
    pareto_k : float
        How much the posterior leans on this one row.
    reason : str
        One sentence.
    """

    run_id: str
    line: int | None
    role: str
    observed: float
    expected: float
    residual: float
    standardised_residual: float
    pareto_k: float
    reason: str


def odd_rows(
    posterior: Posterior, most: int | None = 10, *, loo: LeaveOneOut | None = None
) -> tuple[OddRow, ...]:
    """The oddest rows first: far from their expected loss, or leaned on.

    With heavy-tailed noise a clean table has a few: about 1 row in 100 lies beyond 4 noise scales of a
    Student-t with 5 degrees of freedom.

    Parameters
    ----------
    posterior : Posterior
    most : int or None
        How many to return at most; None for all.
    loo : LeaveOneOut, optional
        The result of `leave_one_out(posterior)`, where it is at hand: it is the slow part.
    """
    observations = observe(posterior.table, law=posterior.law, prior=posterior.prior)
    pareto_k = (leave_one_out(posterior) if loo is None else loo).pareto_k
    log_observed = np.asarray(observations.data["log_loss"], dtype=np.float64)
    expected = np.median(log_expected(posterior, observations), axis=0)
    residual = log_observed - expected
    standardised = residual / _noise_scale(posterior, observations)
    # k that is not a number is as bad as a large one.
    severity = np.maximum(
        np.abs(standardised) / LARGEST_STANDARDISED_RESIDUAL,
        np.nan_to_num(pareto_k, nan=np.inf) / LARGEST_PARETO_K,
    )
    ranked = np.argsort(-severity, kind="stable")
    chosen = [int(row) for row in ranked if severity[row] > 1.0][:most]
    used = posterior.table.used
    run_ids, roles = used.values("run_id"), used.values("role")
    return tuple(
        OddRow(
            run_id=str(run_ids[observations.order[row]]),
            line=_line(posterior, row, str(run_ids[observations.order[row]])),
            role=str(roles[observations.order[row]]),
            observed=float(np.exp(log_observed[row])),
            expected=float(np.exp(expected[row])),
            residual=float(residual[row]),
            standardised_residual=float(standardised[row]),
            pareto_k=float(pareto_k[row]),
            reason=_reason(float(standardised[row]), float(pareto_k[row])),
        )
        for row in chosen
    )


def _reason(standardised: float, pareto_k: float) -> str:
    said = []
    if abs(standardised) > LARGEST_STANDARDISED_RESIDUAL:
        side = "above" if standardised > 0 else "below"
        said.append(f"its loss is {abs(standardised):.1f} noise scales {side} the law")
    if not pareto_k <= LARGEST_PARETO_K:
        said.append(f"the posterior leans on it: Pareto k {pareto_k:.2f}")
    return ", and ".join(said)


def _line(posterior: Posterior, row: int, run_id: str) -> int | None:
    """The stored table is a table of its own, so its lines are not those of the file that was read."""
    constant = posterior.tree["constant_data"]
    if "line" in constant.data_vars:
        return int(np.asarray(constant["line"])[row])
    named = _LINE_NAME.fullmatch(run_id)
    return int(named[1]) if named else None


def log_expected(posterior: Posterior, observations: Observations) -> Floats:
    """ln(expected loss) of each row, shared effects included, (draw, run), in the order of the program."""
    parts = []
    for role, rows in role_rows(observations.structure).items():
        total = np.log(_law_loss(posterior, observations.data["inputs"][role], role))
        for name, effect in observations.data["effects"].items():
            shared = effect["shared"][rows]
            if shared.any():
                draws = posterior.draws(f"effect_{name}")
                total[:, shared] += draws[:, effect["level"][rows][shared]]
        parts.append(total)
    return np.concatenate(parts, axis=1)


def _law_loss(posterior: Posterior, inputs: dict[str, Floats], role: str) -> Floats:
    """Expected loss of the rows of one role, (draw, run); at the measured losses of their teachers."""
    distilled = role == "distilled"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        forecast = expected_loss(
            posterior,
            student_params=inputs["N_S" if distilled else "N"],
            student_tokens=inputs["D_S" if distilled else "D"],
            teacher_loss=inputs["L_T"] if distilled else None,
            unique_tokens=inputs.get("U"),
        )
    return np.asarray(forecast.loss, dtype=np.float64)


def _noise_scale(posterior: Posterior, observations: Observations) -> Floats:
    """Noise scale of each row at the posterior medians, (run,), as the program adds it up.

    The standard error of a distilled row's teacher counts in full, which overstates it slightly.
    """
    structure, data = observations.structure, observations.data
    variance = np.zeros(structure.n_runs)
    for name, effect in data["effects"].items():
        variance = variance + np.where(effect["alone"], _median(posterior, f"sd_{name}") ** 2, 0.0)
    if "teacher_blur" in data:
        blur = data["teacher_blur"]["relative_se"]
        variance[structure.n_runs - len(blur) :] += blur**2
    scales = [_run_scale(posterior, data, role) for role in structure.roles]
    with jax.enable_x64(True):
        scale, error = jnp.asarray(np.concatenate(scales)), jnp.asarray(data["relative_se"])
        return np.asarray(total_scale(scale, error, jnp.asarray(variance)), np.float64)


def _run_scale(posterior: Posterior, data: dict[str, Any], role: str) -> Floats:
    suffix = "" if role == "supervised" else f"_{role}"
    sigma, log_tokens = _median(posterior, f"sigma{suffix}"), data["log_tokens"][role]
    if not posterior.has(f"noise_slope{suffix}"):
        return np.full(len(log_tokens), sigma)
    with jax.enable_x64(True):
        slope = jnp.asarray(_median(posterior, f"noise_slope{suffix}"))
        scale = token_scale(jnp.asarray(sigma), slope, jnp.asarray(log_tokens), data["token_span"][role])
        return np.asarray(scale, np.float64)


def _median(posterior: Posterior, name: str) -> np.float64:
    return np.float64(np.median(posterior.draws(name)))
