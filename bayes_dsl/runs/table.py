"""The run table: what was trained, one row a run, checked when it is made and never changed afterwards."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_dsl.errors import CountingMismatch, Fault, TableError, UnknownName
from bayes_dsl.files import read_bytes
from bayes_dsl.runs.checks import Values, check_cells
from bayes_dsl.runs.counting import check_same_counting, counting_faults
from bayes_dsl.runs.design import warnings_of
from bayes_dsl.runs.frames import raw_of_frame
from bayes_dsl.runs.mapping import columns_of, map_columns
from bayes_dsl.runs.notes import notes_of
from bayes_dsl.runs.parquet import read_parquet
from bayes_dsl.runs.raw import Ints, RawColumn, RawTable
from bayes_dsl.runs.reading import read_csv
from bayes_dsl.runs.schema import COLUMN, COLUMNS
from bayes_dsl.runs.summary import TableSummary, summarise
from bayes_dsl.runs.where import select_rows
from bayes_dsl.runs.writing import csv_text, write_table

ColumnsAsked = Mapping[str, str] | Sequence[str] | str | None
_PLACE_NAME = re.compile(r"(line|row) \d+")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTable:
    """A checked table of training runs.

    Make one with `read` (CSV or Parquet), `from_pandas` or `from_csv_text`; rows with a status other than
    `ok` are in it, and left out of `used`, which is what a posterior conditions on.

    Attributes
    ----------
    columns
        Values of the schema's columns that the table has: float64 (NaN where empty), or text ("").
    free
        The columns that have no meaning here, as they were given.
    lines
        Physical line of each row in its file (the header is line 1), or its position in the data frame.
    source
        Name of the file, or "data frame".
    counting
        Whether `params` count the embeddings ("total") or not ("non_embedding"); None when unstated.
    notes
        What has to be said about the table though nothing is wrong with it.
    left_out
        Rows that each condition of `where` left out when the table was read.
    """

    columns: Mapping[str, Values]
    free: pd.DataFrame
    lines: Ints
    source: str
    counting: str | None = None
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(column) for column in self.columns.values()} | {len(self.lines), len(self.free)}
        needed = {"run_id", "role", "params", "tokens", "loss", "status"}
        if len(lengths) != 1 or not needed <= set(self.columns) <= set(COLUMN):
            raise TableError(
                Fault(
                    where="RunTable",
                    what="columns",
                    value=", ".join(self.columns),
                    rule=f"must be of one length and of the schema, {', '.join(sorted(needed))} among them",
                    remedy="Make tables with RunTable.read or RunTable.from_pandas",
                )
            )

        for column in (*self.columns.values(), self.lines):
            column.setflags(write=False)

    @classmethod
    def read(
        cls,
        path: str | Path,
        columns: ColumnsAsked = None,
        where: Sequence[str] | str = (),
        counting: str | None = None,
    ) -> RunTable:
        """Read and check a CSV or Parquet file.

        Parameters
        ----------
        path
            A file that ends in `.parquet`, in `.tsv` (tabs), or in anything else (commas).
        columns
            Which of the file's columns, or which formula, each column is: a mapping, or entries such as
            `"loss=eval/ce,params=N [billions],tokens=flops/(6 params),role='supervised'"`.
        where
            Conditions such as `"tokens>=1e9"`; rows that fail one are left out, and counted.
        counting
            "non_embedding" or "total", where the file does not say it.

        Raises
        ------
        TableError
            With every fault of the file, each with line, column, value, rule and remedy.
        CountingMismatch
            When params are counted in two ways.
        FileRefused
            When the file cannot be opened.
        """
        path = Path(path)
        data = read_bytes(path)
        if path.suffix.lower() == ".parquet":
            raw, faults = raw_of_frame(read_parquet(data, path.name), path.name)
        else:
            raw, faults = read_csv(data, path.name, separator="\t" if path.suffix.lower() == ".tsv" else ",")
        del data
        return cls._of_raw(raw, faults, columns, where, counting)

    @classmethod
    def from_pandas(
        cls,
        frame: pd.DataFrame,
        columns: ColumnsAsked = None,
        where: Sequence[str] | str = (),
        counting: str | None = None,
    ) -> RunTable:
        """Check a data frame; missing values are empty cells, free columns keep their types. See `read`."""
        raw, faults = raw_of_frame(frame, "data frame")
        return cls._of_raw(raw, faults, columns, where, counting)

    @classmethod
    def from_csv_text(cls, text: str, source: str = "stored table") -> RunTable:
        """Check the text of a CSV file, such as `to_csv_text` returns."""
        raw, faults = read_csv(text.encode("utf-8", errors="surrogatepass"), source)
        return cls._of_raw(raw, faults, None, (), None)

    @classmethod
    def _of_raw(
        cls,
        raw: RawTable,
        faults: list[Fault],
        columns: ColumnsAsked,
        where: Sequence[str] | str,
        counting: str | None,
    ) -> RunTable:
        try:
            mapped, renamed = map_columns(raw, columns_of(columns))
            selected, left_out = select_rows(mapped, (where,) if isinstance(where, str) else where)
        except TableError as error:
            raise TableError([*faults, *error.faults]) from None
        table = selected.drop(renamed)
        checked = check_cells(table)
        mixed = counting_faults(
            table, checked.values["counting"].tolist() if "counting" in checked.values else ()
        )
        faults = sorted([*faults, *checked.faults, *mixed], key=lambda fault: fault.line or 0)
        if faults:
            raise (CountingMismatch if len(faults) == len(mixed) else TableError)(faults)
        stated = str(checked.values["counting"][0]) or None if "counting" in checked.values else None
        counting = check_same_counting(stated, counting)
        if counting is not None:
            checked.values["counting"] = np.full(table.n_rows, counting, dtype=object)
        values = {
            column.name: checked.values[column.name] for column in COLUMNS if column.name in checked.values
        }
        return cls(
            columns=values,
            free=_free_columns(table),
            lines=table.lines,
            source=table.source,
            counting=counting,
            notes=(*table.notes, *checked.notes, *notes_of(raw.n_rows, left_out, values, counting)),
            left_out=left_out,
        )

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def n_rows(self) -> int:
        """Number of rows, whatever their status."""
        return len(self.lines)

    def values(self, name: str) -> Values:
        """Return a column of the schema, shape (n_rows,): floats, NaN where empty; or text, "" where empty.

        Raises
        ------
        UnknownName
            When the schema has no such column (free columns are in `free`).
        """
        if name not in COLUMN:
            raise UnknownName(
                Fault(
                    where="RunTable.values",
                    what="column",
                    value=name,
                    rule="is no column of the schema",
                    remedy=f"The columns are: {', '.join(COLUMN)}; free columns are in `.free`",
                )
            )
        if name in self.columns:
            return self.columns[name]
        if COLUMN[name].numeric:
            return np.full(self.n_rows, np.nan)
        return np.full(self.n_rows, "", dtype=object)

    def has(self, name: str) -> bool:
        """Return whether a column of the schema has a value in at least one row."""
        column = self.values(name)
        return bool(np.any(~np.isnan(column.astype(np.float64)) if COLUMN[name].numeric else column != ""))

    @cached_property
    def used(self) -> RunTable:
        """The rows that a posterior conditions on: those with status ok."""
        ok = np.asarray(self.columns["status"] == "ok")
        return self if ok.all() else self.select(ok)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about the rows that a posterior conditions on, a sentence each."""
        return warnings_of(self.used.columns)

    def select(self, mask: NDArray[np.bool_]) -> RunTable:
        """Return the rows where the mask, shape (n_rows,), is true; an array of row numbers will do, too."""
        rows = np.arange(self.n_rows)[mask]
        return replace(
            self,
            columns={name: column[rows] for name, column in self.columns.items()},
            free=self.free.iloc[rows].reset_index(drop=True),
            lines=self.lines[rows],
        )

    def summary(self) -> TableSummary:
        """Return counts and ranges of the table."""
        return summarise(self.columns, self.left_out)

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a data frame: the schema's columns first, then the free ones."""
        known = {
            name: pd.Series(column)
            if COLUMN[name].numeric
            else pd.Series(column, dtype="str").replace("", None)
            for name, column in self.columns.items()
        }
        return pd.concat([pd.DataFrame(known, index=range(self.n_rows)), self.free], axis=1)

    def to_csv_text(self) -> str:
        """Return the table as CSV, which `from_csv_text` reads back to equal values and the same hash."""
        return csv_text(self.to_pandas())

    def write(self, path: str | Path) -> None:
        """Write the table to a `.csv` or `.parquet` file, whole or not at all."""
        write_table(self.to_pandas(), Path(path))

    @cached_property
    def sha256(self) -> str:
        """Hash of the values of the schema's columns, all rows in order, whatever file they came from.

        Free columns, and names that only say where a row stood (`line 17`), are no part of it.
        """
        digest = hashlib.sha256(b"bayes-dsl run table 1\n")
        for column in COLUMNS:
            if not self.has(column.name):
                continue
            digest.update(f"{column.name}\n".encode())
            values = self.columns[column.name]
            if column.numeric:
                digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
                continue
            texts = values.tolist()
            if column.name == "run_id":
                texts = ["" if _PLACE_NAME.fullmatch(text) else text for text in texts]
            digest.update("\0".join(texts).encode())  # no text of a table holds a NUL
        return digest.hexdigest()


def _free_columns(table: RawTable) -> pd.DataFrame:
    free: dict[str, RawColumn] = {name: raw for name, raw in table.columns.items() if name not in COLUMN}
    return pd.DataFrame({name: raw.free() for name, raw in free.items()}, index=range(table.n_rows))
