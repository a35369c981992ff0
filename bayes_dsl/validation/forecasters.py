"""Ways to forecast runs that are larger than all that were made: ours, and the literature's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bayes_dsl.errors import ExtrapolationWarning, NotConverged
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.bootstrap import bootstrap, predict
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.point_fit import point_fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable

REPLICATES = 1000
"""Refits of a point fit: enough for the ends of a 90 % interval."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What a method said of the later runs: losses (draw, run) in nats per token, and what went wrong."""

    loss: np.ndarray
    healthy: bool = True
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every method is given: law and prior of a posterior (None: the default), the seed, the sampler."""

    law: Law | None
    seed: int
    settings: Settings
    prior: Prior | CarriedPrior | None = None


Method = Callable[[RunTable, RunTable, Question], Told]


def with_misfit(known: RunTable, later: RunTable, asked: Question) -> Told:
    """The posterior of the law and its misfit."""
    return _posterior(known, later, asked, Misfit())


def bare_law(known: RunTable, later: RunTable, asked: Question) -> Told:
    """The posterior of the law, taken to hold exactly."""
    return _posterior(known, later, asked, None)


def point_fit_free(known: RunTable, later: RunTable, asked: Question) -> Told:
    """Huber fit of the supervised law (gamma free), pairs bootstrap, and a residual of the fit's own."""
    return _point_fit(SUPERVISED, known, later, asked)


def point_fit_fixed(known: RunTable, later: RunTable, asked: Question) -> Told:
    """The same of Chinchilla's law (gamma = 1): what the literature mostly does."""
    return _point_fit(CHINCHILLA, known, later, asked)


METHODS: Mapping[str, Method] = {
    "misfit": with_misfit,
    "bare law": bare_law,
    "point fit": point_fit_free,
    "point fit, gamma 1": point_fit_fixed,
}
"""By the name that results give them; the first is the package's own."""

SUPERVISED_ONLY = ("point fit", "point fit, gamma 1")


def methods_for(table: RunTable) -> tuple[str, ...]:
    """The methods that can say something of every run of a table."""
    distilled = bool(np.any(table.used.values("role") == "distilled"))
    return tuple(name for name in METHODS if not (distilled and name in SUPERVISED_ONLY))


def _posterior(known: RunTable, later: RunTable, asked: Question, misfit: Misfit | None) -> Told:
    try:
        posterior = fit(
            known,
            law=asked.law,
            prior=asked.prior,
            misfit=misfit,
            seed=asked.seed,
            settings=asked.settings,
        )
        problems: tuple[str, ...] = ()
    except NotConverged as error:
        posterior, problems = error.posterior, tuple(error.diagnostics.problems())
    return Told(loss=next_losses(posterior, later), healthy=not problems, remark=" ".join(problems))


def next_losses(posterior: Posterior, later: RunTable) -> np.ndarray:
    """Loss that each row would show as the next run, (draw, row), at its teacher's measured loss if it has one."""
    loss = np.empty((posterior.diagnostics.draws, len(later)))
    distilled = later.values("role") == "distilled"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # every row here lies beyond
        for these, teacher in ((~distilled, False), (distilled, True)):
            if not these.any():
                continue
            rows = later.select(these)
            loss[:, these] = next_run_loss(
                posterior,
                student_params=rows.values("params"),
                student_tokens=rows.values("tokens"),
                teacher_loss=rows.values("teacher_loss") if teacher else None,
                unique_tokens=rows.values("unique_tokens") if posterior.law.takes("U") else None,
            ).loss
    return loss


def _point_fit(law: Law, known: RunTable, later: RunTable, asked: Question) -> Told:
    fitted = point_fit(known, law=law, seed=asked.seed)
    refits = bootstrap(fitted, replicates=REPLICATES, seed=asked.seed)
    inputs = {"N": later.values("params"), "D": later.values("tokens")}
    loss = predict(refits, "supervised", inputs, noise=True, draws=4 * REPLICATES, seed=asked.seed)
    share = refits.converged_share
    remark = "" if share >= 0.99 else f"{100 * share:.0f} % of the refits converged"
    return Told(loss=loss, healthy=share >= 0.99, remark=remark)
