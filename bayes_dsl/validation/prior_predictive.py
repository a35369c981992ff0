"""Did the prior expect runs like these?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.observations import Observations
from bayes_dsl.inference.priors import Prior
from bayes_dsl.validation.ranks import holm
from bayes_dsl.validation.replicates import prior_sites, rows_of
from bayes_dsl.validation.worlds import possible_draws

Floats = NDArray[np.float64]

PRIOR_TABLES = 2000
"""Tables made from the prior, before those that no law could have made are left out."""
LEAST_TABLES = 200
PROB = 0.9
LEVEL = 0.05
"""p value, after Holm's correction, at or below which a table is a surprise."""


@dataclass(frozen=True, kw_only=True)
class PriorCheck:
    """The table among tables of the same rows that were made from the prior.

    Attributes
    ----------
    tables : int
        Made from the prior; `refused` more were no law (`worlds.possible_draws`).
    inside : float
        Share of rows whose loss lies in the prior's central interval of probability `prob` for that row.
    width : float
        That interval's upper end over its lower one, the median over the rows.
    median_place, range_place : float
        Share of the prior's tables whose median loss, and whose largest loss over its smallest, lie below this
        table's.
    p_inside, p_median, p_range : float
        How often the prior's own tables are as extreme (two-sided for median and range), after Holm's correction
        over the three.
    """

    tables: int
    refused: int
    prob: float
    inside: float
    width: float
    median_place: float
    range_place: float
    p_inside: float
    p_median: float
    p_range: float

    @property
    def conflicts(self) -> tuple[str, ...]:
        """What the prior did not expect, a phrase each; none where the table is no surprise."""
        said = []
        for p, place, lower, higher in (
            (self.p_median, self.median_place, "its median loss is lower", "its median loss is higher"),
            (self.p_range, self.range_place, "its losses span less", "its losses span more"),
        ):
            if p <= LEVEL:
                side, share = (higher, place) if place > 0.5 else (lower, 1 - place)
                said.append(f"{side} than in {share:.1%} of the prior's tables")
        if self.p_inside <= LEVEL:
            said.append("too few of its rows lie in the prior's intervals")
        return tuple(said)

    def sentence(self) -> str:
        """The finding in a sentence or two."""
        told = (
            f"{self.inside:.0%} of the rows lie in the prior's central {self.prob:.0%} intervals, whose ends are a "
            f"factor of {self.width:.3g} in loss apart"
        )
        if not self.conflicts:
            return f"The prior expected losses like these: {told}."
        return (
            f"The table is a surprise to its prior: {'; '.join(self.conflicts)} ({told}). "
            "Say why the prior is right, or choose another one, before you use what follows from both."
        )


def prior_check(observations: Observations, prior: Prior, *, seed: int = 0) -> PriorCheck:
    """Make the table's rows anew from the prior, and say whether it stands out among such tables.

    Shared effects, teachers' errors and a misfit's paths are drawn from their priors too; params, tokens and the
    measured losses of teachers are the table's. The package's own prior is centred on the table's median loss, so
    that this median is no surprise to it by construction.

    Raises
    ------
    InputError
        Fewer than 200 of 2,000 draws of the prior are laws with finite losses.
    """
    rows = rows_of(observations, prior_sites(observations, prior, draws=PRIOR_TABLES, seed=seed))
    fine = possible_draws(observations.structure, rows.parameters)
    fine = fine & np.all(np.isfinite(rows.mean), axis=1) & np.all(np.isfinite(rows.scale), axis=1)
    if np.sum(fine) < LEAST_TABLES:
        raise InputError(
            Fault(
                where="prior",
                what="draws that are laws",
                value=f"{np.sum(fine)} of {PRIOR_TABLES}",
                rule=f"at least {LEAST_TABLES} are needed to say what the prior expects",
                remedy="Give a prior whose draws are laws",
            )
        )
    made = rows.chosen(fine).replicated(np.random.default_rng((seed, 6)))
    log_loss = np.asarray(observations.data["log_loss"], dtype=np.float64)
    lower, upper = np.quantile(made, [0.5 - PROB / 2, 0.5 + PROB / 2], axis=0)
    inside = np.mean((made >= lower) & (made <= upper), axis=1)
    inside_here = float(np.mean((log_loss >= lower) & (log_loss <= upper)))
    median_place = _place(float(np.median(log_loss)), np.median(made, axis=1))
    range_place = _place(float(np.ptp(log_loss)), np.ptp(made, axis=1))
    count = len(made) + 1
    p = holm(
        np.array(
            [
                (1 + np.sum(inside <= inside_here)) / count,
                *(
                    2 * (1 + min(place, 1 - place) * len(made)) / count
                    for place in (median_place, range_place)
                ),
            ]
        )
    )
    return PriorCheck(
        tables=len(made),
        refused=PRIOR_TABLES - len(made),
        prob=PROB,
        inside=inside_here,
        width=float(np.exp(np.median(upper - lower))),
        median_place=median_place,
        range_place=range_place,
        p_inside=float(p[0]),
        p_median=float(p[1]),
        p_range=float(p[2]),
    )


def _place(value: float, made: Floats) -> float:
    return float(np.mean(made < value))
