"""How probable runs are under a posterior that has not seen them: the log score of its forecast of the next run."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import t as student_t

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.scatter import scales
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]


def log_predictive(posterior: Posterior, rows: RunTable) -> Floats:
    """ln of the posterior predictive density of each row's ln(loss), (row,), each row as a run of its own."""
    densities = log_densities(posterior, rows)
    return np.asarray(logsumexp(densities, axis=0) - np.log(len(densities)), dtype=np.float64)


def log_densities(posterior: Posterior, rows: RunTable) -> Floats:
    """ln of the density of each row's ln(loss) at every draw, (draw, row).

    Student-t about the law, as in the program, whose scale adds up the run's scatter, the standard errors of its
    loss and of its teacher's, and every effect it could share: nothing is known of its group, teacher or
    configuration. In full, the teacher's error overstates the scale slightly.

    Raises
    ------
    NotIdentified
        The law does not explain a role of these rows.
    """
    actual, tokens = np.log(rows.values("loss")), rows.values("tokens")
    variance = _of_evaluations(rows)
    distilled = rows.values("role") == "distilled"
    nu = posterior.draws("nu")[:, None]
    found = np.empty((len(nu), len(rows)))
    for these, role in ((~distilled, "supervised"), (distilled, "distilled")):
        if these.any():
            scale, shared = scales(posterior, role=role, tokens=tokens[these])
            total = np.sqrt(scale**2 + shared[:, None] + variance[these])
            found[:, these] = student_t.logpdf(
                actual[these], nu, _log_expected(posterior, rows.select(these), role), total
            )
    return found


def _of_evaluations(rows: RunTable) -> Floats:
    """Relative variance of the row's measured losses, where standard errors are given, (row,)."""
    own = np.nan_to_num(rows.values("loss_se") / rows.values("loss"))
    teachers = np.nan_to_num(rows.values("teacher_loss_se") / rows.values("teacher_loss"))
    return np.asarray(own**2 + teachers**2, dtype=np.float64)


def _log_expected(posterior: Posterior, rows: RunTable, role: str) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)  # held-out rows lie where they lie
        forecast = expected_loss(
            posterior,
            student_params=rows.values("params"),
            student_tokens=rows.values("tokens"),
            teacher_loss=rows.values("teacher_loss") if role == "distilled" else None,
            unique_tokens=rows.values("unique_tokens") if posterior.law.takes("U") else None,
        )
    return np.asarray(np.log(forecast.loss), dtype=np.float64)
