"""Whether prior or data tell a quantity: how far its posterior moves as either is raised to a power near 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from arviz_stats import psense
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.log_prior import CARRIED, log_prior

Floats = NDArray[np.float64]
Part = Literal["all", "coefficients", "noise", "misfit"]

SENSITIVE = 0.05
"""From here on a change of the power shows: ArviZ's own threshold."""
TARGET = "what is asked"

_WORDS = {
    "conflict": "both the prior and the runs move it, and they may pull different ways",
    "prior": "the prior moves it, and the runs hardly do",
}
_NOISE, _MISFIT = ("log_sigma", "log_nu_minus_1", "noise_slope", "log_sd_"), ("log_drift_",)


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """Power-scaling sensitivity of one quantity.

    `prior` by part of the prior: "all" of it, or that of the coefficients, the noise, the misfit's scales;
    `likelihood` to that of all runs together. Each is the slope of the cumulative Jensen-Shannon distance in the
    logarithm (base 2) of the power.
    """

    quantity: str
    prior: dict[Part, float]
    likelihood: float

    @property
    def diagnosis(self) -> Literal["data", "conflict", "prior"]:
        """The "data" tell it; data and prior are in "conflict"; or the "prior" tells it more than the data."""
        if not self.prior["all"] >= SENSITIVE:
            return "data"
        return "conflict" if self.likelihood >= SENSITIVE else "prior"

    @property
    def numbers(self) -> str:
        return f"sensitivity to the prior {self.prior['all']:.2f}, to the runs {self.likelihood:.2f}"


def sentences(scaled: Sequence[Scaled]) -> tuple[str, ...]:
    """What is to be known in plain words: of the target with its numbers, of the coefficients together."""
    found = []
    for one in scaled:
        if one.quantity == TARGET and one.diagnosis != "data":
            parts = {part: value for part, value in one.prior.items() if part != "all" and value >= SENSITIVE}
            whose = f", mostly to that of the {max(parts, key=lambda name: parts[name])}" if parts else ""
            numbers = (
                f"sensitivity {one.likelihood:.2f} to the runs, {one.prior['all']:.2f} to the prior{whose}"
            )
            found.append(f"{one.quantity}: {_WORDS[one.diagnosis]} ({numbers})")
    for diagnosis, words in _WORDS.items():
        names = [one.quantity for one in scaled if one.diagnosis == diagnosis and one.quantity != TARGET]
        if names:
            found.append(f"{', '.join(names)}: {words}")
    return tuple(found)


def power_scaling(
    posterior: Posterior, loss: Floats | None = None, *, coefficients: bool = True
) -> tuple[Scaled, ...]:
    """Power-scaling of a target and, unless `coefficients` are left out, of the law's.

    Parameters
    ----------
    posterior : Posterior
    loss : array (draw,), optional
        Of the target, nats per token; its logarithm is judged.

    Raises
    ------
    InputError
        The posterior does not hold its coordinates, or `loss` is not one number a draw.

    Notes
    -----
    Positive coefficients are judged by their logarithms; one that overflowed is left out. What follows from scales
    (shared effects, the misfit's steps) is scaled with neither. ArviZ, after Kallioinen et al., Detecting and
    diagnosing prior and likelihood sensitivity with power-scaling, Statistics and Computing 34 (2024).
    """
    densities = log_prior(posterior)
    shape = tuple(posterior.tree["posterior"].sizes[dim] for dim in ("chain", "draw"))
    quantities = _target(loss, shape) | (_coefficients(posterior) if coefficients else {})

    def group(arrays: dict[str, Floats]) -> xr.Dataset:
        return xr.Dataset({name: (("chain", "draw"), array.reshape(shape)) for name, array in arrays.items()})

    tree = xr.DataTree.from_dict(
        {
            "/posterior": group(quantities),
            "/log_prior": group(densities),
            "/log_likelihood": group(
                {"log_loss": np.asarray(posterior.tree["log_likelihood"]["log_loss"].sum("run"))}
            ),
        }
    )
    dims = ["chain", "draw"]
    prior = {
        part: psense(tree, group="prior", group_var_names=names, sample_dims=dims)
        for part, names in parts_of(list(densities)).items()
    }
    likelihood = psense(tree, group="likelihood", sample_dims=dims)
    return tuple(
        Scaled(
            quantity=name,
            prior={part: float(found[name]) for part, found in prior.items()},
            likelihood=float(likelihood[name]),
        )
        for name in quantities
    )


def parts_of(names: list[str]) -> dict[Part, list[str]]:
    """Names of a prior's densities by part; parts that are not there are left out."""
    noise = [name for name in names if name.startswith(_NOISE)]
    misfit = [name for name in names if name.startswith(_MISFIT)]
    coefficients = [name for name in names if name == CARRIED or name not in (*noise, *misfit)]
    parts: dict[Part, list[str]] = {
        "all": names,
        "coefficients": coefficients,
        "noise": noise,
        "misfit": misfit,
    }
    return {part: found for part, found in parts.items() if found}


def _target(loss: Floats | None, shape: tuple[int, ...]) -> dict[str, Floats]:
    if loss is None:
        return {}
    if np.shape(loss) != (int(np.prod(shape)),):
        raise InputError(
            Fault(
                where="power_scaling",
                what="loss",
                value=f"{np.shape(loss)}",
                rule=f"it is one number for each of {np.prod(shape):,} draws",
                remedy="Give one candidate's, such as expected_loss(...).loss[:, 0]",
            )
        )
    return {TARGET: np.log(loss)}


def _coefficients(posterior: Posterior) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    for parameter in posterior.law.parameters:
        draws = posterior.draws(parameter.name)
        with np.errstate(divide="ignore"):
            values = np.log(draws) if parameter.support == "positive" else draws
        if np.all(np.isfinite(values)):
            found[parameter.name] = values
    return found
