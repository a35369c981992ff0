"""How far a forecast moves where something else had been assumed: other priors, E, tails, or misfit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import ExtrapolationWarning, Fault, InputError, NotConverged
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.misfit import BARE_LAW, Misfit
from bayes_dsl.inference.paths import students_drift
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.validation.alternatives import About, Alternative, alternatives
from bayes_dsl.validation.reweighing import Reweighed, levelled, reweighed, weighted_quantiles

Floats = NDArray[np.float64]
Target = Literal["expected", "next_run"]
Sampling = Literal["never", "needed", "all"]

MATTERS = 0.25
"""A shift beyond this share of the interval's width is told with the forecast."""
REWEIGHED, ANEW = "reweighed", "sampled anew"

_OPENINGS: dict[About, str] = {
    "priors": "The interval leans on priors",
    "E": "What is asked depends on E",
    "tail": "The interval leans on how heavy the tails of the scatter are taken to be",
    "misfit": "The interval leans on the misfit's scales",
}


@dataclass(frozen=True, kw_only=True)
class Ends:
    """A loss in nats per token: its median, and the ends of its equal-tailed interval."""

    median: float
    lower: float
    upper: float

    @property
    def width(self) -> float:
        return self.upper - self.lower


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The forecast under one alternative.

    Attributes
    ----------
    name, about : str
        The alternative in words, and what it is about.
    ends : Ends
    shifts : Ends
        How far each of them moved, in widths of the forecast's own interval.
    method : "reweighed" or "sampled anew"
    pareto_k, effective_draws : float
        Of the weights, whether or not they were used.
    """

    name: str
    about: About
    ends: Ends
    shifts: Ends
    method: str
    pareto_k: float
    effective_draws: float

    @property
    def farthest(self) -> tuple[str, float]:
        """Which of median, lower end and upper end moved most, and how far (signed).

        To fix E takes a doubt away, so that the ends close in whatever it is fixed at: there the median is judged.
        """
        moves = {"median": self.shifts.median}
        if self.about != "E":
            moves |= {"lower end": self.shifts.lower, "upper end": self.shifts.upper}
        name = max(moves, key=lambda one: abs(moves[one]))
        return name, moves[name]

    @property
    def matters(self) -> bool:
        return abs(self.farthest[1]) > MATTERS

    def sentence(self) -> str:
        what, move = self.farthest
        goes = "rises" if move > 0 else "falls"
        return f"with {self.name} its {what} {goes} by {100 * abs(move):.0f} % of the interval's width"


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """A forecast, and how far it moves under each alternative.

    `own` is the forecast as it stands, `prob` its probability, `about` the "expected" loss or that of the
    "next_run"; `not_told` has a sentence for every alternative that is not among `rows`, with the reason,
    `not_asked` one for what this posterior has nothing of.
    """

    inputs: dict[str, float]
    about: Target
    prob: float
    own: Ends
    rows: tuple[Moved, ...]
    not_told: tuple[str, ...]
    not_asked: tuple[str, ...]

    @property
    def matters(self) -> bool:
        return any(row.matters for row in self.rows)

    def sentences(self) -> tuple[str, ...]:
        """What matters: one sentence for each thing that the forecast leans on, about its farthest alternative."""
        found = []
        for about, opening in _OPENINGS.items():
            rows = [row for row in self.rows if row.about == about and row.matters]
            if rows:
                worst = max(rows, key=lambda row: abs(row.farthest[1]))
                found.append(f"{opening}: {worst.sentence()}")
        return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighed:
    """The alternatives to a posterior, each with the weights that it gives to the draws."""

    posterior: Posterior
    parts: tuple[tuple[Alternative, Reweighed], ...]

    @classmethod
    def of(cls, posterior: Posterior, *, E: Sequence[float] = ()) -> Weighed:
        """Weigh the draws, once for all that is asked of them."""
        chains = int(posterior.tree["posterior"].sizes["chain"])
        parts = [(one, reweighed(one.log_ratio, chains=chains)) for one in alternatives(posterior, E=E)]
        return cls(posterior=posterior, parts=tuple(parts))


def sensitivity(
    posterior: Posterior | Weighed,
    *,
    prob: float = 0.9,
    about: Target = "expected",
    E: Sequence[float] = (),
    anew: Sampling = "never",
    progress: Callable[[int, int], None] | None = None,
    **question: Any,
) -> Sensitivity:
    """How far a forecast moves under other assumptions (`alternatives` says which).

    The draws at hand are reweighed, where that can be relied on (Pareto k at most .7, at least 100 effective draws).

    Parameters
    ----------
    posterior : Posterior or Weighed
        `Weighed.of(posterior)` where several things are asked.
    prob : float
        Of the equal-tailed interval.
    about : "expected" or "next_run"
    E : sequence of float, optional
        Values to fix E at, nats per token; default: 5, 50 and 95 % of its posterior.
    anew : "never", "needed" or "all"
        Which alternatives to sample anew, from the posterior's own table with its seed and settings: none; those for
        which reweighing cannot be relied on; all of them.
    progress : callable, optional
        Called with (alternatives done, alternatives in all).
    **question
        One target, as in `expected_loss`.

    Raises
    ------
    InputError
        Several targets, or a value of E that is none, or the posterior does not hold its coordinates.
    """
    weighed = posterior if isinstance(posterior, Weighed) else Weighed.of(posterior, E=E)
    base = weighed.posterior
    inputs, loss = _loss(base, about, question)
    own = _ends(loss, None, prob)
    rows, not_told = [], []
    for done, (one, by_weight) in enumerate(weighed.parts):
        if anew == "all" or (anew == "needed" and not by_weight.reliable):
            found = sampled_anew(base, one)
            if isinstance(found, str):
                not_told.append(f"{one.name}: {found}")
            else:
                draws = _loss(found, about, question)[1]
                rows.append(_moved(one, own, _ends(draws, None, prob, one.off(found)), ANEW, by_weight))
        elif by_weight.reliable:
            ends = _ends(loss, by_weight.weights, prob, one.off(base))
            rows.append(_moved(one, own, ends, REWEIGHED, by_weight))
        else:
            not_told.append(f"{one.name}: too far from these draws to reweigh them ({by_weight.reason()})")
        if progress is not None:
            progress(done + 1, len(weighed.parts))
    return Sensitivity(
        inputs=inputs,
        about=about,
        prob=prob,
        own=own,
        rows=tuple(rows),
        not_told=tuple(not_told),
        not_asked=_not_asked(base),
    )


def sampled_anew(posterior: Posterior, alternative: Alternative) -> Posterior | str:
    """The posterior of the same table under an alternative, its seed and settings the same; or why there is none."""
    if alternative.prior is None:
        return "fit has no prior that says this"
    misfit = None
    if posterior.misfit != BARE_LAW:
        # Its densities come with the prior; its paths reach as far as they did.
        misfit = Misfit(
            reach=max(grid.reach for grid in posterior.grids.values()),
            students=students_drift(posterior.grids),
        )
    try:
        return fit(
            posterior.table,
            law=posterior.law,
            prior=alternative.prior,
            misfit=misfit,
            seed=posterior.seed,
            settings=Settings(**posterior.settings),
        )
    except NotConverged as failure:
        return f"sampled anew, it does not pass the health gate ({failure.diagnostics.line()})"


def _loss(posterior: Posterior, about: Target, question: dict[str, Any]) -> tuple[dict[str, float], Floats]:
    """What is asked, in the words of the run table, and its loss at every draw, (draw,)."""
    ask = expected_loss if about == "expected" else next_run_loss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        forecast = ask(posterior, **question)
    if forecast.loss.shape[1] != 1:
        raise InputError(
            Fault(
                where="sensitivity",
                what="targets",
                value=f"{forecast.loss.shape[1]}",
                rule="it is of one target",
                remedy="Ask for one after the other, of Weighed.of(posterior)",
            )
        )
    return {name: float(values[0]) for name, values in forecast.inputs.items()}, forecast.loss[:, 0]


def _ends(loss: Floats, weights: Floats | None, prob: float, off: Floats | None = None) -> Ends:
    """Of draws (draw,), of equal weight where none is given, carried to off = 0 where they are near a condition."""
    weights = np.full(len(loss), 1.0 / len(loss)) if weights is None else weights
    draws = loss if off is None else levelled(loss, weights, off)
    probs = ((1 - prob) / 2, 0.5, (1 + prob) / 2)
    lower, median, upper = (float(value) for value in weighted_quantiles(draws, weights, probs))
    return Ends(median=median, lower=lower, upper=upper)


def _moved(one: Alternative, own: Ends, ends: Ends, method: str, by_weight: Reweighed) -> Moved:
    shifts = {
        name: (getattr(ends, name) - getattr(own, name)) / own.width for name in ("median", "lower", "upper")
    }
    return Moved(
        name=one.name,
        about=one.about,
        ends=ends,
        shifts=Ends(**shifts),
        method=method,
        pareto_k=by_weight.pareto_k,
        effective_draws=by_weight.effective_draws,
    )


def _not_asked(posterior: Posterior) -> tuple[str, ...]:
    found = []
    if posterior.misfit == BARE_LAW:
        found.append("the misfit's scales: this posterior has no misfit, it takes the law to hold exactly")
    if "E" not in posterior.law.names:
        found.append(f"E: the {posterior.law.name} law has none")
    return tuple(found)
