"""How well one law predicts rows that its posterior has not seen: whole clusters in folds, and the largest runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.backtest import log_crps
from bayes_dsl.validation.density import log_predictive
from bayes_dsl.validation.forecasters import next_losses
from bayes_dsl.validation.holdouts import Holdout, clusters

Floats = NDArray[np.float64]
Step = Callable[[], None]
SHARED = ("group", "replicate", "teacher", "student")
"""Effects by which rows of one cluster know of each other; an evaluation set and an order of the data have far more."""
HELD_OUT = ("law", "factor", "run_id", "cluster", "beyond", "log_score", "crps", "healthy")
"""Columns of what `leave_largest_out` gives."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How every posterior of a comparison is sampled, and what is called when one is done.

    `priors`: by name of the law, of the whole table and of every part of it; laws without one have their default.
    """

    seed: int
    settings: Settings
    step: Step
    priors: Mapping[str, Prior | CarriedPrior] = field(default_factory=dict)

    def posterior(self, table: RunTable, law: Law) -> Posterior:
        """The posterior of the bare law, past its health gate or not: `healthy` says which."""
        try:
            found = fit(
                table,
                law=law,
                prior=self.priors.get(law.name),
                misfit=None,
                seed=self.seed,
                settings=self.settings,
            )
        except NotConverged as error:
            found = error.posterior
        self.step()
        return found


def shares_effects(table: RunTable, law: Law) -> bool:
    """Whether rows share effects that are sampled: one left out alone would be predicted by its siblings' effect.

    Raises
    ------
    TableError
        The law does not explain a role of the table.
    """
    # Which rows share what is the table's alone, whatever is believed of them.
    effects = observe(table, law=law, prior=Prior(densities=())).structure.effects
    return any(levels for name, levels in effects if name in SHARED)


def independent(table: RunTable) -> NDArray[np.object_]:
    """A name for each row, shared by rows that are no independent tests of a law.

    As `clusters`, and distilled rows whose teacher has no name are clustered by its loss.
    """
    unnamed = (
        (table.values("role") == "distilled")
        & (table.values("teacher_id") == "")
        & (table.values("group") == "")
    )
    by_loss = np.array([f"teacher loss {loss:.17g}" for loss in table.values("teacher_loss")], object)
    return np.where(unnamed, by_loss, clusters(table))


def folds_of(labels: NDArray[np.object_], folds: int, *, seed: int) -> NDArray[np.int64]:
    """The fold of each row: whole clusters, in random order, the largest first, each to the smallest fold."""
    names, inverse, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order], kind="stable")]
    sizes = np.zeros(min(folds, len(names)), dtype=np.int64)
    fold = np.empty(len(names), dtype=np.int64)
    for cluster in order:
        fold[cluster] = int(np.argmin(sizes))
        sizes[fold[cluster]] += counts[cluster]
    return np.asarray(fold[inverse], dtype=np.int64)


def leave_clusters_out(
    table: RunTable, law: Law, labels: NDArray[np.object_], fold: NDArray[np.int64], sampling: Sampling
) -> tuple[Floats, list[str]]:
    """Sample without each fold in turn and score its rows, summed over the rows of a cluster.

    A cluster's score is the sum of its rows' own log densities, each as a run of a new group: how they hang
    together within the cluster is not scored.

    Returns
    -------
    array (cluster,)
        In the order of the clusters' sorted names.
    list of str
        A sentence for every posterior that failed its health gate.
    """
    scores = np.empty(len(table))
    problems = []
    for one in range(int(fold.max()) + 1):
        out = fold == one
        posterior = sampling.posterior(table.select(~out), law)
        scores[out] = log_predictive(posterior, table.select(out))
        if not posterior.healthy:
            said = " ".join(posterior.diagnostics.problems())
            problems.append(f"{law.name} without fold {one + 1} did not pass its health gate: {said}")
    _, inverse = np.unique(labels.astype(str), return_inverse=True)
    return np.bincount(inverse, weights=scores), problems


def leave_largest_out(cut: Sequence[Holdout], law: Law, sampling: Sampling) -> tuple[pd.DataFrame, list[str]]:
    """Sample from the smaller runs of each holdout and score the larger ones.

    Returns
    -------
    DataFrame
        One row a holdout and run: law, factor, run_id, cluster, beyond, log_score (ln of the predictive density
        of ln loss), crps (of ln loss; NaN without scoringrules), healthy.
    list of str
        A sentence for every posterior that failed its health gate.
    """
    frames, problems = [], []
    for one in cut:
        posterior = sampling.posterior(one.known, law)
        frames.append(
            pd.DataFrame(
                {
                    "law": law.name,
                    "factor": one.factor,
                    "run_id": one.later.values("run_id"),
                    "cluster": one.cluster.astype(str),
                    "beyond": one.beyond,
                    "log_score": log_predictive(posterior, one.later),
                    "crps": log_crps(one.later.values("loss"), next_losses(posterior, one.later)),
                    "healthy": posterior.healthy,
                }
            )
        )
        if not posterior.healthy:
            said = " ".join(posterior.diagnostics.problems())
            problems.append(f"{law.name} at {one.factor:g}x did not pass its health gate: {said}")
    return pd.concat(frames, ignore_index=True), problems
