"""What is asked of the residuals of each role's rows: how large they are, and whether something orders them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bayes_dsl.inference.observations import Observations
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.replicates import role_rows

Floats = NDArray[np.float64]

LEAST_ROWS = 8
"""Rows that a role needs to be judged."""
LEAST_PLACES = 3
"""Distinct values of a quantity that a trend in it needs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One statistic of the standardised residuals of one role's rows.

    `value` maps residuals over their scales, and their standardised ranks among the role's rows (`ranks_of`), both
    (draw, run), to the statistic, (draw,). `two_sided`: whether too low a value is as wrong as too high a one;
    `wrong` says in words what a surprising value means.
    """

    role: str
    name: str
    value: Callable[[Floats, Floats], Floats]
    two_sided: bool
    wrong: str


def questions_of(
    posterior: Posterior, observations: Observations
) -> tuple[tuple[slice, tuple[Question, ...]], ...]:
    """The rows of each role that has enough of them, in the program's order, and the questions about them."""
    used, found = posterior.table.used, list[tuple[slice, tuple[Question, ...]]]()
    for role, rows in role_rows(observations.structure).items():
        count = rows.stop - rows.start
        if count < LEAST_ROWS:
            continue
        order = observations.order[rows]
        params, tokens = np.log(used.values("params")[order]), np.log(used.values("tokens")[order])
        places = {"compute": params + tokens, "tokens per param": tokens - params}
        teacher_loss = np.zeros(count)
        if role == "distilled":
            teacher_loss = np.log(used.values("teacher_loss")[order])
            places["teacher loss"] = teacher_loss
        asked = [*_sizes(role), *(_trend(role, name, x) for name, x in places.items() if _has_places(x))]
        if _has_places(places["compute"]):
            asked.append(_neighbours(role, np.lexsort((teacher_loss, tokens, places["compute"]))))
        found.append((rows, tuple(asked)))
    return tuple(found)


def _has_places(x: Floats) -> bool:
    return bool(np.all(np.isfinite(x))) and len(np.unique(x)) >= LEAST_PLACES


def _sizes(role: str) -> tuple[Question, ...]:
    return (
        Question(
            role=role,
            name="median |residual| / scale",
            value=lambda z, ranks: np.asarray(np.median(np.abs(z), axis=1)),
            two_sided=True,
            wrong="runs scatter otherwise than the noise says",
        ),
        Question(
            role=role,
            name="largest |residual| / scale",
            value=lambda z, ranks: np.asarray(np.max(np.abs(z), axis=1)),
            two_sided=False,
            wrong="a run lies further off than the noise allows: see the odd rows",
        ),
    )


def _trend(role: str, name: str, x: Floats) -> Question:
    """Spearman's rank correlation, which no single run can rule."""
    place = ranks_of(x)

    def value(z: Floats, ranks: Floats) -> Floats:
        return np.asarray(ranks @ place / len(place))

    wrong = f"losses leave the law in one direction as the {name} grows"
    return Question(role=role, name=f"trend in {name}", value=value, two_sided=True, wrong=wrong)


def _neighbours(role: str, order: NDArray[np.intp]) -> Question:
    """The rank correlation of each row with the next one by compute; ties by tokens, then by teacher."""

    def value(z: Floats, ranks: Floats) -> Floats:
        return np.asarray(np.mean(ranks[:, order[1:]] * ranks[:, order[:-1]], axis=1))

    wrong = "runs of about one compute leave the law together: a shape in the losses that it lacks"
    return Question(role=role, name="neighbours by compute", value=value, two_sided=False, wrong=wrong)


def ranks_of(values: Floats) -> Floats:
    """Ranks along the last axis, of mean 0 and variance 1."""
    ranks = rankdata(values, axis=-1)
    return np.asarray((ranks - ranks.mean(axis=-1, keepdims=True)) / ranks.std(axis=-1, keepdims=True))
