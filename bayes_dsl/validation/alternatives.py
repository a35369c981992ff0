"""What could have been assumed in place of a posterior's prior, and how that weighs its draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.misfit import BARE_LAW
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Density, Prior
from bayes_dsl.validation.log_prior import flat, log_prior

Floats = NDArray[np.float64]
About = Literal["priors", "E", "tail", "misfit"]

E_AT = (0.05, 0.5, 0.95)
"""Quantiles of its own posterior at which E is fixed, unless values are given."""
WITHIN, WITHIN_ANEW = 0.3, 0.05
"""How narrow "fixed" is, in posterior standard deviations of ln E: among the draws at hand, and sampled anew."""
EVERY_PRIOR = "every prior"
TAIL_MOVES = 2.0
"""How far the prior of ln(nu - 1) is moved, in its own standard deviations."""

_LEFT_OVER, _LOSS, _TAIL, _MISFIT = "log_m_over_E", "log_L_center", "log_nu_minus_1", "log_drift_"


@dataclass(frozen=True, kw_only=True, eq=False)
class Alternative:
    """One other assumption.

    Attributes
    ----------
    name : str
        In words, to follow "with".
    about : "priors", "E", "tail" or "misfit"
    log_ratio : array (draw,)
        ln of how much more probable it makes each draw, up to a constant.
    prior : Prior or None
        Under which to sample anew; None where `fit` has none that says it.
    E : float or None
        Where it fixes E, nats per token.
    """

    name: str
    about: About
    log_ratio: Floats
    prior: Prior | None
    E: float | None = None

    def off(self, posterior: Posterior) -> Floats | None:
        """How far ln E of each draw still is from where it is fixed, (draw,); None where it is not."""
        return None if self.E is None else np.log(posterior.draws("E")) - log(self.E)


def alternatives(posterior: Posterior, *, E: Sequence[float] = ()) -> tuple[Alternative, ...]:
    """All that is asked of a posterior.

    Every prior half and twice as wide; E fixed at 5, 50 and 95 % of its posterior, or at the values given (nats per
    token); the prior of the tail moved by two standard deviations to either side; and, where the posterior has a
    misfit, its scales halved and doubled.

    Raises
    ------
    InputError
        A value of E is not a positive number, or the law has no E; or the posterior does not hold its coordinates.
    """
    own = log_prior(posterior)
    prior = posterior.prior

    def other(name: str, about: About, changed: Prior) -> Alternative:
        under = log_prior(posterior, changed)
        ratio = np.sum([under[one] - own[one] for one in own], axis=0)
        return Alternative(name=name, about=about, log_ratio=ratio, prior=changed)

    found = [
        other(f"{EVERY_PRIOR} half as wide", "priors", prior.with_scales(0.5)),
        other(f"{EVERY_PRIOR} twice as wide", "priors", prior.with_scales(2.0)),
        *_floors(posterior, E),
    ]
    tail = prior[_TAIL]
    for name, sign in (("heavier tails", -1), ("tails nearer to normal", +1)):
        moved = replace(tail, loc=tail.loc + sign * TAIL_MOVES * tail.scale)
        found.append(other(f"{name} (nu about {1 + np.exp(moved.loc):.2g})", "tail", prior.replace(moved)))
    if posterior.misfit != BARE_LAW:
        for name, factor in (("half", 0.5), ("double", 2.0)):
            found.append(other(f"the misfit's scales at {name}", "misfit", _drifts(prior, factor)))
    return tuple(found)


def _drifts(prior: Prior, factor: float) -> Prior:
    """The prior with the medians of the misfit's scales multiplied."""
    return _changed(prior, _MISFIT, lambda density: replace(density, loc=density.loc + log(factor)))


def _changed(prior: Prior, start: str, change: Callable[[Density], Density]) -> Prior:
    return prior.replace(*(change(density) for density in prior.densities if density.name.startswith(start)))


def _floors(posterior: Posterior, asked: Sequence[float]) -> list[Alternative]:
    """E fixed, as a narrow density of ln E times the posterior.

    The posterior given E, whatever coordinate it is thought in. Sampled anew, the density stands on ln(m/E): the
    data tell the loss E + m at their centre closely, so that the one fixes the other.
    """
    _refuse_floors(posterior, asked)
    if "E" not in posterior.law.names:
        return []
    log_E = np.log(posterior.draws("E"))
    sd = float(np.std(log_E))
    if asked:
        values = {f"E fixed at {value:.4g}": log(value) for value in asked}
    else:
        values = {
            f"E fixed at {np.exp(at):.4g} ({100 * share:.0f} % of its posterior)": float(at)
            for share, at in zip(E_AT, np.quantile(log_E, E_AT), strict=True)
        }
    return [
        Alternative(
            name=name,
            about="E",
            log_ratio=-0.5 * ((log_E - at) / (WITHIN * sd)) ** 2,
            prior=_floor_prior(posterior, at, WITHIN_ANEW * sd),
            E=float(np.exp(at)),
        )
        for name, at in values.items()
    ]


def _floor_prior(posterior: Posterior, log_E: float, width: float) -> Prior | None:
    """The prior with a density of ln(m/E) so narrow that ln E is fixed to about `width`; None where there is none."""
    if _LEFT_OVER not in posterior.prior.names or posterior.prior.joint is not None:
        return None
    excess = float(np.median(flat(posterior, "unconstrained_posterior", _LOSS))) - log_E
    if excess <= 0:
        return None  # E above the loss at the centre
    left_over = np.expm1(excess)
    share = left_over / (1.0 + left_over)
    return posterior.prior.replace(
        Density(
            name=_LEFT_OVER,
            loc=float(np.log(left_over)),
            scale=width / share,
            reason=f"E is taken to be {np.exp(log_E):.4g}, to see what depends on it",
        )
    )


def _refuse_floors(posterior: Posterior, asked: Sequence[float]) -> None:
    faults = [
        Fault(
            where="sensitivity",
            what="E",
            value=f"{value}",
            rule="the loss that no size and no tokens take away is a number above 0, in nats per token",
            remedy="Give one such as 1.7, or none for quantiles of its posterior",
        )
        for value in asked
        if not (isfinite(value) and value > 0)
    ]
    if asked and "E" not in posterior.law.names:
        faults.append(
            Fault(
                where="sensitivity",
                what="E",
                value=f"{asked[0]}",
                rule=f"the {posterior.law.name} law has no E to fix",
                remedy="Leave it out",
            )
        )
    if faults:
        raise InputError(faults)
