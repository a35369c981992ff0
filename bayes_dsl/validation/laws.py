"""Which law a run table supports: laws side by side, by rows left out, by the largest runs, and at a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.registry import registered
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.agreement import Expected, sentences
from bayes_dsl.validation.given_priors import origin_of, refuse_unfit_priors
from bayes_dsl.validation.holdouts import Holdout, Scale, holdouts
from bayes_dsl.validation.law_scores import cautions, forecast_weights, held_out_scores, ranked
from bayes_dsl.validation.left_out import (
    HELD_OUT,
    Sampling,
    folds_of,
    independent,
    leave_clusters_out,
    leave_largest_out,
    shares_effects,
)
from bayes_dsl.validation.loo import leave_one_out
from bayes_dsl.validation.mixture import STACKED, expectations

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
Questions = Sequence[Mapping[str, float]]
DEFAULT_FACTORS = (4.0, 8.0)
DEFAULT_SETTINGS = Settings()
FOLDS = 5
# Tokens over unique tokens from which a run repeats its data, as `check` sees it.
REPEATED = 1.01
ROWS_OUT = "leave one row out (Pareto-smoothed importance sampling)"


@dataclass(frozen=True, kw_only=True, eq=False)
class LawComparison:
    """Laws side by side on one table.

    Attributes
    ----------
    table_sha256, source : str
    method : str
        What `elpd` is: rows left out one at a time, or whole clusters in folds.
    laws : DataFrame
        One row a law, best elpd first: `elpd`, `se` (its standard error), `elpd_diff` and `dse` (from the best, and
        its standard error), `stacking_weight` (all from ArviZ's `compare`), `high_k` (rows with Pareto k above .7),
        `largest_k` (both NaN where clusters were left out), `log_score` and `crps` (of the held-out largest runs, a
        mean over holdouts and clusters; NaN without), `forecast_weight` (NaN without), `healthy`.
    held_out : DataFrame
        See `leave_largest_out`; empty where nothing could be held out.
    targets : DataFrame
        One row a target and law, and the mixture by forecast weights ("stacked") where there are any: `target`,
        `law`, `median`, `lower`, `upper` of the expected loss, nats per token.
    sentences : tuple of str
        For each pair of laws that fit equally well, whether they agree at the targets.
    pointwise : dict of str to array
        Each row's (cluster's) part of elpd, by law.
    posteriors : dict of str to Posterior
        Of the whole table, by law.
    prob : float
        Probability of the (equal-tailed) intervals.
    seed : int
    notes : tuple of str
    """

    table_sha256: str
    source: str
    method: str
    laws: pd.DataFrame
    held_out: pd.DataFrame
    targets: pd.DataFrame
    sentences: tuple[str, ...]
    pointwise: dict[str, Floats]
    posteriors: dict[str, Posterior]
    prob: float
    seed: int
    notes: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether every law's posterior of the whole table passed its health gate."""
        return all(posterior.healthy for posterior in self.posteriors.values())


def compare_laws(
    table: RunTable,
    *,
    laws: Sequence[Law] | None = None,
    priors: Mapping[str, Prior | CarriedPrior] | None = None,
    targets: Sequence[Mapping[str, float]] = (),
    factors: Sequence[float] | None = None,
    by: Scale = "compute",
    prob: float = 0.9,
    folds: int = FOLDS,
    seed: int = 0,
    settings: Settings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> LawComparison:
    """Sample each law (bare, with its default prior or the one given) on a table, and compare what they say.

    Rows are left out one at a time by Pareto-smoothed importance sampling. Where rows share sampled effects (of a
    group, a teacher, a configuration) that would be too kind, and whole clusters are left out in folds instead, each
    fold's posterior sampled anew. Weights for forecasts come from the held-out largest runs alone.

    Parameters
    ----------
    table : RunTable
    laws : sequence of Law, optional
        At least two; default: the registered laws that explain every row, without those that
        explain distilled runs where there are none, and without the law of repeated data where no row repeats any or
        some row does not say how many of its tokens are unique. A law of your own is compared as any other.
    priors : mapping of str to Prior or CarriedPrior, optional
        By name of the law, as `fit` takes them; laws without one have their default prior, which a law of your own
        does not have. They are the priors of every posterior here, on the whole table and on its parts, so they must
        come from elsewhere than this table: rows that a carried prior has seen are refused.
    targets : sequence of mapping, optional
        Each with `student_params`, `student_tokens` and, for distilled runs, `teacher_loss` (or `teacher_params` and
        `teacher_tokens`), and `unique_tokens` for the law of repeated data: runs whose expected loss is compared.
    factors : sequence of float, optional
        8 holds out the runs above an eighth of the largest scale; default: 4 and 8, where they leave rows enough.
    by : {"compute", "params", "tokens"}
    prob : float
        Probability of the intervals.
    folds : int
        Of the clusters, at least 2.
    seed : int
        Of every posterior, and of the folds.
    settings : Settings
    progress : callable, optional
        Called with (posteriors sampled, posteriors in all).

    Raises
    ------
    InputError
        Fewer than two laws, two of one name, or fewer than two folds; a target without unique tokens for a law that
        reads them, or with them for laws that do not; or see `holdouts` for factors of your own. A law of your own
        without a prior, a prior for a law that is not compared, or one that does not fit its law (as in `fit`).
    CountingMismatch
        A carried prior counts parameters otherwise than the table.
    TableError
        A law does not explain a role of the table, or reads a column that is empty in some row; or the table has rows
        that a carried prior has seen.
    NotIdentified
        A target has a teacher and a law knows none, or the other way round.
    """
    chosen, priors = tuple(_laws(table, laws, targets)), dict(priors or {})
    refuse_unfit_priors(table, chosen, priors)
    if folds < 2:
        raise InputError(_fault("folds", f"{folds}", "must be 2 or more", f"The default is {FOLDS}"))
    cut, notes = _cut(table, factors, by)
    notes += [origin_of(law, priors[law.name]) for law in chosen if law.name in priors]
    labels = independent(table.used)
    clustered = shares_effects(table, chosen[0])
    fold = folds_of(labels, folds, seed=seed) if clustered else np.empty(0, dtype=np.int64)
    rounds = int(fold.max(initial=-1)) + 1
    step = _counted(progress, len(chosen) * (1 + len(cut) + rounds))
    sampling = Sampling(seed=seed, settings=settings, step=step, priors=priors)
    posteriors = {law.name: sampling.posterior(table, law) for law in chosen}
    scores: dict[str, Floats] = {}
    pareto_k: dict[str, Floats] = {}
    for law in chosen:
        if clustered:
            scores[law.name], failed = leave_clusters_out(table.used, law, labels, fold, sampling)
            notes += failed
        else:
            left_out = leave_one_out(posteriors[law.name])
            scores[law.name], pareto_k[law.name] = left_out.pointwise, left_out.pareto_k
    held, failed = _held_out(chosen, cut, sampling)
    weights = forecast_weights(held, [law.name for law in chosen])
    expected = [
        one for question in targets for one in expectations(posteriors, question, weights=weights, prob=prob)
    ]
    frame = ranked(scores, pareto_k).join(held_out_scores(held))
    healthy = {name: posterior.healthy for name, posterior in posteriors.items()}
    return LawComparison(
        table_sha256=table.sha256,
        source=table.source,
        method=_clusters_out(labels, rounds) if clustered else ROWS_OUT,
        laws=frame.assign(forecast_weight=pd.Series(weights, dtype=float), healthy=pd.Series(healthy)),
        held_out=held,
        targets=pd.DataFrame(
            [asdict(one) for one in expected], columns=[field.name for field in fields(Expected)]
        ),
        sentences=sentences(scores, [one for one in expected if one.law != STACKED], prob=prob),
        pointwise=scores,
        posteriors=posteriors,
        prob=prob,
        seed=seed,
        notes=(*notes, *failed, *cautions(frame, held)),
    )


def _laws(table: RunTable, laws: Sequence[Law] | None, targets: Questions) -> Iterator[Law]:
    """The laws that were asked for, or all that explain every row and target."""
    roles = {str(role) for role in table.used.values("role")}
    roles |= {
        "distilled" if {"teacher_loss", "teacher_params"} & set(one) else "supervised" for one in targets
    }
    known = [law for law in registered() if all(law.explains(role) for role in roles)]
    # Without distilled rows a law of both kinds is a law of supervised runs with idle coefficients.
    fitting = [law for law in known if "distilled" in roles or not law.explains("distilled")]
    fitting = [law for law in fitting if _repeats(table) or not law.takes("U")]
    chosen = fitting if laws is None else list(laws)
    names = [law.name for law in chosen]
    remedy = f"The registered laws for {' and '.join(sorted(roles))} runs are {', '.join(one.name for one in known)}"
    faults = [
        _fault("law", law.name, f"does not explain {role} runs, which the table or a target has", remedy)
        for law in chosen
        for role in sorted(roles)
        if not law.explains(role)
    ]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(_fault("law", name, "is named more than once", "Name each law once"))
    faults += _unique_faults(chosen, targets)
    if len(set(names)) < 2:
        faults.append(_fault("laws", ", ".join(names) or "none", "a comparison needs two laws", remedy))
    if faults:
        raise InputError(faults)
    yield from chosen


def _repeats(table: RunTable) -> bool:
    """Whether every row says how many of its tokens are unique, and some row repeats any."""
    unique = table.used.values("unique_tokens")
    return not np.isnan(unique).any() and bool(np.any(table.used.values("tokens") > REPEATED * unique))


def _unique_faults(laws: Sequence[Law], targets: Questions) -> Iterator[Fault]:
    readers = [law.name for law in laws if law.takes("U")]
    given = {"unique_tokens" in one for one in targets}
    if readers and False in given:
        rule = f"the {readers[0]} law asks how many distinct tokens a run sees"
        remedy = "Give unique_tokens (--unique): the tokens themselves where nothing is repeated"
        yield _fault("unique_tokens", "none", rule, remedy)
    if not readers and True in given:
        rule = "every law here takes every token for a new one"
        yield _fault("unique_tokens", "given", rule, "Leave it out, or compare the repetition law, too")


def _cut(
    table: RunTable, factors: Sequence[float] | None, by: Scale
) -> tuple[tuple[Holdout, ...], list[str]]:
    """The holdouts, and what must be said of them; factors of one's own must be possible, the default ones may fail."""
    if factors is not None:
        return holdouts(table, factors, by=by), []
    cut: list[Holdout] = []
    notes = []
    for factor in DEFAULT_FACTORS:
        try:
            cut += holdouts(table, [factor], by=by)
        except InputError as error:
            notes.append(f"no holdout at {factor:g}x: {error.faults[0].rule}")
    if not cut:
        notes.append(
            "no run was held out by scale: nothing here says how these laws forecast, and none has a weight"
        )
    return tuple(cut), notes


def _held_out(
    laws: Sequence[Law], cut: Sequence[Holdout], sampling: Sampling
) -> tuple[pd.DataFrame, list[str]]:
    if not cut:
        return pd.DataFrame(columns=list(HELD_OUT)), []
    frames, problems = zip(*(leave_largest_out(cut, law, sampling) for law in laws), strict=True)
    return pd.concat(frames, ignore_index=True), [one for those in problems for one in those]


def _counted(progress: Progress | None, total: int) -> Callable[[], None]:
    """What is called when a posterior is done."""
    done = iter(range(1, total + 1))
    return lambda: None if progress is None else progress(next(done), total)


def _clusters_out(labels: NDArray[np.object_], rounds: int) -> str:
    return (
        f"leave clusters out ({len(set(labels))} clusters of rows that share a group, teacher or configuration, in "
        f"{rounds} folds, each sampled anew)"
    )


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="laws compare", what=what, value=value, rule=rule, remedy=remedy)
