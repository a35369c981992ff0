"""`check`: what a run table holds, and what is unusual about it, before anything is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_dsl.cli.json_keys import CheckKeys
from bayes_dsl.cli.output import print_json, say, say_all, show_table
from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.runs.schema import COLUMN
from bayes_dsl.runs.table import RunTable


def check_table(
    path: Path,
    *,
    columns: Sequence[str] | None,
    where: Sequence[str],
    counting: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read a table and print what it holds."""
    report = report_of(RunTable.read(path, columns=columns, where=where, counting=counting))
    if as_json:
        print_json(report)
    else:
        show_check(report, quiet=quiet)


def report_of(table: RunTable) -> CheckKeys:
    """Return what `check` says about a table."""
    summary = table.summary()
    return CheckKeys(
        source=table.source,
        sha256=table.sha256,
        rows=summary.rows,
        used=summary.used,
        by_role=dict(summary.by_role),
        by_status=dict(summary.by_status),
        left_out=dict(summary.left_out),
        configurations=summary.configurations,
        teachers=summary.teachers,
        groups=summary.groups,
        evaluations=summary.evaluations,
        ranges=dict(summary.ranges),
        largest_compute_flops=summary.largest_compute_flops,
        counting=table.counting,
        notes=list(table.notes),
        warnings=list(table.warnings),
    )


def show_check(report: CheckKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    say(f"{report.source}: {_rows(report.rows)}, {report.used} used (sha256 {report.sha256[:12]})")
    counts = [
        ("rows by role", _counts(report.by_role)),
        ("rows by status", _counts(report.by_status)),
        ("left out", _counts(report.left_out) or "nothing"),
        ("distinct configurations", str(report.configurations)),
        ("teachers", str(report.teachers)),
        ("groups", str(report.groups)),
        ("evaluations", str(report.evaluations)),
        ("largest compute", f"{format_quantity(report.largest_compute_flops)} FLOPs"),
        ("counting of params", report.counting or "unstated"),
    ]
    show_table("What is there", ("what", "how many"), counts, left=2)
    ranges = [
        (name, format_quantity(low), format_quantity(high), COLUMN[name].unit)
        for name, (low, high) in report.ranges.items()
    ]
    show_table("Ranges of the rows used", ("column", "from", "to", "unit"), ranges)
    if not quiet:
        say_all("Notes", report.notes)
    say_all("Warnings", report.warnings)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
