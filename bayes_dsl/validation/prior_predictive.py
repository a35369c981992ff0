"""Did the prior expect runs like these?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.observations import Observations
from bayes_dsl.inference.priors import Prior
from bayes_dsl.validation.ranks import holm
from bayes_dsl.validation.replicates import prior_sites, role_rows, rows_of
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
    """The rows of one role among the same rows made from the prior.

    Attributes
    ----------
    role : str
    tables : int
        Made from the prior; `refused` more were no law (`worlds.possible_draws`).
    inside : float
        Share of the role's rows whose loss lies in the prior's central interval of probability `prob` for that row.
    width : float
        That interval's upper end over its lower one, the median over the rows.
    median_place, range_place : float
        Share of the prior's tables in which the role's median loss, and its largest loss over its smallest, lie
        below this table's.
    p_inside, p_median, p_range : float
        How often the prior's own tables are as extreme (two-sided for median and range), after Holm's correction
        over the three of every role.
    """

    role: str
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
        """What the prior did not expect, a phrase each; none where the rows are no surprise."""
        said = []
        for p, place, lower, higher in (
            (self.p_median, self.median_place, "their median loss is lower", "their median loss is higher"),
            (self.p_range, self.range_place, "their losses span less", "their losses span more"),
        ):
            if p <= LEVEL:
                side, share = (higher, place) if place > 0.5 else (lower, 1 - place)
                said.append(f"{side} than in {100 * share:.1f} % of the prior's tables")
        if self.p_inside <= LEVEL:
            said.append("too few of them lie in the prior's intervals")
        return tuple(said)

    def sentence(self) -> str:
        """The finding in a sentence or two."""
        told = (
            f"{100 * self.inside:.0f} % lie in its central {100 * self.prob:.0f} % intervals, whose ends are a factor "
            f"of {self.width:.3g} in loss apart"
        )
        if not self.conflicts:
            return f"The prior expected such losses of {self.role} rows: {told}."
        return (
            f"The {self.role} rows are a surprise to the prior: {'; '.join(self.conflicts)} ({told}). "
            "Say why the prior is right, or choose another one, before you use what follows from both."
        )


def prior_check(observations: Observations, prior: Prior, *, seed: int = 0) -> tuple[PriorCheck, ...]:
    """Make the table's rows anew from the prior, and say of each role whether it stands out among such tables.

    Shared effects, teachers' errors and a misfit's paths are drawn from their priors too; params, tokens and the
    measured losses of teachers are the table's. Roles are judged apart, since students keep to the measured losses
    of teachers that the prior would have given others. The package's own prior is centred on the table's median
    loss, so that the place of this median tells little.

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
    roles = role_rows(observations.structure)
    return _corrected([_of_role(role, log_loss[these], made[:, these]) for role, these in roles.items()])


def _of_role(role: str, log_loss: Floats, made: Floats) -> PriorCheck:
    """A role's rows (run,) among those of the prior's tables (table, run); its p values are corrected later."""
    lower, upper = np.quantile(made, [0.5 - PROB / 2, 0.5 + PROB / 2], axis=0)
    inside = np.mean((made >= lower) & (made <= upper), axis=1)
    inside_here = float(np.mean((log_loss >= lower) & (log_loss <= upper)))
    medians, ranges = np.median(made, axis=1), np.ptp(made, axis=1)
    median, span = float(np.median(log_loss)), float(np.ptp(log_loss))
    return PriorCheck(
        role=role,
        tables=len(made),
        refused=PRIOR_TABLES - len(made),
        prob=PROB,
        inside=inside_here,
        width=float(np.exp(np.median(upper - lower))),
        median_place=float(np.mean(medians < median)),
        range_place=float(np.mean(ranges < span)),
        p_inside=float((1 + np.sum(inside <= inside_here)) / (len(made) + 1)),
        p_median=_two_sided(median, medians),
        p_range=_two_sided(span, ranges),
    )


def _two_sided(value: float, made: Floats) -> float:
    """Ties count on both sides: one row has no range to judge."""
    least = min(np.sum(made <= value), np.sum(made >= value))
    return float(min(1.0, 2 * (1 + least) / (len(made) + 1)))


def _corrected(found: list[PriorCheck]) -> tuple[PriorCheck, ...]:
    p = holm(np.array([[one.p_inside, one.p_median, one.p_range] for one in found]).ravel()).reshape(-1, 3)
    return tuple(
        replace(one, p_inside=float(inside), p_median=float(median), p_range=float(span))
        for one, (inside, median, span) in zip(found, p, strict=True)
    )
