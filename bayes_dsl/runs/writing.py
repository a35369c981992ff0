"""Writing of run tables: as CSV text, or as a CSV or Parquet file that appears whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pandas as pd

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.files import write_atomically
from bayes_dsl.runs.parquet import write_parquet
from bayes_dsl.runs.raw import RawColumn


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV: floats in the shortest text that reads back the same, missing cells empty."""
    cells = [RawColumn(series=frame.iloc[:, place]).text() for place in range(frame.shape[1])]
    text = _written(frame.columns, cells, csv.QUOTE_MINIMAL)
    if "\r" in text:  # the csv module does not think that a lone carriage return needs quotes
        text = _written(frame.columns, cells, csv.QUOTE_ALL)
    return text


def _written(names: Iterable[str], cells: Iterable[Iterable[str]], quoting: Literal[0, 1]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=quoting)
    writer.writerow(names)
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a `.csv` or `.parquet` file.

    Raises
    ------
    TableError
        When the name ends in neither, or pyarrow is missing for Parquet.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_atomically(path, csv_text(frame))
    elif suffix == ".parquet":
        write_atomically(path, lambda temporary: write_parquet(frame, temporary))
    else:
        raise TableError(
            Fault(
                where=path.name,
                what="suffix",
                value=suffix or "(none)",
                rule="a run table is written to .csv or .parquet",
                remedy=f"Write to {path.stem}.csv",
            )
        )
