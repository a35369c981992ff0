"""`sensitivity`: how far a forecast moves where something else had been assumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bayes_dsl.cli.believed import health_of, show_health
from bayes_dsl.cli.output import number, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.cli.sensitivity_keys import AlternativeKeys, EndsKeys, PowerKeys, SensitivityKeys
from bayes_dsl.files import write_atomically
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.validation.power_scaling import Scaled, power_scaling, sentences
from bayes_dsl.validation.sensitivity import Ends, Moved, Sampling, Sensitivity, Target, sensitivity

NOTHING = "No alternative of this table moves it by more than a quarter of its width"


def forecast_sensitivity(
    path: Path,
    asked: dict[str, float],
    *,
    E: Sequence[float],
    about: Target,
    anew: Sampling,
    counting: str | None,
    prob: float,
    output: Path | None,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Ask one target under every alternative; print, and where asked, write it."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    check_same_counting(posterior.counting, counting)
    with problem_progress("sampling anew", wanted=not quiet and anew != "never") as progress:
        found = sensitivity(posterior, prob=prob, about=about, E=E, anew=anew, progress=progress, **asked)
    ask = expected_loss if about == "expected" else next_run_loss
    scaled = power_scaling(posterior, ask(posterior, **asked).loss[:, 0])
    report = report_of(posterior, found, scaled, output)
    if output is not None:
        write_atomically(output, report.model_dump_json(indent=2) + "\n")
    if as_json:
        print_json(report)
    else:
        show_sensitivity(report, quiet=quiet)


def report_of(
    posterior: Posterior, found: Sensitivity, scaled: Sequence[Scaled], output: Path | None
) -> SensitivityKeys:
    """What is printed."""
    return SensitivityKeys(
        inputs=found.inputs,
        about=found.about,
        prob=found.prob,
        forecast=_ends(found.own),
        alternatives=[_alternative(row) for row in found.rows],
        matters=list(found.sentences()),
        not_told=list(found.not_told),
        not_asked=list(found.not_asked),
        power_scaling=[
            PowerKeys(
                quantity=one.quantity,
                prior=one.prior["all"],
                by_part={part: value for part, value in one.prior.items() if part != "all"},
                likelihood=one.likelihood,
                diagnosis=one.diagnosis,
            )
            for one in scaled
        ],
        diagnoses=list(sentences(scaled)),
        health=health_of(posterior),
        sensitivity=None if output is None else str(output),
    )


def _ends(ends: Ends) -> EndsKeys:
    return EndsKeys(median=ends.median, lower=ends.lower, upper=ends.upper)


def _alternative(row: Moved) -> AlternativeKeys:
    return AlternativeKeys(
        name=row.name,
        about=row.about,
        loss=_ends(row.ends),
        shifts=_ends(row.shifts),
        matters=row.matters,
        method=row.method,
        pareto_k=row.pareto_k if math.isfinite(row.pareto_k) else None,
        effective_draws=row.effective_draws,
    )


def show_sensitivity(report: SensitivityKeys, *, quiet: bool) -> None:
    """Print it for people."""
    asked = ", ".join(f"{name.replace('_', ' ')} {format_quantity(v)}" for name, v in report.inputs.items())
    what = {"expected": "expected loss", "next_run": "loss of the next run"}[report.about]
    own = report.forecast
    header = ("with", "median", "lower", "upper", "its shift", "lower's", "upper's", "how", "Pareto k")
    rows: list[tuple[str, ...]] = [("as assumed", *_losses(own), "", "", "", "", "")]
    rows += [
        (
            one.name,
            *_losses(one.loss),
            *(f"{100 * shift:+.0f} %" for shift in (one.shifts.median, one.shifts.lower, one.shifts.upper)),
            one.method,
            number(one.pareto_k, 2),
        )
        for one in report.alternatives
    ]
    title = f"{what[0].upper()}{what[1:]} in nats per token, {asked}: {percent(report.prob)} equal-tailed intervals"
    show_table(title, header, rows)
    say()
    say(
        f"Shifts are in widths of the interval as assumed, {own.upper - own.lower:.4f}; beyond 25 % they matter."
    )
    show_health(report.health)
    say_all(
        "What matters",
        report.matters or ["Nothing that was asked moves it by more than a quarter of its width"],
    )
    say_all("Not told", report.not_told)
    _show_power(report)
    if not quiet:
        say_all("Not asked", report.not_asked)
    if report.sensitivity is not None:
        say()
        say(f"Written: {report.sensitivity}")


def _show_power(report: SensitivityKeys) -> None:
    parts = list(report.power_scaling[0].by_part)
    show_table(
        "Power scaling: from 0.05 on, the prior or the runs move a quantity (positive coefficients in logarithms)",
        ("quantity", "prior", *(f"of the {part}" for part in parts), "runs"),
        [
            (
                one.quantity,
                *(f"{value:.2f}" for value in (one.prior, *one.by_part.values(), one.likelihood)),
            )
            for one in report.power_scaling
        ],
    )
    say_all("What the prior tells", report.diagnoses)


def _losses(ends: EndsKeys) -> tuple[str, str, str]:
    return f"{ends.median:.4f}", f"{ends.lower:.4f}", f"{ends.upper:.4f}"
