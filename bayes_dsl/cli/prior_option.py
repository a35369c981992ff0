"""`--prior-from`: what a saved posterior, or a publication, says of the coefficients before the table is read."""

from __future__ import annotations

from pathlib import Path

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.published_prior import prior_from_published

PUBLISHED = "published:"


def prior_of(
    named: str | None, *, inflate: float | None, accept_unhealthy: bool, verb: str = "fit"
) -> CarriedPrior | None:
    """Return the prior that `--prior-from FILE.nc|published:NAME` names, or None for the package's own.

    Raises
    ------
    InputError
        `--inflate` stands without a prior to inflate, or is no factor.
    FileRefused, UnhealthyPosterior, UnknownName
        The file, or the name, will not do.
    """
    if named is None:
        if inflate is None:
            return None
        raise InputError(
            Fault(
                where=verb,
                what="--inflate",
                value=f"{inflate:g}",
                rule="it widens the prior that --prior-from names, and none is named",
                remedy="Add --prior-from FILE.nc or --prior-from published:NAME, or leave it out",
            )
        )
    factor = 1.0 if inflate is None else inflate
    if named.startswith(PUBLISHED):
        return prior_from_published(named.removeprefix(PUBLISHED), inflate=factor)
    return Posterior.load(Path(named)).as_prior(inflate=factor, accept_unhealthy=accept_unhealthy)
