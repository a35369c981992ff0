"""A table as it was found, before anything is checked: columns of text cells or of a data frame's values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_dsl.runs.quantities import number_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def visible(text: str) -> str:
    """Return the text in one printable line: what cannot be printed is shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def float_text(value: float) -> str:
    """Return the shortest text that reads back as exactly this number; "" for NaN."""
    if value != value:
        return ""
    return repr(float(value)).removesuffix(".0")


@dataclass(frozen=True, kw_only=True, eq=False)
class RawColumn:
    """One column: text cells, or a data frame's series, or numbers that a formula made (NaN is empty).

    `broken` holds the rows for which a formula had no number to work with: row -> (column, its text).
    """

    cells: Sequence[str] | None = None
    series: pd.Series | None = None
    derived: Floats | None = None
    broken: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    def take(self, rows: Ints) -> RawColumn:
        """Return the column with these rows only, in this order."""
        if self.cells is not None:
            cells = self.cells
            return RawColumn(cells=[cells[row] for row in rows.tolist()])
        if self.series is not None:
            return RawColumn(series=self.series.iloc[rows].reset_index(drop=True))
        assert self.derived is not None
        broken = {new: self.broken[old] for new, old in enumerate(rows.tolist()) if old in self.broken}
        return RawColumn(derived=self.derived[rows], broken=broken)

    def text(self) -> Sequence[str]:
        """Return every cell as text, "" where empty."""
        if self.cells is not None:
            return self.cells
        if self.series is None:
            assert self.derived is not None
            return _float_texts(self.derived)
        return _series_text(self.series)

    def numbers(self, *, suffixes: bool = True) -> tuple[Floats, Ints]:
        """Return the cells as floats (NaN where empty or unreadable) and the rows that hold no number."""
        if self.derived is not None:
            return self.derived, np.fromiter(sorted(self.broken), dtype=np.int64, count=len(self.broken))
        if self.series is not None and _plain_numbers(self.series):
            values = self.series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
            return values, np.flatnonzero(np.isinf(values))
        return numbers_of(self.text(), suffixes=suffixes)

    def free(self) -> pd.Series:
        """Return the column as it is kept in a table when it has no meaning there."""
        if self.series is not None:
            return self.series
        if self.derived is not None:
            return pd.Series(self.derived)
        return pd.Series(np.array(self.cells, dtype=object), dtype="str")


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Named columns of equal length, and where each row stands: `place` 'line' (file) or 'row' (frame)."""

    source: str
    columns: Mapping[str, RawColumn]
    lines: Ints
    place: str = "line"
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def take(self, rows: Ints) -> RawTable:
        """Return the table with these rows only, in this order."""
        return RawTable(
            source=self.source,
            columns={name: column.take(rows) for name, column in self.columns.items()},
            lines=self.lines[rows],
            place=self.place,
            notes=self.notes,
        )

    def drop(self, names: Iterable[str]) -> RawTable:
        """Return the table without these columns."""
        gone = frozenset(names)
        columns = {name: column for name, column in self.columns.items() if name not in gone}
        return dataclasses.replace(self, columns=columns)

    def where(self, row: int) -> str:
        """Return the words for the place of a row, such as `runs.csv line 17`."""
        return f"{self.source} {self.place} {self.lines[row]}"


def numbers_of(cells: Sequence[str], *, suffixes: bool = True) -> tuple[Floats, Ints]:
    """Return text cells as floats (NaN where empty or unreadable) and the rows that hold no finite number."""
    if all(map(str.isascii, cells)):
        try:
            values = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        except ValueError:
            pass
        else:
            return _without_words(values, cells)
    known: dict[str, float | None] = {}
    values = np.full(len(cells), np.nan)
    bad: list[int] = []
    for row, cell in enumerate(cells):
        if cell not in known:
            known[cell] = np.nan if not cell.strip() else number_of(cell, suffixes=suffixes)
        number = known[cell]
        if number is None or np.isinf(number):
            bad.append(row)
        else:
            values[row] = number
    return values, np.array(bad, dtype=np.int64)


def _without_words(values: Floats, cells: Sequence[str]) -> tuple[Floats, Ints]:
    """Every cell was read by float(): none is empty, those that are not finite spell nan, inf, 1e400."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        values[bad] = np.nan
    return values, bad


def _float_texts(values: Floats) -> list[str]:
    """Apply `float_text` to many numbers."""
    texts = [text.removesuffix(".0") for text in map(repr, values.tolist())]
    return [text if text != "nan" else "" for text in texts] if np.isnan(values).any() else texts


def _plain_numbers(series: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(series.dtype)
    return bool(
        numeric
        and not pd.api.types.is_bool_dtype(series.dtype)
        and not pd.api.types.is_complex_dtype(series.dtype)
    )


def _series_text(series: pd.Series) -> list[str]:
    """Every value of a frame's column as text: missing is "", a whole number has no decimals."""
    if series.dtype == np.float64:
        return _float_texts(series.to_numpy())
    missing = series.isna().to_numpy()
    return [
        "" if gone else _value_text(value)
        for value, gone in zip(series.tolist(), missing.tolist(), strict=True)
    ]


def _value_text(value: object) -> str:
    if isinstance(value, float):
        return str(value) if np.isinf(value) else float_text(value)
    return str(value)
