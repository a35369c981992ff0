"""`forecast`: what loss a run that nobody has made will reach, with an interval and how far it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.cli.believed import health_of, show_health
from bayes_dsl.cli.failures import complain
from bayes_dsl.cli.json_keys import ExtrapolationKeys, ForecastKeys, LeaningKeys, LossKeys
from bayes_dsl.cli.output import interval_in_words, print_json, say, say_all, show_table
from bayes_dsl.cli.quoted import quote
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.forecast.register import append_forecast
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.forecast.share import misfit_share
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity, parse_quantity
from bayes_dsl.validation.alternatives import EVERY_PRIOR
from bayes_dsl.validation.log_prior import can_be_reweighed
from bayes_dsl.validation.power_scaling import power_scaling, sentences
from bayes_dsl.validation.sensitivity import Weighed, sensitivity

QUANTILES = (np.arange(100) + 0.5) / 100
"""Probabilities at which a registered forecast keeps its quantiles, for its CRPS."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """The forecast of one target, and its report."""

    question: dict[str, float]
    next_run: Forecast
    report: ForecastKeys


def questions(
    student: Sequence[str],
    tokens: Sequence[str],
    *,
    teacher_loss: str | None,
    teacher: str | None,
    teacher_tokens: str | None,
    unique: str | None = None,
) -> list[dict[str, float]]:
    """Return what is asked, a question for every student with every number of tokens, in plain numbers."""
    faults: list[Fault] = []

    def number(text: str, flag: str) -> float:
        try:
            return parse_quantity(text, where="forecast", what=flag)
        except InputError as error:
            faults.extend(error.faults)
            return float("nan")

    params = [number(text, "--student") for text in student]
    budgets = [number(text, "--tokens") for text in tokens]
    given = {
        "teacher_loss": (teacher_loss, "--teacher-loss"),
        "teacher_params": (teacher, "--teacher"),
        "teacher_tokens": (teacher_tokens, "--teacher-tokens"),
        "unique_tokens": (unique, "--unique"),
    }
    shared = {name: number(text, flag) for name, (text, flag) in given.items() if text is not None}
    if faults:
        raise InputError(faults)
    return [{"student_params": N, "student_tokens": D, **shared} for N, D in product(params, budgets)]


def answer(
    posterior: Posterior,
    question: dict[str, float],
    *,
    prob: float,
    kind: str,
    backtest: Path | None = None,
    weighed: Weighed | None = None,
) -> Answer:
    """Forecast one target, say what it leans on where alternatives are weighed, and quote the back-test, if any."""
    expected = expected_loss(posterior, **question)
    next_run = next_run_loss(posterior, **question)
    share = misfit_share(posterior, **question)
    reach = expected.extrapolation
    inputs = {name: float(values[0]) for name, values in expected.inputs.items()}
    times = float(reach.times_largest_compute[0])
    report = ForecastKeys(
        inputs=inputs,
        expected=LossKeys(**expected.records(prob=prob, kind=kind)[0]),
        next_run=LossKeys(**next_run.records(prob=prob, kind=kind)[0]),
        extrapolation=ExtrapolationKeys(
            times_largest_compute=times,
            decades={axis: float(decades[0]) for axis, decades in reach.decades.items()},
        ),
        misfit=posterior.misfit,
        misfit_share=None if share is None else float(share[0]),
        sensitivity=None if weighed is None else _leaning(weighed, question, prob, expected.loss[:, 0]),
        health=health_of(posterior),
        warnings=list(expected.warnings),
        backtest=None if backtest is None else quote(posterior, backtest, inputs),
    )
    return Answer(question=question, next_run=next_run, report=report)


def forecast_loss(
    path: Path,
    asked: Sequence[dict[str, float]],
    *,
    counting: str | None,
    prob: float,
    kind: str,
    plot: Path | None,
    register: Path | None,
    backtest: Path | None,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Forecast every target that is asked about; print, and where asked, draw and register it."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    check_same_counting(posterior.counting, counting)
    weighed = Weighed.of(posterior) if can_be_reweighed(posterior) else None
    answers = [
        answer(posterior, question, prob=prob, kind=kind, backtest=backtest, weighed=weighed)
        for question in asked
    ]
    if plot is not None:
        _draw(posterior, answers, plot, prob=prob, kind=kind)
    entries = [] if register is None else [_register(register, posterior, one) for one in answers]
    if as_json:
        reports = [one.report for one in answers]
        print_json(reports[0] if len(reports) == 1 else reports)
    else:
        show_forecast(posterior, [one.report for one in answers], counting=counting, quiet=quiet)
        if plot is not None or entries:
            say()
        if plot is not None:
            say(f"Drawn: {plot}")
    for entry in entries:
        told = f"Registered as forecast {entry['number']} in {register}, sha256 {entry['sha256']}"
        complain(told) if as_json else say(told)


def show_forecast(
    posterior: Posterior, reports: Sequence[ForecastKeys], *, counting: str | None, quiet: bool
) -> None:
    """Print forecasts for people."""
    first = reports[0].expected
    header = ["about", *(name.replace("_", " ") for name in reports[0].inputs), "median", "lower", "upper"]
    rows = [
        (about, *(format_quantity(value) for value in report.inputs.values()), *_numbers(loss))
        for report in reports
        for about, loss in (("expected loss", report.expected), ("next run", report.next_run))
    ]
    show_table(f"Loss in nats per token, {interval_in_words(first.prob, first.kind)}", header, rows)
    say()
    show_health(reports[0].health)
    for report in reports:
        say(_reach(report))
    for told in dict.fromkeys(_misfit(report) for report in reports):
        say(told)
    for told in _backtested(reports):
        say(told)
    for report in reports:
        for told in report.sensitivity.matters if report.sensitivity is not None else ():
            say(f"Sensitivity of {_size(report)}: {told[:1].lower()}{told[1:]}")
    say_all("Warnings", dict.fromkeys(warning for report in reports for warning in report.warnings))
    if not quiet:
        say_all("Notes", [*_notes(posterior, counting), *_not_told(reports)])


def _leaning(weighed: Weighed, question: dict[str, Any], prob: float, loss: np.ndarray) -> LeaningKeys:
    """What matters; where the draws do not reach other priors, power scaling says at least whether the prior does."""
    found = sensitivity(weighed, prob=prob, **question)
    matters = list(found.sentences())
    if any(told.startswith(EVERY_PRIOR) for told in found.not_told):
        matters += sentences(power_scaling(weighed.posterior, loss, coefficients=False))
    return LeaningKeys(matters=matters, not_told=list(found.not_told))


def _not_told(reports: Sequence[ForecastKeys]) -> list[str]:
    """What the draws cannot tell: the same for every target."""
    found = reports[0].sensitivity
    if found is None or not found.not_told:
        return []
    names = ", ".join(one.split(":")[0] for one in found.not_told)
    return [
        f"not known from these draws: what changes with {names}; `bayes-dsl sensitivity` samples that anew"
    ]


def _size(report: ForecastKeys) -> str:
    return " x ".join(format_quantity(report.inputs[name]) for name in ("params", "tokens"))


def _reach(report: ForecastKeys) -> str:
    reach = report.extrapolation
    outside = [f"{axis.replace('_', ' ')} {value:+.2f}" for axis, value in reach.decades.items() if value]
    inside = [axis.replace("_", " ") for axis, value in reach.decades.items() if not value]
    parts = [f"{', '.join(outside)} decades outside the runs"] if outside else []
    parts += (
        [f"{', '.join(inside)} inside them" if outside else f"{', '.join(inside)} inside the runs"]
        if inside
        else []
    )
    return (
        f"Reach of {_size(report)}: {reach.times_largest_compute:.3g} times the compute of the largest run; "
        + "; ".join(parts)
    )


def _misfit(report: ForecastKeys) -> str:
    if report.misfit_share is None:
        return "Misfit: none; the law is taken to hold exactly, and no interval here says how far it may not"
    return f"Misfit of {_size(report)}: {report.misfit_share:.0%} of the variance of ln(expected loss)"


def _backtested(reports: Sequence[ForecastKeys]) -> list[str]:
    """What the back-test says, once for all targets of which it says the same, which are named where they differ."""
    sizes: dict[str, list[str]] = {}
    for report in reports:
        if report.backtest is not None:
            sizes.setdefault(report.backtest, []).append(_size(report))
    if len(sizes) == 1:
        return [told[:1].upper() + told[1:] for told in sizes]
    return [f"For {', '.join(dict.fromkeys(those))}: {told}" for told, those in sizes.items()]


def _numbers(loss: LossKeys) -> tuple[str, str, str]:
    return f"{loss.median:.4f}", f"{loss.lower:.4f}", f"{loss.upper:.4f}"


def _notes(posterior: Posterior, counting: str | None) -> list[str]:
    if posterior.counting is not None:
        return [f"params count as {posterior.counting}, as in the table {posterior.table.source}"]
    taken = f"; taken as {counting}, as the question says" if counting else ""
    return [f"the table {posterior.table.source} does not say whether params count the embeddings{taken}"]


def _draw(posterior: Posterior, answers: Sequence[Answer], path: Path, *, prob: float, kind: str) -> None:
    from bayes_dsl.reporting.plots import plot_forecast  # Matplotlib is slow to load

    if len(answers) > 1:
        rule, remedy = "a figure shows one target", "Give --student and --tokens once, or leave --plot out"
        value = f"{len(answers)} targets"
        raise InputError(Fault(where="forecast", what="--plot", value=value, rule=rule, remedy=remedy))
    plot_forecast(posterior, path, **answers[0].question, prob=prob, kind=kind)


def _register(register: Path, posterior: Posterior, one: Answer) -> dict[str, Any]:
    quantiles = one.next_run.quantiles(QUANTILES)[:, 0]
    return append_forecast(
        register,
        {
            "forecast": {
                **one.report.model_dump(mode="json"),
                "quantiles": {"probs": QUANTILES.tolist(), "loss": quantiles.tolist()},
            },
            "posterior": {
                "law": posterior.law.name,
                "table": posterior.table.source,
                "table_sha256": posterior.table_sha256,
                "seed": posterior.seed,
                "versions": posterior.versions,
            },
        },
    )
