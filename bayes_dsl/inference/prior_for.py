"""The prior that a law takes to a table: which one, what it is called, and whether it says what is sampled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.observations import Structure
from bayes_dsl.inference.priors import (
    NOISE_DENSITIES,
    Density,
    Prior,
    default_prior,
    density_names,
    without_default,
)
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable


def prior_for(table: RunTable, law: Law, prior: Prior | CarriedPrior | None) -> Prior:
    """The prior itself, what is carried brought to this table, or the package's own where there is none.

    Raises
    ------
    InputError
        There is none, and the law is not the package's; or a carried prior is of another law.
    CountingMismatch, TableError
        A carried prior counts parameters otherwise, or has seen runs of the table.
    """
    if isinstance(prior, CarriedPrior):
        return prior.onto(table, law)
    if prior is None:
        return default_prior(law, typical_loss=float(np.median(table.used.values("loss"))))
    return prior


def prior_told(prior: Prior, law: Law, table: RunTable) -> str | None:
    """Whence the prior of a law's coefficients, in a line that tells priors apart; None for the package's own."""
    if prior.joint is not None:
        return prior.joint.origin
    told = [_plain(prior[name]) for name in density_names(law)]
    if not without_default(law):
        own = prior_for(table, law, None)
        if told == [_plain(own[name]) for name in density_names(law)]:
            return None
    return f"densities of your own, sha256 {hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]}"


def _plain(density: Density) -> list[str | float]:
    return [density.name, density.family, density.loc, density.scale, density.df]


def refuse_mismatch(structure: Structure) -> None:
    """Refuse a prior that lacks a density of what is sampled, or has one of what is not.

    Densities of noise, shared effects and misfit may be there for tables that have none of them.

    Raises
    ------
    InputError
        Every such name is listed; or the law is one of your own with a parameter that is not positive.
    """
    faults = tuple(_faults(structure))
    if faults:
        raise InputError(faults)


def _faults(structure: Structure) -> Iterator[Fault]:
    where, own = f"law {structure.law.name}", density_names(structure.law)
    coordinates, (carried, _) = coordinates_of(structure.law), structure.carried
    named = dict(zip(coordinates.names, own, strict=True))
    sampled = [name for name, shape in structure.sites if shape == () and name not in carried]
    missing = [name for name in (named.get(one, one) for one in sampled) if name not in structure.prior_names]
    misfit = Misfit().densities(gap=True)
    known = {*own, *(density.name for density in (*NOISE_DENSITIES, *misfit))}
    strange = [name for name in structure.prior_names if name not in known]
    remedy = (
        f"The law's own are {', '.join(own)} (a positive alpha is sampled as log_alpha); "
        "prior_of_your_own(...) adds those of noise and shared effects"
    )
    if missing:
        rule = f"it has no density for {', '.join(missing)}"
        yield Fault(
            where=where, what="prior", value=", ".join(structure.prior_names), rule=rule, remedy=remedy
        )
    if strange:
        rule = "nothing that is sampled has this name"
        yield Fault(where=where, what="prior", value=", ".join(strange), rule=rule, remedy=remedy)
    # The sampler names a coordinate and what follows from it apart: here both would have one name.
    for name in sorted(set(coordinates.names) & set(structure.law.names)):
        rule = "a law of your own is sampled in logarithms, and this parameter may be negative"
        remedy = "Write it as a positive parameter less a constant, with support='positive'"
        yield Fault(where=where, what="parameter", value=name, rule=rule, remedy=remedy)
