"""Simulated worlds for calibration: a study of fixed design whose truth and losses are drawn from the program itself.

What the program is centred on (means of the logarithms, a misfit's knots) is taken once from a study at the published
coefficients. It then belongs to the prior, as simulation-based calibration asks: truth and losses are drawn from
exactly the joint density that is sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.design import Design, PlannedRun, supervised_grid
from bayes_dsl.inference.misfit import Misfit, drifts_gap, with_misfit
from bayes_dsl.inference.observations import Observations, Structure, observe
from bayes_dsl.inference.priors import Density, Prior, default_prior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.exponential import EXPONENTIAL, limit_of
from bayes_dsl.laws.published import published
from bayes_dsl.laws.registry import law as law_of
from bayes_dsl.validation.replicates import rows_at

Arrays = dict[str, np.ndarray]

TYPICAL_LOSS = 2.5
"""Nats per token on which the prior of every world is centred."""
PUBLISHED = {
    "supervised": "busbridge_corrected",
    "chinchilla": "besiroglu",
    "tied": "busbridge_corrected",
    "interaction": "besiroglu",
    "repetition": "busbridge_corrected",
    "distillation": "busbridge_corrected",
    "exponential": "busbridge_corrected",
}
SIZES = tuple(float(size) for size in np.geomspace(5e7, 2e9, 6))
TOKENS_PER_PARAM = (5.0, 20.0, 80.0, 320.0)
EPOCHS = (1.0, 3.0, 10.0, 30.0, 100.0)
STUDENTS = tuple((float(size), ratio * float(size)) for size in SIZES[::2] for ratio in (10.0, 160.0))
TEACHER_LOSSES = (1.9, 2.05, 2.2, 2.35, 2.5)
EXPONENTS = ("alpha", "beta", "alpha_prime", "beta_prime")
MOST_EXPONENT = 5.0
"""Exponent of size or tokens beyond which a draw is no law: ten times the tokens, a hundred thousandth of the term."""
# So many draws of the prior in a row that no law could have made mean that the prior is at fault.
MOST_REFUSED = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A design with its prior: what every world of one calibration shares.

    `observations` are those of the study at the published coefficients; a world exchanges its `log_loss` alone.
    """

    observations: Observations
    prior: Prior

    @property
    def structure(self) -> Structure:
        return self.observations.structure

    def observed(self, log_loss: np.ndarray, *, prior: Prior | None = None) -> Observations:
        """The observations of a world; with another prior, those of a sampler that believes in it."""
        data = {**self.observations.data, "log_loss": log_loss}
        if prior is not None:
            numbers = {d.name: {"loc": d.loc, "scale": d.scale, "df": d.df} for d in prior.densities}
            data = {**data, "prior": numbers}
        return replace(self.observations, data=data)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """A truth and the losses of its runs.

    `sites` are the coordinates, `parameters` all that follows from them, `mean` and `scale` (run,) those of ln(loss),
    `log_loss` (run,) what was measured; `refused` counts the prior's draws before this one that no law could have made.
    """

    sites: Arrays
    parameters: Arrays
    mean: np.ndarray
    scale: np.ndarray
    log_loss: np.ndarray
    refused: int


def study_of(law_name: str, *, misfit: Misfit | None = None) -> Study:
    """The study that a law is calibrated on.

    24 supervised runs (six sizes at four ratios of tokens to parameters); for the distillation law also 30
    distilled ones (six students of five teachers, so that teachers' and students' shared effects are sampled).
    For the law of repeated data the runs see their data 1, 3, 10, 30 or 100 times, in turn.
    """
    law = law_of(law_name)
    design = supervised_grid(SIZES, tokens_per_param=TOKENS_PER_PARAM)
    if law.takes("U"):
        design = replace(design, runs=tuple(_repeated(design.runs)))
    if law.explains("distilled"):
        taught = tuple(
            PlannedRun(role="distilled", params=params, tokens=tokens, teacher_loss=teacher_loss)
            for teacher_loss in TEACHER_LOSSES
            for params, tokens in STUDENTS
        )
        design = Design(runs=design.runs + taught)
    known = {"delta": 1.0, "R_D": 15.0, **published(PUBLISHED[law.name]).parameters}
    known = limit_of(known) if law == EXPONENTIAL else known
    table = simulate(law, {name: known[name] for name in law.names}, design, noise=Noise(), seed=0)
    prior = default_prior(law, typical_loss=TYPICAL_LOSS)
    if misfit is not None:
        prior = with_misfit(prior, misfit, gap=drifts_gap(misfit, law, table.used))
    return Study(observations=observe(table, law=law, prior=prior, misfit=misfit), prior=prior)


def _repeated(runs: Iterable[PlannedRun]) -> Iterator[PlannedRun]:
    for run, epochs in zip(runs, cycle(EPOCHS), strict=False):
        yield replace(run, unique_tokens=run.tokens / epochs)


def draw_world(study: Study, rng: np.random.Generator) -> World:
    """A world from the prior; draws that no law could have made are thrown away and counted.

    Raises
    ------
    InputError
        A thousand draws in a row were refused.
    """
    for refused in range(MOST_REFUSED):
        sites = _prior_draw(study, rng)
        parameters, mean, scale = _predicted(study, sites)
        t = rng.standard_t(parameters["nu"], len(mean))
        if possible_draws(study.structure, parameters) and np.all(np.isfinite(mean)):
            return World(
                sites=sites,
                parameters=parameters,
                mean=mean,
                scale=scale,
                log_loss=np.asarray(mean + scale * t),
                refused=refused,
            )
    raise InputError(
        Fault(
            where=f"law {study.structure.law.name}",
            what="prior",
            value=f"{MOST_REFUSED} draws in a row",
            rule="none is a law: a parameter is not finite, a positive one is 0, or an exponent is above 5",
            remedy="Give a prior whose draws are laws",
        )
    )


def possible_draws(structure: Structure, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which draws are laws: every parameter is a finite number, a positive one above 0, an exponent at most 5.

    The priors' far tails give weights A and B that float64 does not hold (above 1e308 or below 1e-308), and, where
    one term has next to no weight, exponents of up to 30 for it, at which a step that samples the rest diverges. The
    literature's exponents are .05 to 1. The rule asks about parameters alone, so it cuts the prior and the posterior
    alike, and ranks stay uniform.
    """
    fine = np.array(True)
    for parameter in structure.law.parameters:
        value = np.asarray(parameters[parameter.name])
        fine = fine & np.isfinite(value) & ((value > 0) | (parameter.support != "positive"))
        if parameter.name in EXPONENTS:
            fine = fine & (value <= MOST_EXPONENT)
    return fine


def _prior_draw(study: Study, rng: np.random.Generator) -> Arrays:
    """One draw of every sampled site; shared effects and a misfit's steps are standard normals."""
    structure = study.structure
    coordinates = coordinates_of(structure.law)
    stand_in = {coordinate: prior for prior, coordinate in coordinates.replaces}
    sites: Arrays = {}
    for name, shape in structure.sites:
        if shape or name.startswith("z_"):
            sites[name] = rng.standard_normal(shape)
        else:
            sites[name] = _of(study.prior[stand_in.get(name, name)], rng)
    with jax.enable_x64(True):
        for coordinate, name in stand_in.items():
            # The coordinate is the parameter shifted by other coordinates; at 0 it shows the shift.
            z = {n: jnp.asarray(sites[n]) for n in coordinates.names} | {coordinate: jnp.asarray(0.0)}
            center = {n: jnp.asarray(v) for n, v in study.observations.data["center"].items()}
            shift = coordinates.to_parameters(z, center)[name]
            sites[coordinate] = np.asarray(sites[coordinate] - np.asarray(shift))
    return sites


def _of(density: Density, rng: np.random.Generator) -> np.ndarray:
    standard = rng.standard_normal() if density.family == "normal" else rng.standard_t(density.df)
    return np.asarray(density.loc + density.scale * standard)


def _predicted(study: Study, sites: Arrays) -> tuple[Arrays, np.ndarray, np.ndarray]:
    """What follows from the sites, and the mean and scale of every run's ln(loss)."""
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, study.observations.data)
        found, mean, scale = _predictor(study.structure)(
            {n: jnp.asarray(v, jnp.float64) for n, v in sites.items()}, data
        )
        return {n: np.asarray(v) for n, v in found.items()}, np.asarray(mean), np.asarray(scale)


@lru_cache(maxsize=8)
def _predictor(structure: Structure) -> Any:
    return jax.jit(partial(rows_at, structure))
