"""The arrays that a law reads from a run table, a gap in a column that it needs being refused by name."""

from __future__ import annotations

import numpy as np

from bayes_dsl.errors import Fault, InputError, TableError
from bayes_dsl.laws.base import INPUT_COLUMNS, Law, Role
from bayes_dsl.runs.table import RunTable

NEXT_STEP = {
    "unique_tokens": "Give the distinct tokens of every run (its tokens, where nothing was seen twice)",
}


def inputs_of(rows: RunTable, law: Law, role: Role) -> dict[str, np.ndarray]:
    """The inputs of a law for rows of one role, each (row,), by the law's names.

    Raises
    ------
    TableError
        A column that the law reads is empty in some row: an empty cell does not say what it would stand for.
    """
    inputs = {name: np.asarray(rows.values(INPUT_COLUMNS[name]), np.float64) for name in role.inputs}
    faults = []
    for name, values in inputs.items():
        empty, column = np.flatnonzero(np.isnan(values)), INPUT_COLUMNS[name]
        if len(empty):
            faults.append(
                Fault(
                    where=f"{rows.source}: column '{column}'",
                    what=column,
                    value=f"(empty) in {len(empty)} of {len(rows)} rows, first in line {rows.lines[empty[0]]}",
                    rule=f"the {law.name} law reads it in every row",
                    remedy=NEXT_STEP.get(column, "Give it, or leave these rows out with --where"),
                    column=column,
                )
            )
    if faults:
        raise TableError(faults)
    return inputs


def refuse_misfit(law: Law) -> None:
    """Refuse a misfit for a law that reads more than size and tokens.

    Raises
    ------
    InputError
        The misfit's drift bends tokens alone, and would change how often they were repeated.
    """
    if law.takes("U"):
        raise InputError(
            Fault(
                where=f"law {law.name}",
                what="misfit",
                value="unique_tokens among the inputs",
                rule="a misfit bends tokens, and would change how often they were repeated",
                remedy="Fit the bare law: misfit=None, or --no-misfit",
            )
        )
