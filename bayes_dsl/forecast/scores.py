"""How registered forecasts did, once the runs were made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from bayes_dsl.errors import Fault, InputError, TableError
from bayes_dsl.files import read_bytes, shown
from bayes_dsl.runs.quantities import number_of
from bayes_dsl.runs.reading import read_csv

try:
    import scoringrules
except ImportError:
    scoringrules = None

CRPS_NOTE = 'The CRPS needs scoringrules: `pip install "bayes-dsl[validation]"` adds it.'

_OUTCOMES_LIMIT = 16 * 1024**2
_COLUMNS = ("forecast", "loss")
_SHORTEST_PREFIX = 6


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The loss that a forecast run reached, in nats per token; `line` is its line in the file, if any."""

    forecast: str
    loss: float
    where: str = "outcome"
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """One forecast of the next run's loss beside what it was; losses in nats per token.

    `error` is actual - median, `log_error` is ln(actual / median). `interval_score` is the width of the
    interval, plus 2 / (1 - prob) times the distance by which it was missed (Gneiting and Raftery 2007,
    Eq. 43). `crps` is twice the mean pinball loss over the registered quantiles, None without them or
    without scoringrules. For both, smaller is better.
    """

    number: int
    registered_at: str
    median: float
    lower: float
    upper: float
    prob: float
    kind: str
    actual: float
    hit: bool
    error: float
    log_error: float
    interval_score: float
    crps: float | None


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """All scores in one line.

    `coverage` is hits / scored; `coverage_lower` and `coverage_upper` are its exact binomial interval
    (Clopper-Pearson) with probability `coverage_prob`, to be held against `expected_coverage`, the mean
    of the forecasts' own probabilities. `notes` says what is missing.
    """

    registered: int
    scored: int
    hits: int
    coverage: float
    coverage_lower: float
    coverage_upper: float
    coverage_prob: float
    expected_coverage: float
    mean_absolute_log_error: float
    mean_interval_score: float
    mean_crps: float | None
    notes: tuple[str, ...]


def read_outcomes(path: Path) -> tuple[Outcome, ...]:
    """Read a CSV file with the columns `forecast` (number or start of the checksum) and `loss`.

    Other columns are left alone.

    Raises
    ------
    TableError
        All faults of the file, each with its line. FileRefused where it cannot be read at all.
    """
    source = shown(path)
    table, faults = read_csv(read_bytes(path, _OUTCOMES_LIMIT), source)
    absent = [name for name in _COLUMNS if name not in table.columns]
    for name in absent:
        there = ", ".join(table.columns)
        rule = "outcomes have the columns forecast and loss"
        faults.append(_fault(f"{source} line 1", "columns", there, rule, f"Add or rename {name}", 1))
    if absent:
        raise TableError(faults)
    outcomes = []
    texts = [table.columns[name].text() for name in _COLUMNS]
    for line, forecast, loss in zip(table.lines.tolist(), *texts, strict=True):
        where = f"{source} line {line}"
        value = number_of(loss, suffixes=False)
        if not forecast.strip():
            rule = "a row names its forecast"
            remedy = "Write the number of the forecast, or the start of its sha256"
            faults.append(_fault(where, "forecast", "(empty)", rule, remedy, line, "forecast"))
        if value is None or not math.isfinite(value) or value <= 0:
            rule = "must be a finite number above zero, in nats per token"
            remedy = "Correct it, or leave the row out until the run is done"
            faults.append(_fault(where, "loss", loss or "(empty)", rule, remedy, line, "loss"))
        elif forecast.strip():
            outcomes.append(Outcome(forecast=forecast.strip(), loss=value, where=where, line=line))
    if faults:
        raise TableError(sorted(faults, key=lambda fault: fault.line or 0))
    return tuple(outcomes)


def score_register(records: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> tuple[Score, ...]:
    """Score the forecasts whose outcome is known, in the order of the register.

    Parameters
    ----------
    records
        Entries of a register; `forecast.next_run` holds median, lower, upper, prob and kind, and
        `forecast.quantiles`, if there, the lists probs and loss of the next run's loss.
    outcomes
        At most one for each forecast.

    Raises
    ------
    InputError
        An outcome names no forecast, or several, or a forecast that has one already; or the forecast
        lacks a number. All of them are listed.
    """
    faults: list[Fault] = []
    actual: dict[int, float] = {}
    for outcome in outcomes:
        position = _position(records, outcome, faults)
        if position is None:
            continue
        if position in actual:
            rule = "a forecast has one outcome, and this is its second"
            faults.append(_outcome_fault(outcome, rule, "Keep one row for each forecast"))
        else:
            actual[position] = outcome.loss
    scores = [_score(records[position], actual[position], faults) for position in sorted(actual)]
    if faults:
        raise InputError(faults)
    return tuple(score for score in scores if score is not None)


def summarise_scores(scores: Sequence[Score], registered: int, prob: float = 0.9) -> ScoreSummary:
    """Hits and means of at least one score; `prob` is the probability of the exact binomial interval.

    Raises
    ------
    InputError
        There is no score.
    """
    if not scores:
        rule = "at least one outcome is needed"
        raise InputError(_fault("scores", "outcomes", "0", rule, "Add a row to the file of outcomes"))
    hits = sum(score.hit for score in scores)
    interval = binomtest(hits, len(scores)).proportion_ci(confidence_level=prob, method="exact")
    continuous = [score.crps for score in scores if score.crps is not None]
    notes = [] if scoringrules is not None else [CRPS_NOTE]
    if scoringrules is not None and len(continuous) < len(scores):
        notes.append(f"{len(scores) - len(continuous)} forecasts hold no quantiles and have no CRPS.")
    if registered > len(scores):
        notes.append(f"{registered - len(scores)} of {registered} forecasts have no outcome yet.")
    return ScoreSummary(
        registered=registered,
        scored=len(scores),
        hits=hits,
        coverage=hits / len(scores),
        coverage_lower=float(interval.low),
        coverage_upper=float(interval.high),
        coverage_prob=prob,
        expected_coverage=float(np.mean([score.prob for score in scores])),
        mean_absolute_log_error=float(np.mean([abs(score.log_error) for score in scores])),
        mean_interval_score=float(np.mean([score.interval_score for score in scores])),
        mean_crps=float(np.mean(continuous)) if len(continuous) == len(scores) else None,
        notes=tuple(notes),
    )


def _position(records: Sequence[Mapping[str, Any]], outcome: Outcome, faults: list[Fault]) -> int | None:
    name = outcome.forecast
    if len(name) < 10 and name.isdecimal() and 1 <= int(name) <= len(records):
        return int(name) - 1
    found = []
    if len(name) >= _SHORTEST_PREFIX:
        found = [i for i, record in enumerate(records) if str(record["sha256"]).startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    rule = (
        f"{len(found)} forecasts have a checksum that starts so"
        if found
        else "no such forecast is registered"
    )
    numbers = f"from 1 to {len(records)}" if records else "(the register is empty)"
    remedy = f"Give its number {numbers}, or at least {_SHORTEST_PREFIX} digits of its sha256"
    faults.append(_outcome_fault(outcome, rule, remedy))
    return None


def _score(record: Mapping[str, Any], actual: float, faults: list[Fault]) -> Score | None:
    where = f"forecast {record['number']}"
    try:
        forecast = record["forecast"]
        told = forecast["next_run"]
        median, lower, upper, prob = (float(told[name]) for name in ("median", "lower", "upper", "prob"))
        crps = _crps(forecast.get("quantiles"), actual)
        sound = 0 < lower <= median <= upper and 0 < prob < 1
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        rule = "a forecast to be scored has median, lower, upper and prob of the next run"
        remedy = "Register it again with `bayes-dsl forecast --register`"
        faults.append(_fault(where, "next_run", " ".join(str(error).split()), rule, remedy))
        return None
    if not sound:
        value = f"lower {lower}, median {median}, upper {upper}, prob {prob}"
        rule = "0 < lower <= median <= upper and 0 < prob < 1"
        faults.append(_fault(where, "next_run", value, rule, "Register it again"))
        return None
    missed = max(lower - actual, actual - upper, 0.0)
    return Score(
        number=int(record["number"]),
        registered_at=str(record["registered_at"]),
        median=median,
        lower=lower,
        upper=upper,
        prob=prob,
        kind=str(told.get("kind", "eti")),
        actual=actual,
        hit=missed == 0.0,
        error=actual - median,
        log_error=math.log(actual / median),
        interval_score=upper - lower + 2 / (1 - prob) * missed,
        crps=crps,
    )


def _crps(quantiles: Mapping[str, Any] | None, actual: float) -> float | None:
    if quantiles is None:
        return None
    probs = np.asarray(quantiles["probs"], dtype=np.float64)
    loss = np.asarray(quantiles["loss"], dtype=np.float64)
    ordered = np.all(np.diff(probs) > 0) and np.all(np.diff(loss) >= 0) and np.all(np.isfinite(loss))
    inside = probs.size > 0 and probs[0] > 0 and probs[-1] < 1
    if probs.shape != loss.shape or probs.ndim != 1 or not inside or not ordered:
        raise ValueError("quantiles: probs rise between 0 and 1 and loss rises with them")
    if scoringrules is None:
        return None
    return float(scoringrules.crps_quantile(actual, loss, probs, backend="numpy"))


def _outcome_fault(outcome: Outcome, rule: str, remedy: str) -> Fault:
    return _fault(outcome.where, "forecast", outcome.forecast, rule, remedy, outcome.line, "forecast")


def _fault(
    where: str,
    what: str,
    value: str,
    rule: str,
    remedy: str,
    line: int | None = None,
    column: str | None = None,
) -> Fault:
    return Fault(where=where, what=what, value=value, rule=rule, remedy=remedy, line=line, column=column)
