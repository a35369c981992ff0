"""A data frame as a raw table: its own types kept, its rows called by their position."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.raw import RawColumn, RawTable
from bayes_dsl.runs.reading import header_names


def raw_of_frame(frame: pd.DataFrame, source: str) -> tuple[RawTable, list[Fault]]:
    """Return a data frame as a raw table, its index left aside.

    Raises
    ------
    TableError
        When a column has no usable name, two have the same, or there is no row.
    """
    names = frame.columns.tolist()
    faults = [
        Fault(
            where=source,
            what="column name",
            value=str(name) or "(empty)",
            rule="is text",
            remedy="Rename the column",
        )
        for name in names
        if not isinstance(name, str)
    ]
    if faults:
        raise TableError(faults)
    stripped, notes = header_names(names, source, faults, line=None)
    if frame.empty:
        faults.append(
            Fault(
                where=source,
                what="the table has no rows",
                value="",
                rule="a run table has at least one run",
                remedy="Add a row for every run",
            )
        )
    columns = {
        name: RawColumn(series=frame.iloc[:, place].reset_index(drop=True))
        for place, name in enumerate(stripped)
    }
    lines = np.arange(len(frame), dtype=np.int64)
    return RawTable(source=source, columns=columns, lines=lines, place="row", notes=notes), faults
