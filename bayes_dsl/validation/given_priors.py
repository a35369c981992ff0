"""Priors given for laws that are compared or back-tested: what will not do is refused before anything is sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.fit import default_law
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.prior_for import prior_for, refuse_mismatch
from bayes_dsl.inference.priors import Prior, density_names, without_default
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable


def refuse_unfit(table: RunTable, law: Law, prior: Prior | CarriedPrior | None) -> None:
    """Refuse what `fit` would refuse of a law and its prior on the whole table, the held-out rows among them.

    Raises
    ------
    InputError
        The law is not the package's and has no prior, or the prior does not fit it.
    CountingMismatch, TableError
        A carried prior counts parameters otherwise, or has seen rows of the table.
    """
    refuse_mismatch(observe(table, law=law, prior=prior_for(table, law, prior)).structure)


def refuse_unfit_priors(
    table: RunTable, laws: Sequence[Law], priors: Mapping[str, Prior | CarriedPrior]
) -> None:
    """Refuse priors that do not fit the laws that are compared, and laws that need one and have none.

    Raises
    ------
    InputError
        A law that is not the package's has no prior, or a prior is of no law here (all of them are listed); or see
        `refuse_unfit`, also for CountingMismatch and TableError.
    """
    faults = tuple(_faults(laws, priors))
    if faults:
        raise InputError(faults)
    for law in laws:
        if law.name in priors:
            refuse_unfit(table, law, priors[law.name])


def law_of_prior(table: RunTable, law: Law | None, prior: Prior | CarriedPrior | None) -> Law | None:
    """The law of a back-test's posteriors, None for the default of `fit`, once its prior is known to fit it.

    With a prior, every part of the table takes one law: that of the whole table.

    Raises
    ------
    InputError, CountingMismatch, TableError
        See `refuse_unfit`.
    """
    if prior is None and (law is None or not without_default(law)):
        return law
    if law is None:
        law = prior.law_for(table) if isinstance(prior, CarriedPrior) else default_law(table)
    refuse_unfit(table, law, prior)
    return law


def origin_of(law: Law, prior: Prior | CarriedPrior) -> str:
    """Whence a law's coefficients had their prior, in a line."""
    origin = "densities of your own" if prior.joint is None else prior.joint.origin
    return f"prior of the {law.name} law: {origin}"


def _faults(laws: Sequence[Law], priors: Mapping[str, Prior | CarriedPrior]) -> Iterator[Fault]:
    names = [law.name for law in laws]
    for name in priors:
        if name not in names:
            rule, remedy = "no law of this name is compared", f"The laws here are {', '.join(names)}"
            yield Fault(where="laws compare", what="priors", value=repr(name), rule=rule, remedy=remedy)
    for law in laws:
        if law.name not in priors and without_default(law):
            rule = "only the package's own laws have a default prior"
            remedy = f"Pass priors={{{law.name!r}: prior_of_your_own(...)}} with a density for "
            yield Fault(
                where="laws compare",
                what=f"prior of the {law.name} law",
                value="none given",
                rule=rule,
                remedy=remedy + ", ".join(density_names(law)),
            )
