"""From a raw table to checked values: every fault of every cell at once, by the rules of the schema."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault
from bayes_dsl.runs.quantities import number_of, quantity_remedy
from bayes_dsl.runs.raw import Floats, RawColumn, RawTable, visible
from bayes_dsl.runs.schema import ALIASES, COLUMN, COLUMNS, Column

Values = NDArray[np.float64] | NDArray[np.object_]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Checked:
    """What the cells mean, what is wrong with them, and what has to be said about them."""

    values: dict[str, Values]
    faults: list[Fault]
    notes: list[str]


def check_cells(table: RawTable) -> Checked:
    """Return the values of every column of the schema that the table has, with all faults."""
    checks = _Checks(table)
    if checks.missing_columns():
        checks.faults += _missing_columns(table)
    status = checks.choice("status", np.full(table.n_rows, "ok", dtype=object))
    role = checks.choice("role", np.full(table.n_rows, "supervised", dtype=object))
    checks.choice("counting", None)
    ok, distilled = status == "ok", role == "distilled"
    for column in COLUMNS:
        if column.numeric and column.name in table.columns:
            needed = {"always": True, "if ok": ok, "if distilled": distilled, "optional": False}[
                column.needed
            ]
            checks.numbers(column, np.broadcast_to(np.asarray(needed), (table.n_rows,)), ok)
        elif column.kind == "label" and column.name in table.columns:
            checks.labels(column)
    if "teacher_loss" not in table.columns and distilled.any():
        checks.faults += _distilled_alone(table, distilled)
    checks.names()
    checks.free_columns()
    order = {column.name: place for place, column in enumerate(COLUMNS)}
    checks.faults.sort(key=lambda fault: (fault.line or 0, order.get(fault.column or "", len(order))))
    return Checked(values=checks.values, faults=checks.faults, notes=checks.notes)


class _Checks:
    """The checks of one table, a method for each kind of column, which all add to one list."""

    def __init__(self, table: RawTable) -> None:
        self.table = table
        self.values: dict[str, Values] = {}
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def missing_columns(self) -> bool:
        return bool(_absent(self.table))

    def choice(self, name: str, default: NDArray[np.object_] | None) -> NDArray[np.object_]:
        """Read a column of choices; where the table has none, all rows have the default."""
        table, column = self.table, COLUMN[name]
        if name not in table.columns:
            if default is None:
                return np.full(table.n_rows, "", dtype=object)
            self.values[name] = default
            if name == "role" and "teacher_loss" not in table.columns and table.n_rows:
                self.notes.append("there is no role column, and no teacher_loss: all rows are supervised")
            return default
        raw = table.columns[name].text()
        allowed = {*column.choices, ""} if name == "counting" else set(column.choices)
        cells = [cell.strip() for cell in raw]
        if not set(cells) <= allowed:
            self.faults += [
                self.cell_fault(column, row, cell, column.rule, _choice_remedy(column, cell))
                for row, cell in enumerate(cells)
                if cell not in allowed and "�" not in cell
            ]
        values = np.array(cells, dtype=object)
        self.values[name] = values
        return values

    def labels(self, column: Column) -> None:
        cells = [cell.strip() for cell in self.table.columns[column.name].text()]
        self.faults += self.text_faults(column.name, cells)
        self.values[column.name] = np.array(cells, dtype=object)

    def numbers(self, column: Column, needed: Mask, ok: Mask) -> None:
        """Read a column of numbers; a run that is not ok may have lost its loss to nan or infinity."""
        raw = self.table.columns[column.name]
        values, bad = raw.numbers(suffixes=column.kind == "count")
        wrong = np.zeros(len(values), dtype=np.bool_)
        wrong[bad] = True
        lost = np.zeros(len(values), dtype=np.bool_)
        if column.name == "loss" and len(bad) and not ok[bad].all():
            lost = self.lost_losses(raw, wrong & ~ok)
        with np.errstate(invalid="ignore"):
            wrong |= (values <= 0) | np.isinf(values) | (needed & np.isnan(values))
        wrong &= ~lost
        rows = np.flatnonzero(wrong).tolist()
        if rows:
            cells = raw.text()
            self.faults += [
                fault
                for row in rows
                if (fault := self.number_fault(column, raw, row, cells[row])) is not None
            ]
        self.values[column.name] = values

    def lost_losses(self, raw: RawColumn, where: Mask) -> Mask:
        cells = raw.text()
        lost = np.zeros(len(where), dtype=np.bool_)
        for row in np.flatnonzero(where).tolist():
            lost[row] = cells[row].strip().lower().lstrip("+-") in ("nan", "inf", "infinity")
        if count := int(lost.sum()):
            self.notes.append(f"{_rows(count)} not ok with a loss of nan or infinity: read as no loss")
        return lost

    def number_fault(self, column: Column, raw: RawColumn, row: int, cell: str) -> Fault | None:
        if row in raw.broken:
            source, text = raw.broken[row]
            return self.cell_fault(
                column,
                row,
                text.strip(),
                f"must be a number for {column.name} to be made of it",
                "Correct it",
                source,
            )
        text = cell.strip()
        if "�" in text:
            return None  # the line's encoding is a fault already
        rule, remedy = column.rule, quantity_remedy(text) or column.remedy
        if (number := number_of(text)) is not None and np.isinf(number):
            rule += " (this one does not fit into 64 bits)"
        elif not text and column.needed == "if distilled":
            rule += ", for a distilled row"
        return self.cell_fault(column, row, text, rule, remedy)

    def cell_fault(
        self, column: Column, row: int, text: str, rule: str, remedy: str, source: str | None = None
    ) -> Fault:
        return Fault(
            where=self.table.where(row),
            what=visible(source or column.name),
            value=visible(text) or "(empty)",
            rule=rule if rule.startswith("must") else f"must be {rule}",
            remedy=remedy,
            line=int(self.table.lines[row]),
            column=source or column.name,
        )

    def text_faults(self, name: str, cells: Sequence[str]) -> list[Fault]:
        """Faults of texts that no file could hold: NUL characters and halves of surrogate pairs."""
        together = "".join(cells)
        if "\0" not in together and _encodable(together):
            return []
        return [
            Fault(
                where=self.table.where(row),
                what=visible(name),
                value=visible(cell),
                rule="must be text that UTF-8 can hold, without NUL characters",
                remedy="Remove the offending characters",
                line=int(self.table.lines[row]),
                column=name,
            )
            for row, cell in enumerate(cells)
            if "\0" in cell or not _encodable(cell)
        ]

    def names(self) -> None:
        """Call every run that has no run_id by its place, and refuse two runs of one name."""
        table = self.table
        given = self.values.get("run_id")
        names = np.full(table.n_rows, "", dtype=object) if given is None else given.astype(object)
        nameless = np.flatnonzero(names == "")
        if len(nameless):
            places = [f"{table.place} {line}" for line in table.lines[nameless].tolist()]
            names[nameless] = places
            which = "the runs" if len(nameless) == table.n_rows else _rows(len(nameless))
            self.notes.append(f"no run_id: {which} are called by their {table.place}, such as '{places[0]}'")
        self.values["run_id"] = names
        if len(set(names.tolist())) == len(names):
            return
        first: dict[str, int] = {}
        column = COLUMN["run_id"]
        for row, name in enumerate(names.tolist()):
            if name in first:
                rule = f"{column.rule}, and {table.place} {table.lines[first[name]]} has it already"
                self.faults.append(self.cell_fault(column, row, name, rule, column.remedy))
            else:
                first[name] = row

    def free_columns(self) -> None:
        for name, raw in self.table.columns.items():
            if name in COLUMN:
                continue
            for row in sorted(raw.broken):
                source, text = raw.broken[row]
                rule = f"must be a number for {visible(name)} to be made of it"
                self.faults.append(
                    self.cell_fault(COLUMN["run_id"], row, text.strip(), rule, "Correct it", source)
                )
            if raw.series is not None and not _numeric(raw):
                self.faults += self.text_faults(name, raw.text())


def _numeric(raw: RawColumn) -> bool:
    return raw.series is not None and raw.series.dtype.kind in "biuf"


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _choice_remedy(column: Column, cell: str) -> str:
    near = difflib.get_close_matches(cell.lower(), column.choices, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}? {column.remedy}" if near else column.remedy


def _absent(table: RawTable) -> list[Column]:
    absent = [COLUMN[name] for name in ("params", "tokens", "loss") if name not in table.columns]
    if "role" not in table.columns and "teacher_loss" in table.columns:
        absent.append(COLUMN["role"])
    return absent


def _missing_columns(table: RawTable) -> list[Fault]:
    names = list(table.columns)
    listed = ", ".join(visible(name) for name in names[:30]) + (", ..." if len(names) > 30 else "")
    faults = []
    for column in _absent(table):
        lower = {name.lower(): name for name in names}
        called = [alias for alias in ALIASES.get(column.name, ()) if alias in names]
        near = called or [lower[name] for name in difflib.get_close_matches(column.name, lower, n=1)]
        own = visible(near[0]) if near else "COLUMN"
        remedy = f"Name it: --columns {column.name}={own}; the columns are: {listed}"
        if column.name == "role":
            remedy = column.remedy
        faults.append(
            Fault(
                where=f"{table.source} line 1" if table.place == "line" else table.source,
                what=f"column {column.name}",
                value="",
                rule=f"is missing, and every run table has it ({column.meaning})",
                remedy=remedy,
                line=1 if table.place == "line" else None,
                column=column.name,
            )
        )
    return faults


def _distilled_alone(table: RawTable, distilled: Mask) -> list[Fault]:
    column = COLUMN["teacher_loss"]
    return [
        Fault(
            where=table.where(row),
            what=column.name,
            value="(no such column)",
            rule=f"must be {column.rule}, for a distilled row",
            remedy=column.remedy,
            line=int(table.lines[row]),
            column=column.name,
        )
        for row in np.flatnonzero(distilled).tolist()
    ]


def positive_or_missing(values: Floats) -> bool:
    """Return whether every number is missing (NaN) or finite and above zero."""
    return bool(np.all(np.isnan(values) | ((values > 0) & np.isfinite(values))))
