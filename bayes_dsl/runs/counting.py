"""Whether parameters are counted with the embeddings or without them: never both in one table or question."""

from __future__ import annotations

from collections.abc import Sequence

from bayes_dsl.errors import CountingMismatch, Fault
from bayes_dsl.runs.raw import RawTable
from bayes_dsl.runs.schema import COUNTINGS


def check_same_counting(table_counting: str | None, asked_counting: str | None) -> str | None:
    """Return the counting that a table (or a posterior of one) and a question agree on, None if unstated.

    Raises
    ------
    CountingMismatch
        When both are stated and differ, or when the asked one is no way of counting.
    """
    if asked_counting is not None and asked_counting not in COUNTINGS:
        raise CountingMismatch(
            Fault(
                where="--counting",
                what="counting",
                value=asked_counting,
                rule=f"must be {' or '.join(COUNTINGS)}",
                remedy="Say whether params count the embeddings (total) or not (non_embedding)",
            )
        )
    if table_counting is not None and asked_counting is not None and table_counting != asked_counting:
        raise CountingMismatch(
            Fault(
                where="--counting",
                what="counting",
                value=asked_counting,
                rule=f"must be {table_counting}, as in the table",
                remedy=f"Give params counted as {table_counting}, or a table counted as {asked_counting}",
            )
        )
    return table_counting if asked_counting is None else asked_counting


def counting_faults(table: RawTable, values: Sequence[str]) -> list[Fault]:
    """Return a fault for every row that counts otherwise than the first one (unstated is otherwise, too)."""
    if len(set(values)) < 2:
        return []
    first = values[0] or "unstated"
    return [
        Fault(
            where=table.where(row),
            what="counting",
            value=value or "(empty)",
            rule=f"must be the same in the whole table, and {table.place} {table.lines[0]} has {first}",
            remedy="Count all params in one way: non_embedding or total",
            line=int(table.lines[row]),
            column="counting",
        )
        for row, value in enumerate(values)
        if value != values[0] and (not value or value in COUNTINGS)
    ]
