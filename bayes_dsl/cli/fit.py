"""`fit`: from a run table to a saved posterior, healthy or marked as not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from bayes_dsl.cli.believed import health_of, intervals_of, show_health, show_intervals, table_of
from bayes_dsl.cli.failures import HEALTH_GATE_FAILED, complain
from bayes_dsl.cli.json_keys import FitKeys
from bayes_dsl.cli.output import print_json, say, say_all
from bayes_dsl.cli.progress import sampling_progress
from bayes_dsl.costs.beside import beside, read_cost_model
from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.flops import cost_model as named_cost_model
from bayes_dsl.errors import Fault, FileRefused, NotConverged
from bayes_dsl.inference.carried import CarriedPrior
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.registry import law as law_of
from bayes_dsl.runs.table import RunTable


def fit_table(
    path: Path,
    *,
    columns: Sequence[str] | None,
    where: Sequence[str],
    counting: str | None,
    law: str | None,
    misfit: bool,
    cost: str | None,
    prior: CarriedPrior | None,
    settings: Settings,
    seed: int,
    prob: float,
    kind: str,
    output: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit a table, save the posterior, and print what it says; ends with exit code 1 if it is unhealthy."""
    table = RunTable.read(path, columns=columns, where=where, counting=counting)
    posterior = fitted(
        table,
        law=law,
        misfit=misfit,
        cost_model=cost_of(path, cost),
        prior=prior,
        settings=settings,
        seed=seed,
        output=output,
        quiet=quiet,
    )
    report = FitKeys(
        posterior=str(output),
        law=posterior.law.name,
        misfit=posterior.misfit,
        prior=posterior.prior_origin,
        table=table_of(posterior),
        cost_model=None if posterior.cost_model is None else posterior.cost_model.record(),
        seed=posterior.seed,
        health=health_of(posterior),
        intervals=intervals_of(posterior, prob=prob, kind=kind),
        notes=list(posterior.notes),
        warnings=list(table.warnings),
    )
    if as_json:
        print_json(report)
    else:
        show_fit(report, quiet=quiet)
    end_unless_healthy(posterior, output)


def cost_of(table: Path, named: str | None) -> CostModel | None:
    """Return the cost model to keep with the posterior: the named one, else the one beside the table, else none."""
    if named is None:
        found = beside(table)
        return None if found is None else read_cost_model(found)
    if named.endswith(".toml"):
        return read_cost_model(Path(named))
    return named_cost_model(named)


def fitted(
    table: RunTable,
    *,
    law: str | None,
    cost_model: CostModel | None,
    settings: Settings,
    seed: int,
    output: Path,
    quiet: bool,
    misfit: bool = True,
    prior: CarriedPrior | None = None,
) -> Posterior:
    """Return the posterior of a table, already saved, whether or not it passed its health gate."""
    require_place(output)
    chosen = None if law is None else law_of(law)
    with sampling_progress(wanted=not quiet) as progress:
        try:
            posterior = fit(
                table,
                law=chosen,
                prior=prior,
                misfit="default" if misfit else None,
                seed=seed,
                settings=settings,
                progress=progress,
                cost_model=cost_model,
            )
        except NotConverged as error:
            posterior = error.posterior
    posterior.save(output)
    return posterior


def show_fit(report: FitKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    table = report.table
    rows = f"{table.used} of {table.rows} rows of {table.source}"
    say(f"{report.law} law, {rows}, seed {report.seed}, misfit {report.misfit}")
    if report.prior is not None:
        say(f"Prior of the coefficients: {report.prior}")
    show_health(report.health, problems=False)
    if report.cost_model is not None:
        say(f"Cost model: {report.cost_model['name']}")
    show_intervals(report.intervals)
    if not quiet:
        say_all("Notes", report.notes)
    say_all("Warnings", report.warnings)
    say()
    say(f"Written: {report.posterior}")


def end_unless_healthy(posterior: Posterior, output: Path) -> None:
    """End the command with exit code 1 where the health gate was not passed, and say why on stderr."""
    if posterior.healthy:
        return
    for problem in posterior.diagnostics.problems():
        complain(f"{output}: {problem}")
    complain(f"{output}: written, and marked unhealthy; other verbs refuse it without --accept-unhealthy.")
    raise typer.Exit(HEALTH_GATE_FAILED)


def require_place(output: Path, *, what: str = "a posterior", example: str = "posterior.nc") -> None:
    """Refuse a place that cannot be written before the sampling rather than after it."""
    folder = output.parent
    if output.is_dir():
        value, rule, remedy = (
            "folder",
            f"{what} is written to a file",
            f"Name a file, such as {example}",
        )
    elif not folder.is_dir():
        value, rule, remedy = "no such folder", "the folder of the file must be there", "Create it first"
    elif not os.access(folder, os.W_OK):
        value, rule, remedy = "not writable", "the folder must take new files", "Name another folder"
    else:
        return
    raise FileRefused(Fault(where=str(output), what="output", value=value, rule=rule, remedy=remedy))
