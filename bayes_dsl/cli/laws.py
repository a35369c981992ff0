"""`laws compare`: which law a run table supports, and where laws that it supports alike disagree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from bayes_dsl.cli.believed import health_of
from bayes_dsl.cli.failures import HEALTH_GATE_FAILED, complain
from bayes_dsl.cli.fit import require_place
from bayes_dsl.cli.laws_keys import LawKeys, LawsKeys, TargetKeys
from bayes_dsl.cli.output import interval_in_words, number, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import write_atomically
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.registry import law as law_of
from bayes_dsl.runs.table import RunTable
from bayes_dsl.validation.agreement import LEAST_GAP, STANDARD_ERRORS
from bayes_dsl.validation.holdouts import Scale
from bayes_dsl.validation.laws import LawComparison, compare_laws


def compare_table(
    path: Path,
    *,
    columns: Sequence[str] | None,
    where: Sequence[str],
    counting: str | None,
    laws: str | None,
    targets: Sequence[dict[str, float]],
    factors: Sequence[float] | None,
    by: Scale,
    folds: int,
    prob: float,
    seed: int,
    settings: Settings,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare laws on a table, print and write what came out; exit code 1 where a posterior is unhealthy."""
    if output is not None:
        require_place(output, what="a comparison", example="laws.json")
    chosen = None if laws is None else [law_of(name.strip()) for name in laws.split(",") if name.strip()]
    table = RunTable.read(path, columns=columns, where=where, counting=counting)
    with problem_progress("sampling posteriors", wanted=not quiet) as progress:
        found = compare_laws(
            table,
            laws=chosen,
            targets=targets,
            factors=factors,
            by=by,
            prob=prob,
            folds=folds,
            seed=seed,
            settings=settings,
            progress=progress,
        )
    report = report_of(found, output)
    if output is not None:
        write_atomically(output, report.model_dump_json(indent=1) + "\n")
    if as_json:
        print_json(report)
    else:
        show_comparison(report, quiet=quiet)
    end_unless_all_healthy(report)


def complete(
    student: Sequence[str] | None,
    tokens: Sequence[str] | None,
    teacher_loss: str | None,
    unique: str | None = None,
) -> None:
    """Refuse a target of which only a part is given.

    Raises
    ------
    InputError
        A size without tokens, tokens without a size, or a teacher or unique tokens without both.
    """
    given = {"--student": student, "--tokens": tokens}
    if any(given.values()) or teacher_loss is not None or unique is not None:
        faults = [
            Fault(
                where="laws compare",
                what=flag,
                value="none",
                rule="a target is a size with its tokens",
                remedy="Give both --student and --tokens, or neither",
            )
            for flag, values in given.items()
            if not values
        ]
        if faults:
            raise InputError(faults)


def report_of(found: LawComparison, output: Path | None) -> LawsKeys:
    """The comparison as it is printed."""
    laws = [
        LawKeys.model_validate(
            {
                "law": name,
                **{
                    str(key): None if value != value else value
                    for key, value in row.items()
                    if key != "healthy"
                },
                "health": health_of(found.posteriors[str(name)]),
            }
        )
        for name, row in found.laws.iterrows()
    ]
    first = found.held_out[found.held_out["law"] == laws[0].law]
    return LawsKeys(
        table=found.source,
        table_sha256=found.table_sha256,
        prob=found.prob,
        seed=found.seed,
        method=found.method,
        laws=laws,
        held_out={f"{factor:g}x": len(rows) for factor, rows in first.groupby("factor")},
        targets=[TargetKeys(**row) for row in found.targets.to_dict("records")],
        sentences=list(found.sentences),
        written=None if output is None else str(output),
        notes=list(found.notes),
    )


def show_comparison(report: LawsKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    header = ("law", "elpd", "se", "difference", "se of it", "stacking", "k > 0.7", "largest k", "gate")
    rows = [
        (
            one.law,
            f"{one.elpd:.1f}",
            f"{one.se:.1f}",
            f"{one.elpd_diff:.1f}",
            f"{one.dse:.1f}",
            f"{one.stacking_weight:.2f}",
            number(one.high_k),
            number(one.largest_k, 2),
            "passed" if one.health.healthy else "not passed",
        )
        for one in report.laws
    ]
    show_table(f"Fit to the table: {report.method}; larger elpd is better", header, rows)
    _show_held_out(report)
    if report.targets:
        lines = [
            (one.target, one.law, f"{one.median:.4f}", f"{one.lower:.4f}", f"{one.upper:.4f}")
            for one in report.targets
        ]
        title = f"Expected loss in nats per token, {interval_in_words(report.prob, 'eti')}"
        show_table(title, ("target", "law", "median", "lower", "upper"), lines, left=2)
    close = f"elpd within {STANDARD_ERRORS:g} standard errors, or less than {LEAST_GAP:g} apart"
    say_all(f"Laws that fit equally well ({close})", report.sentences)
    if not report.sentences:
        say()
        say("No two laws fit the table equally well: the first fits it best.")
    if not quiet:
        say_all("Notes", report.notes)
    if report.written is not None:
        say()
        say(f"Written: {report.written}")


def _show_held_out(report: LawsKeys) -> None:
    if not report.held_out:
        return
    counts = ", ".join(f"{runs} at {factor}" for factor, runs in report.held_out.items())
    rows = [
        (
            one.law,
            number(one.log_score),
            "-" if one.crps is None else number(1e3 * one.crps, 3),
            "-" if one.forecast_weight is None else f"{one.forecast_weight:.2f}",
        )
        for one in report.laws
    ]
    title = f"Forecasts of the held-out largest runs ({counts}), each law conditioned on the smaller ones"
    show_table(title, ("law", "log score", "CRPS in 1/1000", "weight for forecasts"), rows)


def end_unless_all_healthy(report: LawsKeys) -> None:
    """End the command with exit code 1 where a law's posterior failed its health gate, and say why on stderr."""
    failed = [one for one in report.laws if not one.health.healthy]
    for one in failed:
        for problem in one.health.problems:
            complain(f"{one.law}: {problem}")
    if failed:
        complain("laws compare: what stands beside these laws is not to be trusted.")
        raise typer.Exit(HEALTH_GATE_FAILED)
