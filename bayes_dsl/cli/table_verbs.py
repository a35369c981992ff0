"""The verbs that start from a run table, each opening its room only when it is called."""

from __future__ import annotations

from bayes_dsl.cli.options import (
    ColumnsOption,
    CountingOption,
    JsonOption,
    QuietOption,
    TableArgument,
    WhereOption,
)


def check(
    table: TableArgument,
    columns: ColumnsOption = None,
    where: WhereOption = None,
    counting: CountingOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a run table holds, and what is wrong or unusual about it.

    Keys of --json: source, sha256, rows, used, by_role, by_status, left_out, configurations, teachers,
    groups, evaluations, ranges, largest_compute_flops, counting, notes, warnings.
    """
    from bayes_dsl.cli.check import check_table

    check_table(table, columns=columns, where=where or (), counting=counting, as_json=json, quiet=quiet)
