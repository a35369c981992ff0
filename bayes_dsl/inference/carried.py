"""What one study, or a publication, leaves to the next as a prior of its law's coefficients.

Carried are the coefficients, as one joint density (`joint.py`). Noise, shared effects and misfit belong to their study
and keep the package's priors. A posterior is carried as the normal density with the mean and covariance of its draws
in the centred coordinates of its own table, in which posteriors are nearly round (`coordinates.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bayes_dsl.errors import CountingMismatch, Fault, InputError
from bayes_dsl.inference.coordinates import SUPERVISED_NAMES, coordinates_of
from bayes_dsl.inference.joint import Joint
from bayes_dsl.inference.priors import NOISE_DENSITIES, Prior, default_prior
from bayes_dsl.inference.seen import digests, joined, refuse_seen
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.runs.table import RunTable


@dataclass(frozen=True, kw_only=True)
class CarriedPrior:
    """A belief about a law's coefficients that no table has met yet: `fit(table, prior=...)` takes it.

    Attributes
    ----------
    law : Law
        Whose coefficients it is about.
    joint : Joint
        The density of all its coordinates.
    counting : str or None
        How its parameters are counted, "non_embedding" or "total"; None where nobody stated it.
    """

    law: Law
    joint: Joint
    counting: str | None = None

    def __str__(self) -> str:
        return f"{self.law.name} law, {self.joint.origin}"

    def inflated(self, factor: float) -> CarriedPrior:
        """The same belief with standard deviations `factor` times as large: for a study that is only alike.

        Raises
        ------
        InputError
            The factor is no finite number above 0.
        """
        if factor == 1.0:
            return self
        joint = replace(self.joint.inflated(factor), origin=f"{self.joint.origin}, inflate {factor:g}")
        return replace(self, joint=joint)

    def law_for(self, table: RunTable) -> Law:
        """The law that a table takes with this prior where none is named.

        The distillation law where there are distilled rows; otherwise the prior's own, or of a distillation prior
        the supervised part.
        """
        if np.any(table.used.values("role") == "distilled"):
            return self.law if self.law.explains("distilled") else DISTILLATION
        return SUPERVISED if self.law == DISTILLATION else self.law

    def onto(self, table: RunTable, law: Law) -> Prior:
        """The prior of a law given this table: what is carried, and the package's densities for the rest.

        On supervised runs alone a distillation prior leaves its supervised part, the rest integrated out. On
        distilled runs a supervised prior stands for the supervised part, and the distilled part has default
        densities. Otherwise the law must be the prior's own: gamma fixed at 1 (Chinchilla) and gamma free are two
        laws, because a posterior at gamma = 1 says nothing about gamma, and a normal density fitted far from
        gamma = 1 says nothing reliable there.

        Raises
        ------
        InputError
            The law is another one.
        CountingMismatch
            Parameters are counted in another way.
        TableError
            The table has runs that the prior was learnt from.
        """
        self._refuse_other_law(law)
        self._refuse_other_counting(table)
        refuse_seen(table, self.joint.seen, self.joint.origin)
        joint = self.joint
        if law == SUPERVISED != self.law:
            joint = joint.marginal(SUPERVISED_NAMES)
        coordinates = coordinates_of(law)
        if set(joint.names) == set(coordinates.names):
            return Prior(densities=NOISE_DENSITIES, joint=joint)
        default = default_prior(law, typical_loss=float(np.median(table.used.values("loss"))))
        rest = tuple(density for density in default.densities if density.name not in joint.names)
        return Prior(densities=rest, joint=joint)

    def _refuse_other_law(self, law: Law) -> None:
        if law == self.law or {law, self.law} == {SUPERVISED, DISTILLATION}:
            return
        rule = f"the prior is of the {self.law.name} law, whose coefficients are others"
        remedy = f"Fit the {self.law.name} law (--law {self.law.name}), or start from the default prior"
        if {law.name, self.law.name} in ({"chinchilla", "supervised"}, {"chinchilla", "distillation"}):
            rule = f"the prior is of the {self.law.name} law: gamma fixed at 1 and gamma free are two laws"
        raise InputError(
            Fault(where=f"prior ({self.joint.origin})", what="law", value=law.name, rule=rule, remedy=remedy)
        )

    def _refuse_other_counting(self, table: RunTable) -> None:
        if None in (self.counting, table.counting) or self.counting == table.counting:
            return
        raise CountingMismatch(
            Fault(
                where=table.source,
                what="counting",
                value=str(table.counting),
                rule=f"the prior ({self.joint.origin}) is of params counted as {self.counting}",
                remedy=f"Give params counted as {self.counting}, or start from another prior",
            )
        )


def carried_posterior(
    law: Law,
    draws: Mapping[str, np.ndarray],
    *,
    center: Mapping[str, float],
    table: RunTable,
    former: Joint | None,
) -> CarriedPrior:
    """The normal density with the mean and covariance of a posterior's draws, as a prior.

    Parameters
    ----------
    law : Law
    draws : mapping of str to array
        Its coordinates about `center`, (draws,) each.
    center : mapping of str to float
        Of the posterior's table.
    table : RunTable
        What the posterior was conditioned on.
    former : Joint or None
        The carried prior that the posterior itself had: the runs of that one have been seen too.

    Raises
    ------
    InputError
        The draws do not spread in every direction.
    """
    names = coordinates_of(law).names
    z = np.stack([np.asarray(draws[name], np.float64) for name in names])
    origin = f"posterior of {table.source}, {len(table.used)} runs, sha256 {table.sha256}"
    joint = Joint(
        names=names,
        mean=tuple(z.mean(axis=1).tolist()),
        covariance=tuple(tuple(row) for row in np.atleast_2d(np.cov(z)).tolist()),
        center=tuple((name, float(value)) for name, value in center.items()),
        origin=origin if former is None else f"{origin}, itself on the prior ({former.origin})",
        seen=joined(digests(table), () if former is None else former.seen),
    )
    return CarriedPrior(law=law, joint=joint, counting=table.counting)
