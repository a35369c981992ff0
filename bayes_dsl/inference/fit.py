"""From a run table to a posterior: observe, sample, diagnose, keep."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import xarray as xr

from bayes_dsl.costs.flops import CostModel, check_counting
from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.diagnostics import Diagnostics, diagnose
from bayes_dsl.inference.identification import prior_draws
from bayes_dsl.inference.misfit import (
    BARE_LAW,
    DRIFT,
    Misfit,
    drifts_gap,
    misfit_of,
    students_held,
    with_misfit,
)
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.paths import beyond
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.prior_for import prior_for, refuse_mismatch
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.sampler import Progress, Sampled, sample
from bayes_dsl.inference.settings import CAREFUL, Settings
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.runs.table import RunTable

PRIOR_DRAWS = 2000
# Intercepts far from the data and one half of a pair each: their coordinates are judged instead.
NOT_GATED = ("A", "B", "A_prime", "B_prime", "c_1", "d_1")
DEFAULT_SETTINGS = Settings()


def default_law(table: RunTable) -> Law:
    """The distillation law where there are distilled rows to explain, otherwise the supervised one."""
    return DISTILLATION if np.any(table.used.values("role") == "distilled") else SUPERVISED


def fit(
    table: RunTable,
    *,
    law: Law | None = None,
    prior: Prior | CarriedPrior | None = None,
    misfit: Misfit | Literal["default"] | None = "default",
    seed: int = 0,
    settings: Settings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
    cost_model: CostModel | None = None,
) -> Posterior:
    """Sample the posterior of a law given a run table.

    Parameters
    ----------
    table : RunTable
        Rows with status ok are conditioned on.
    law : Law, optional
        Default: the distillation law where there are distilled rows, otherwise the supervised law (free gamma), or
        that of a carried prior.
    prior : Prior or CarriedPrior, optional
        Default: `default_prior(law, typical_loss=median loss)`; a law of your own needs one. Or what another study
        (`Posterior.as_prior()`) or a publication (`prior_from_published(...)`) says of the coefficients.
    misfit : Misfit or None
        How far the world may leave the law, on supervised runs and in the gap of distilled ones; None: the bare law.
        Default: `Misfit()`, or None with a note where the law knows neither size nor tokens, or there are no
        supervised rows. Densities of the prior that bear the misfit's names take the place of its own.
    seed : int
        The same seed gives the same bits on one machine, whatever the number of cores.
    settings : Settings
        Chains, warm-up, draws, target acceptance (default: .95, with a misfit .99), tree depth.
    progress : callable, optional
        Called with (iterations done, iterations in all) as blocks of iterations end.
    cost_model : CostModel, optional
        What the table's networks cost per token: kept with the posterior, for decisions.

    Raises
    ------
    CountingMismatch
        The cost model, or a carried prior, counts parameters otherwise than the table.
    TableError
        The table has rows that the law does not explain, or no usable row; or a misfit and no supervised row; or
        rows that a carried prior has seen.
    InputError
        A misfit is asked for, and the law has neither size nor tokens for it to drift along; or a carried prior is
        of another law; or a prior lacks a density of what is sampled, or has one of what is not.
    NotConverged
        The draws fail the health gate; they are on the error's `posterior`.
    """
    if cost_model is not None:
        check_counting(cost_model, table.counting)
    if isinstance(prior, CarriedPrior):
        law = prior.law_for(table) if law is None else law
    law = default_law(table) if law is None else law
    prior = prior_for(table, law, prior)
    without: tuple[str, ...] = ()
    if misfit == "default":
        misfit, without = misfit_of(law, table.used)
    if misfit is not None:
        prior = replace(
            prior, densities=with_misfit(prior, misfit, gap=drifts_gap(misfit, law, table.used)).densities
        )
        without = (*without, *students_held(misfit, law, table.used))
    observations = observe(table, law=law, prior=prior, misfit=misfit)
    refuse_mismatch(observations.structure)
    accept, again = settings.acceptance(misfit=misfit is not None), list[str]()
    settings = replace(settings, target_accept=accept)
    posterior = _sampled(table, observations, prior, settings, seed, progress)
    for careful in CAREFUL if settings.retry else ():
        diverged = posterior.diagnostics.divergences
        if diverged and accept < careful:
            again.append(
                f"sampled with target_accept {careful:g}: at {accept:g}, {diverged} of "
                f"{posterior.diagnostics.draws:,} draws diverged"
            )
            accept, settings = careful, replace(settings, target_accept=careful)
            posterior = _sampled(table, observations, prior, settings, seed, progress)
    if again:
        posterior.tree.attrs["notes"] = json.dumps([*posterior.notes, *again])
    if without:
        posterior.tree.attrs["notes"] = json.dumps([*posterior.notes, *without])
    if cost_model is not None:
        posterior.tree.attrs["cost_model"] = json.dumps(cost_model.record(), sort_keys=True)
    problems = posterior.diagnostics.problems()
    if problems:
        raise NotConverged(
            "posterior: health gate not passed; " + " ".join(problems),
            diagnostics=posterior.diagnostics,
            posterior=posterior,
        )
    return posterior


def _sampled(
    table: RunTable,
    observations: Observations,
    prior: Prior,
    settings: Settings,
    seed: int,
    progress: Progress | None,
) -> Posterior:
    """The posterior of one attempt, healthy or not; chains that are too short go on."""
    judged: list[tuple[Sampled, Diagnostics]] = []

    def enough(sampled: Sampled) -> bool:
        found = _diagnosed(observations, sampled)
        judged[:] = [(sampled, found)]
        return not found.short

    sampled = sample(observations, settings=settings, seed=seed, progress=progress, enough=enough)
    # Chains that went on to the most draws were judged when they were shorter: not these draws.
    known = next((found for those, found in judged if those is sampled), None)
    return _posterior(table, observations, sampled, prior, settings, seed, known)


def versions() -> dict[str, str]:
    """Versions of everything that a posterior's bits depend on."""
    packages = ("bayes-dsl", "jax", "jaxlib", "numpyro", "arviz", "numpy", "xarray")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _posterior(
    table: RunTable,
    observations: Observations,
    sampled: Sampled,
    prior: Prior,
    settings: Settings,
    seed: int,
    diagnostics: Diagnostics | None = None,
) -> Posterior:
    law, used = observations.structure.law, table.used
    runs = [str(run) for run in used.values("run_id")[observations.order]]
    sites, reported, stats = _groups(observations, sampled)
    diagnostics = diagnostics or _diagnosed(observations, sampled)
    center = observations.data["center"]
    prior_group = prior_draws(law, prior, center, draws=PRIOR_DRAWS, seed=seed)
    csv = np.frombuffer(table.to_csv_text().encode("utf-8"), dtype=np.uint8)
    names = ("params", "tokens", "teacher_loss")
    constant = {name: ("run", used.values(name)[observations.order]) for name in names}
    constant["line"] = ("run", np.asarray(used.lines)[observations.order])
    if prior.joint is not None:
        constant["prior_seen"] = ("seen", np.array(prior.joint.seen, dtype=np.int64))
    tree = xr.DataTree.from_dict(
        {
            "/posterior": reported,
            "/unconstrained_posterior": sites,
            "/sample_stats": stats,
            "/log_likelihood": xr.Dataset(
                {"log_loss": (("chain", "draw", "run"), sampled.log_likelihood)}, coords={"run": runs}
            ),
            "/observed_data": xr.Dataset(
                {"log_loss": ("run", np.asarray(observations.data["log_loss"]))}, coords={"run": runs}
            ),
            "/constant_data": xr.Dataset(
                {**constant, "table_csv": ("byte", csv), "row": ("run", observations.order)},
                coords={"run": runs},
            ),
            "/prior": _dataset({name: draws[None] for name, draws in prior_group.items()}, {}),
        }
    )
    if observations.grids:
        drawn = beyond(observations.grids, shape=(settings.chains, sites.sizes["draw"]), seed=seed)
        arrays = {f"beyond_{axis}": steps for axis, steps in drawn.items()}
        tree["misfit"] = xr.DataTree(_dataset(arrays, {}))
    tree.attrs.update(_attributes(table, observations, diagnostics.to_record(), prior, settings, seed))
    return Posterior(law=law, tree=tree)


def _groups(observations: Observations, sampled: Sampled) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """What was sampled, what is reported, and NUTS' own numbers."""
    coords = {name: list(levels) for name, levels in observations.levels.items()}
    slopes = {name: draws for name, draws in sampled.sites.items() if name.startswith("noise_slope")}
    reported = _dataset({**sampled.parameters, **slopes}, coords)
    return _dataset(sampled.sites, coords), reported, _dataset(sampled.stats, {})


def _diagnosed(observations: Observations, sampled: Sampled) -> Diagnostics:
    sites, reported, stats = _groups(observations, sampled)
    gated = [name for name in reported.data_vars if name not in NOT_GATED]
    return diagnose(sites, reported[gated], stats)


def _attributes(
    table: RunTable,
    observations: Observations,
    diagnostics: dict[str, Any],
    prior: Prior,
    settings: Settings,
    seed: int,
) -> dict[str, str | int]:
    structure = observations.structure
    records: dict[str, Any] = {
        "prior": prior.to_records(),
        "settings": asdict(settings),
        "versions": versions(),
        "notes": [*table.notes, *observations.notes],
        "center": observations.data["center"],
        "token_span": {role: observations.data["token_span"][role] for role in structure.sloped},
        "diagnostics": diagnostics,
    }
    if prior.joint is not None:
        records["prior_joint"] = prior.joint.to_record()
    if observations.grids:
        records["misfit_grids"] = {axis: grid.to_record() for axis, grid in observations.grids.items()}
    return {
        "law": structure.law.name,
        "law_source": structure.law.source,
        "misfit": DRIFT if observations.grids else BARE_LAW,
        "seed": seed,
        "counting": table.counting or "",
        "table_source": table.source,
        "table_sha256": table.sha256,
        **{name: json.dumps(record, sort_keys=True) for name, record in records.items()},
    }


def _dataset(arrays: dict[str, np.ndarray], coords: dict[str, list[str]]) -> xr.Dataset:
    """Arrays (chain, draw[, level]) as a data set whose third dimension carries the effect's name."""
    variables, used = {}, {}
    for name, array in arrays.items():
        dims: tuple[str, ...] = ("chain", "draw")
        if array.ndim == 3:
            effect = name.removeprefix("z_").removeprefix("effect_")
            effect = effect.replace("steps_", "knot_").replace("beyond_", "far_knot_")
            dims = (*dims, effect)
            if effect in coords:
                used[effect] = coords[effect]
        variables[name] = (dims, array)
    shape = next(iter(arrays.values())).shape
    return xr.Dataset(variables, coords={"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), **used})
