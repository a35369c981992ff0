"""Does the fitted model look like these runs, and did its prior expect them?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from arviz_stats.base import array_stats
from numpy.typing import NDArray
from scipy.stats import t as student_t

from bayes_dsl.errors import InputError
from bayes_dsl.inference.observations import Observations
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.loo import LARGEST_PARETO_K, LeaveOneOut, leave_one_out
from bayes_dsl.validation.prior_predictive import LEVEL, PROB, PriorCheck, prior_check
from bayes_dsl.validation.ranks import holm
from bayes_dsl.validation.replicates import Rows, observations_of, posterior_sites, role_rows, rows_of
from bayes_dsl.validation.row_statistics import LEAST_ROWS, Question, questions_of, ranks_of

Floats = NDArray[np.float64]

MOST_DRAWS = 2000
"""Draws at which the rows are made anew, evenly spread; the least two-sided p value is then .001."""
LEAST_JUDGED = 0.8
"""Share of a role's rows that must be forgettable: what remains of fewer is a selection."""


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One statistic of the residuals of one role's rows, beside the same of rows made anew.

    Attributes
    ----------
    role, name : str
        A residual is ln(loss) less the draw's expected one, over the draw's scale for the row; correlations are
        Spearman's.
    observed : float
        Its mean over the posterior's draws.
    lower, upper, prob : float
        Central interval of the replicated statistic.
    two_sided : bool
        Whether too low a value is as wrong as too high a one.
    p, p_holm : float
        Posterior predictive p value, as it is and after Holm's correction over all that is asked of the rows.
    wrong : str
        What a surprising value means.
    """

    role: str
    name: str
    observed: float
    lower: float
    upper: float
    prob: float
    two_sided: bool
    p: float
    p_holm: float
    wrong: str


@dataclass(frozen=True, kw_only=True)
class RowCalibration:
    """Whether the other rows forecast each row of a role as well as they claim (leave-one-out PIT).

    Of the role's `rows`, `judged` can be left out (Pareto k at most .7); `inside` is the share of these within their
    central interval of probability `prob`, `p` that of uniform PIT values, `p_holm` the same after Holm's correction.
    The three are NaN where less than 80 % of the rows can be left out.
    """

    role: str
    rows: int
    judged: int
    inside: float
    prob: float
    p: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class PredictiveCheck:
    """What the rows say about the model that was fitted to them, and about its prior.

    `prior` has a check for each role, none where the prior makes no laws; `notes` says why, and what else was not
    judged.
    """

    statistics: tuple[Statistic, ...]
    calibration: tuple[RowCalibration, ...]
    prior: tuple[PriorCheck, ...]
    notes: tuple[str, ...]

    @property
    def surprises(self) -> tuple[str, ...]:
        """A phrase for everything about the rows that the model does not make, none where it looks like them."""
        said = [
            f"{one.role} rows, {one.name}: {one.wrong} (p {one.p_holm:.2g})"
            for one in self.statistics
            if one.p_holm <= LEVEL
        ]
        said += [
            f"{one.role} rows, left out: {100 * one.inside:.0f} % lie in their {100 * one.prob:.0f} % intervals, and "
            f"their places in what is forecast of them are not uniform (p {one.p_holm:.2g})"
            for one in self.calibration
            if one.p_holm <= LEVEL
        ]
        return tuple(said)

    def verdict(self) -> str:
        """Whether the fitted model looks like these runs, in a sentence."""
        asked = len(self.statistics) + sum(not np.isnan(one.p) for one in self.calibration)
        if not asked:
            return f"Whether the model looks like these runs is not judged: no role has {LEAST_ROWS} rows."
        if not self.surprises:
            return (
                f"The fitted model looks like these runs: nothing stands out among {asked} questions "
                f"(at {100 * LEVEL:.0f} %, after Holm's correction)."
            )
        return (
            "The fitted model does not look like these runs (p values after Holm's correction): "
            + "; ".join(self.surprises)
            + "."
        )

    def sentences(self) -> tuple[str, ...]:
        """The verdict, what the prior expected, and the notes."""
        return (self.verdict(), *(one.sentence() for one in self.prior), *self.notes)


def predictive_check(
    posterior: Posterior, *, seed: int = 0, loo: LeaveOneOut | None = None
) -> PredictiveCheck:
    """Make the rows of a posterior's table anew, from the posterior and from its prior, and compare.

    At up to 2,000 draws every row gets a new loss from the program itself: its law, noise and misfit, given the
    draw's own shared effects of the table's groups, teachers and students, and given the measured losses of teachers.
    A whole group that is off is therefore excused by its effect; single rows are not. Each statistic is computed of
    the table's residuals and of the new ones at the same draw (Gelman, Meng and Stern, Statistica Sinica 6, 1996).

    Posterior predictive p values are conservative, because the model has seen the rows: under the right model they
    keep nearer to .5 than uniform ones. A misfit makes them more so, for its paths follow what a law alone would
    leave over. A small one means something; a large one promises little about runs beyond the table.

    Rows are also left out, one at a time, by reweighting the draws (ArviZ's PSIS), and their places in what the
    others forecast of them judged for uniformity by ArviZ's test for dependent PIT values. It is conservative too.

    Parameters
    ----------
    posterior : Posterior
    seed : int
        The same seed gives the same bits.
    loo : LeaveOneOut, optional
        The result of `leave_one_out(posterior)`, where it is at hand.

    Raises
    ------
    InputError
        The posterior does not hold the coordinates that were sampled.
    """
    observations = observations_of(posterior)
    rows = rows_of(observations, posterior_sites(posterior, observations))
    loo = leave_one_out(posterior) if loo is None else loo
    statistics = _statistics(posterior, observations, rows, seed)
    calibration = _calibration(observations, rows, loo)
    statistics, calibration = _corrected(statistics, calibration)
    notes = _notes(observations, calibration)
    try:
        prior = prior_check(observations, posterior.prior, seed=seed)
    except InputError as error:
        prior = ()
        notes.append(f"what the prior expected is not told: {error}")
    return PredictiveCheck(statistics=statistics, calibration=calibration, prior=prior, notes=tuple(notes))


def _statistics(
    posterior: Posterior, observations: Observations, rows: Rows, seed: int
) -> tuple[Statistic, ...]:
    count = len(rows.mean)
    rows = rows.chosen(np.linspace(0, count - 1, min(count, MOST_DRAWS)).round().astype(int))
    residual = (np.asarray(observations.data["log_loss"]) - rows.mean) / rows.scale
    new = (rows.replicated(np.random.default_rng((seed, 4))) - rows.mean) / rows.scale
    found = []
    for these, questions in questions_of(posterior, observations):
        here, there = residual[:, these], new[:, these]
        ranks, new_ranks = ranks_of(here), ranks_of(there)
        found += [_answered(one, one.value(here, ranks), one.value(there, new_ranks)) for one in questions]
    return tuple(found)


def _answered(question: Question, observed: Floats, new: Floats) -> Statistic:
    """One statistic, observed and new (draw,); its p value is corrected later."""
    draws = len(new) + 1
    above, below = (1 + np.sum(new >= observed)) / draws, (1 + np.sum(new <= observed)) / draws
    p = min(1.0, 2 * min(above, below)) if question.two_sided else above
    lower, upper = np.quantile(new, [0.5 - PROB / 2, 0.5 + PROB / 2])
    return Statistic(
        role=question.role,
        name=question.name,
        observed=float(np.mean(observed)),
        lower=float(lower),
        upper=float(upper),
        prob=PROB,
        two_sided=question.two_sided,
        p=float(p),
        p_holm=float(p),
        wrong=question.wrong,
    )


def _calibration(observations: Observations, rows: Rows, loo: LeaveOneOut) -> tuple[RowCalibration, ...]:
    """Each role with enough rows: the PIT of each row, averaged over the draws as if they had not seen it."""
    found = []
    log_loss = np.asarray(observations.data["log_loss"])
    for role, these in role_rows(observations.structure).items():
        count = these.stop - these.start
        if count < LEAST_ROWS:
            continue
        z = (log_loss[these] - rows.mean[:, these]) / rows.scale[:, these]
        below = student_t.cdf(z, rows.nu[:, None])
        pit = np.clip(np.sum(np.exp(loo.log_weights[:, these]) * below, axis=0), 0.0, 1.0)
        pit = pit[loo.pareto_k[these] <= LARGEST_PARETO_K]
        enough = len(pit) >= max(LEAST_ROWS, LEAST_JUDGED * count)
        p = float(array_stats.uniformity_test(pit)[0]) if enough else np.nan
        inside = float(np.mean(np.abs(pit - 0.5) <= PROB / 2)) if enough else np.nan
        found.append(
            RowCalibration(role=role, rows=count, judged=len(pit), inside=inside, prob=PROB, p=p, p_holm=p)
        )
    return tuple(found)


def _corrected(
    statistics: tuple[Statistic, ...], calibration: tuple[RowCalibration, ...]
) -> tuple[tuple[Statistic, ...], tuple[RowCalibration, ...]]:
    """The same with Holm's correction over every p value that there is."""
    p = np.array([*(one.p for one in statistics), *(one.p for one in calibration)], dtype=np.float64)
    known = ~np.isnan(p)
    p[known] = holm(p[known])
    corrected = [float(value) for value in p]
    first = len(statistics)
    return (
        tuple(replace(one, p_holm=value) for one, value in zip(statistics, corrected[:first], strict=True)),
        tuple(replace(one, p_holm=value) for one, value in zip(calibration, corrected[first:], strict=True)),
    )


def _notes(observations: Observations, calibration: tuple[RowCalibration, ...]) -> list[str]:
    structure, said = observations.structure, []
    for role, count in zip(structure.roles, structure.rows, strict=True):
        if count < LEAST_ROWS:
            said.append(f"{count} {role} rows are too few to judge: at least {LEAST_ROWS} are needed")
    for one in calibration:
        if one.judged < one.rows:
            said.append(
                f"{one.rows - one.judged} of {one.rows} {one.role} rows cannot be left out (Pareto k above "
                f"{LARGEST_PARETO_K})"
                + ("" if one.p == one.p else ": the rest is a selection, and not judged")
            )
    shared = [name for name, levels in structure.effects if levels]
    if shared:
        said.append(
            f"rows were made anew given the shared effects of their {', '.join(shared)}: a whole group that is off "
            "is excused"
        )
    return said
