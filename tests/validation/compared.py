"""Laws compared without sampling: posteriors made by hand around a truth that both supervised laws hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation import left_out
from tests.posteriors import posterior_around

LAWS = (SUPERVISED, CHINCHILLA)
TRUTH = {**published("besiroglu").parameters, "gamma": 1.0, "delta": 1.0}


@contextmanager
def made_by_hand(*, off: float = 1.0, spread: float = 1e-3) -> Iterator[list[RunTable]]:
    """Every posterior of a comparison is made by hand; gives the tables that they were conditioned on.

    `off` multiplies Chinchilla's E, so that its law can be made a worse one.
    """
    seen: list[RunTable] = []

    def fit(table: RunTable, *, law: Law, misfit: None, seed: int, settings: object) -> Posterior:
        seen.append(table)
        truth = TRUTH | {"E": TRUTH["E"] * (off if law is CHINCHILLA else 1.0)}
        return posterior_around(law, truth, table, spread=spread, seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(left_out, "fit", fit)
        yield seen
