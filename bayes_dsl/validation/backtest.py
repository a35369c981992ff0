"""How forecasts of larger runs would have done, had they been made from the smaller runs of a table alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from bayes_dsl.errors import Fault, InputError, UnknownName
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.fit import default_law
from bayes_dsl.inference.prior_for import prior_for, prior_told
from bayes_dsl.inference.priors import Prior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.forecasters import METHODS, Question, Told, methods_for
from bayes_dsl.validation.given_priors import law_of_prior, origin_of
from bayes_dsl.validation.holdouts import Holdout, Scale, holdouts

try:
    import scoringrules
except ImportError:
    scoringrules = None

CRPS_NOTE = 'The CRPS needs scoringrules: `pip install "bayes-dsl[validation]"` adds it.'
BINS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Where distances beyond the largest known run are cut: 1 to 2 times, 2 to 4 times, and so on."""

Progress = Callable[[int, int], None]
DEFAULT_SETTINGS = Settings()


@dataclass(frozen=True, kw_only=True, eq=False)
class Backtest:
    """Forecasts of held-out runs beside what the runs reached.

    Attributes
    ----------
    table_sha256, source : str
        The table's hash, and its file's name.
    law : str
        Name of the posteriors' law.
    prior : str or None
        Whence their coefficients' prior came (`prior_told`), None for the package's own.
    by : str
        The scale that runs were held out by: "compute", "params" or "tokens".
    prob : float
        Probability of the (equal-tailed) intervals.
    rows : pandas.DataFrame
        One row a method, factor and held-out run: `method`, `factor`, `run_id`, `cluster`, `beyond` (scale
        over the largest known one), `known` (rows conditioned on), `actual`, `median`, `lower`, `upper` (nats
        per token), `hit`, `error` (ln(actual / median)), `width` (ln(upper / lower)), `crps` (of ln loss, NaN
        without scoringrules), `healthy` (the health gate, or the refits' convergence).
    seed : int
    notes : tuple of str
    """

    table_sha256: str
    source: str
    law: str
    prior: str | None
    by: str
    prob: float
    rows: pd.DataFrame
    seed: int
    notes: tuple[str, ...]

    @property
    def reach(self) -> float:
        """The farthest that a run was held out, in multiples of the largest known scale."""
        return float(self.rows["beyond"].max())

    def summary(self, *, certainty: float = 0.9) -> pd.DataFrame:
        """One row a method and factor: coverage by cluster with its exact interval, CRPS, bias and width.

        Every cluster counts once: coverage is the mean over clusters of the share of its runs that were hit.
        The exact binomial interval (Clopper-Pearson, `certainty`) takes the clusters as the trials, with the
        hits rounded.
        """
        records = []
        for (method, factor), rows in self.rows.groupby(["method", "factor"], sort=False):
            records.append({"method": method, "factor": factor, **_scores(rows, certainty)})
        return pd.DataFrame(records)

    def by_distance(self, *, certainty: float = 0.9) -> pd.DataFrame:
        """One row a method and range of distances beyond the largest known run, all factors together."""
        labels = [f"{low:g}x to {high:g}x" for low, high in zip(BINS, (*BINS[1:], np.inf), strict=True)]
        labels[-1] = f"beyond {BINS[-1]:g}x"
        place = np.clip(np.searchsorted(BINS, self.rows["beyond"], side="right") - 1, 0, len(BINS) - 1)
        records = []
        for (method, where), rows in self.rows.groupby([self.rows["method"], place], sort=False):
            low = BINS[int(where)]
            records.append(
                {"method": method, "distance": labels[int(where)], "from": low, **_scores(rows, certainty)}
            )
        frame = pd.DataFrame(records)
        order = {name: i for i, name in enumerate(dict.fromkeys(self.rows["method"]))}
        frame = frame.sort_values(
            ["from", "method"], key=lambda column: column.map(lambda x: order.get(x, x))
        )
        return frame.drop(columns="from").reset_index(drop=True)

    def quoted(self, method: str, beyond: float) -> str:
        """What the back-test says of a forecast that lies so far beyond, in one sentence."""
        mine = self.rows[self.rows["method"] == method]
        if mine.empty:
            return f"{method}: was not back-tested"
        if beyond > float(mine["beyond"].max()):
            reach = float(mine["beyond"].max())
            return (
                f"beyond what was back-tested: {beyond:.3g}x the largest {self.by} of any run, where held-out runs "
                f"went up to {reach:.3g}x"
            )
        low = max(bound for bound in BINS if bound <= max(beyond, 1.0))
        high = min((bound for bound in BINS if bound > low), default=np.inf)
        near = mine[(mine["beyond"] >= low) & (mine["beyond"] < high)]
        near, place = (mine, "all distances") if near.empty else (near, f"{low:g}x to {high:g}x")
        found = _scores(near, 0.9)
        return (
            f"back-tested at {place} the largest {self.by} of any run: {100 * self.prob:g} % intervals held "
            f"{found['coverage']:.2f} of {found['clusters']} clusters ({found['runs']} runs) of {self.source}"
        )


def backtest(
    table: RunTable,
    *,
    factors: Sequence[float] = (2.0, 4.0, 8.0, 16.0),
    by: Scale = "compute",
    methods: Sequence[str] | None = None,
    law: Law | None = None,
    prior: Prior | CarriedPrior | None = None,
    prob: float = 0.9,
    seed: int = 0,
    settings: Settings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> Backtest:
    """Condition every method on the smaller runs and hold its forecasts against the larger ones.

    Parameters
    ----------
    table : RunTable
    factors : sequence of float
        8 holds out the runs above an eighth of the largest scale; each factor is a new origin.
    by : {"compute", "params", "tokens"}
    methods : sequence of str, optional
        Names of `METHODS`; default: all that can say something of the table's runs.
    law : Law, optional
        Of the posteriors; default: see `fit`. The point fits are of the literature's laws all the same.
    prior : Prior or CarriedPrior, optional
        Of the posteriors, as `fit` takes it; a law of your own needs one. It must come from other studies than this
        table, which is yours to see to: only rows that a carried prior has seen as they are can be refused here.
    prob : float
        Probability of the intervals.
    seed : int
    settings : Settings
        Of the posteriors.
    progress : callable, optional
        Called with (forecasts made, forecasts in all).

    Raises
    ------
    UnknownName
        A method is none of those for this table.
    InputError
        See `holdouts`; or the law and its prior do not go together, as in `fit`.
    CountingMismatch, TableError
        A carried prior counts parameters otherwise than the table, or has seen rows of it.
    """
    known = methods_for(table)
    asked = tuple(known if methods is None else methods)
    unknown = [name for name in asked if name not in known]
    if unknown or not asked:
        rule = "no method of this name forecasts this table's runs"
        remedy = f"Choose among {', '.join(known)}"
        faults = [
            Fault(where="back-test", what="method", value=one, rule=rule, remedy=remedy)
            for one in unknown or ["none"]
        ]
        raise UnknownName(faults)
    law = law_of_prior(table, law, prior)
    asked_of = law or default_law(table)
    cut = holdouts(table, factors, by=by)
    frames, notes = [], [] if scoringrules is not None else [CRPS_NOTE]
    notes += [] if law is None or prior is None else [origin_of(law, prior)]
    question = Question(law=law, prior=prior, seed=seed, settings=settings)
    total = len(cut) * len(asked)
    for position, (holdout, name) in enumerate((one, name) for one in cut for name in asked):
        try:
            told = METHODS[name](holdout.known, holdout.later, question)
        except InputError as error:
            notes.append(f"{name} at {holdout.factor:g}x made no forecast: {error.faults[0].rule}")
        else:
            frames.append(_judged(holdout, name, told, prob))
            if told.remark:
                notes.append(f"{name} at {holdout.factor:g}x: {told.remark}")
        if progress is not None:
            progress(position + 1, total)
    if not frames:
        rule, remedy = "no method made a forecast", "; ".join(notes) or "Give more rows"
        raise InputError(Fault(where="back-test", what="methods", value="", rule=rule, remedy=remedy))
    return Backtest(
        table_sha256=table.sha256,
        source=table.source,
        law=asked_of.name,
        prior=prior_told(prior_for(table, asked_of, prior), asked_of, table),
        by=by,
        prob=prob,
        rows=pd.concat(frames, ignore_index=True),
        seed=seed,
        notes=tuple(notes),
    )


def _judged(holdout: Holdout, method: str, told: Told, prob: float) -> pd.DataFrame:
    actual = holdout.later.values("loss")
    tail = (1 - prob) / 2
    lower, median, upper = np.quantile(told.loss, [tail, 0.5, 1 - tail], axis=0)
    return pd.DataFrame(
        {
            "method": method,
            "factor": holdout.factor,
            "run_id": holdout.later.values("run_id"),
            "cluster": holdout.cluster.astype(str),
            "beyond": holdout.beyond,
            "known": len(holdout.known),
            "actual": actual,
            "median": median,
            "lower": lower,
            "upper": upper,
            "hit": (lower <= actual) & (actual <= upper),
            "error": np.log(actual / median),
            "width": np.log(upper / lower),
            "crps": log_crps(actual, told.loss),
            "healthy": told.healthy,
        }
    )


def log_crps(actual: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """CRPS of ln loss, (run,), given draws (draw, run): logarithms, so that other units can be put together."""
    if scoringrules is None:
        return np.full(len(actual), np.nan)
    return np.asarray(
        scoringrules.crps_ensemble(np.log(actual), np.log(loss.T), estimator="pwm", backend="numpy")
    )


def _scores(rows: pd.DataFrame, certainty: float) -> dict[str, object]:
    """Scores of some rows, every cluster counted once."""
    means = rows.groupby("cluster")[["hit", "error", "width", "crps"]].mean()
    hits, clusters = float(means["hit"].sum()), len(means)
    certain = binomtest(round(hits), clusters).proportion_ci(confidence_level=certainty, method="exact")
    return {
        "runs": len(rows),
        "clusters": clusters,
        "coverage": hits / clusters,
        "coverage_lower": float(certain.low),
        "coverage_upper": float(certain.high),
        "crps": float(means["crps"].mean()),
        "bias": float(means["error"].mean()),
        "width": float(rows["width"].median()),
        "healthy": bool(rows["healthy"].all()),
    }
