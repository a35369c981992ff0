"""`summary`: what a saved posterior is, whether to trust it, what it says, and what it does not know."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from bayes_dsl.cli.believed import health_of, intervals_of, show_health, show_intervals, table_of
from bayes_dsl.cli.json_keys import OddRowKeys, SummaryKeys
from bayes_dsl.cli.output import number, print_json, say, say_all, show_table
from bayes_dsl.cli.predictive import predictive_of, show_predictive
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.loo import leave_one_out
from bayes_dsl.validation.odd_rows import odd_rows

MOST_ODD_ROWS = 10


def summarise(
    path: Path,
    *,
    prob: float,
    kind: str,
    plot: Path | None,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Open a posterior and print what it says; where asked, draw its rank and trace plots."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    if plot is not None:
        from bayes_dsl.reporting.plots import plot_diagnostics  # Matplotlib is slow to load

        plot_diagnostics(posterior, plot)
    report = report_of(posterior, prob=prob, kind=kind)
    if as_json:
        print_json(report)
        return
    show_summary(report, name=path.name, quiet=quiet)
    if plot is not None:
        say()
        say(f"Drawn: {plot}")


def report_of(posterior: Posterior, *, prob: float, kind: str) -> SummaryKeys:
    """Return what `summary` says about a posterior."""
    loo = leave_one_out(posterior)
    return SummaryKeys(
        law=posterior.law.name,
        misfit=posterior.misfit,
        prior=posterior.prior_origin,
        table=table_of(posterior),
        counting=posterior.counting,
        seed=posterior.seed,
        settings=posterior.settings,
        versions=posterior.versions,
        health=health_of(posterior),
        intervals=intervals_of(posterior, prob=prob, kind=kind),
        unidentified=list(posterior.unidentified()),
        odd_rows=[OddRowKeys(**asdict(row)) for row in odd_rows(posterior, most=MOST_ODD_ROWS, loo=loo)],
        predictive=predictive_of(posterior, loo),
        notes=list(posterior.notes),
    )


def show_summary(report: SummaryKeys, *, name: str, quiet: bool) -> None:
    """Print the report for people."""
    table, settings = report.table, report.settings
    say(f"{name}: {report.law} law, misfit {report.misfit}, seed {report.seed}")
    say(f"Table: {table.source}, {table.used} of {table.rows} rows used, sha256 {table.sha256}")
    if report.prior is not None:
        say(f"Prior of the coefficients: {report.prior}")
    say(f"Counting of params: {report.counting or 'unstated'}")
    say(
        f"Sampled: {settings['chains']:g} chains of {report.health.draws / settings['chains']:g} draws "
        f"after {settings['warmup']:g} of warm-up, target acceptance {settings['target_accept']:g}"
    )
    say("Versions: " + ", ".join(f"{name} {version}" for name, version in report.versions.items()))
    show_health(report.health)
    show_intervals(report.intervals)
    say_all("Not identified", report.unidentified)
    show_odd_rows(report.odd_rows)
    show_predictive(report.predictive)
    if not quiet:
        say_all("Notes", report.notes)


def show_odd_rows(found: list[OddRowKeys]) -> None:
    """Print the rows that the law and its noise hardly explain."""
    if not found:
        say()
        say("Odd rows: none")
        return
    rows = [
        (
            one.run_id,
            "-" if one.line is None else str(one.line),
            one.role,
            f"{one.observed:.4f}",
            f"{one.expected:.4f}",
            f"{one.standardised_residual:+.1f}",
            number(one.pareto_k, 2),
        )
        for one in found
    ]
    header = ("run", "line", "role", "loss", "expected", "residual / scale", "Pareto k")
    show_table("Odd rows, the oddest first (losses in nats per token)", header, rows)
