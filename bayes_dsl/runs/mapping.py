"""`--columns`: which of a table's own columns, or which formula of them, each column of a run table is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.expressions import (
    UNITS,
    Expression,
    ExpressionError,
    Join,
    Name,
    Node,
    Number,
    Product,
    Text,
    parse_expression,
)
from bayes_dsl.runs.raw import Floats, RawColumn, RawTable, visible
from bayes_dsl.runs.schema import COLUMN

_OPENING = {"(": ")", "[": "]"}
_MAX_CHAIN = 50
_BEFORE_OPERAND = "=*/&(,"


def parse_columns(text: str) -> dict[str, str]:
    """Split `loss=eval/ce,params=N [billions]` into {"loss": "eval/ce", "params": "N [billions]"}.

    Commas inside quotes, backticks and brackets do not split.

    Raises
    ------
    TableError
        When an entry has no `=` or no name, or a column is defined twice.
    """
    faults: list[Fault] = []
    columns: dict[str, str] = {}
    for entry in _split(text):
        name, equals, formula = entry.partition("=")
        name = name.strip().strip("`")
        if not equals or not name:
            faults.append(_fault(entry, entry.strip() or "(empty)", "must be NAME=COLUMN or NAME=FORMULA"))
        elif name in columns and columns[name] != formula.strip():
            faults.append(_fault(entry, name, "must be defined once"))
        else:
            columns[name] = formula.strip()
    if faults:
        raise TableError(faults)
    return columns


def columns_of(columns: Mapping[str, str] | Sequence[str] | str | None) -> dict[str, str]:
    """Return the mapping that any of the accepted spellings of `columns` stands for."""
    if columns is None:
        return {}
    if isinstance(columns, Mapping):
        return {str(name): str(formula) for name, formula in columns.items()}
    return parse_columns(columns if isinstance(columns, str) else ",".join(columns))


def map_columns(table: RawTable, columns: Mapping[str, str]) -> tuple[RawTable, tuple[str, ...]]:
    """Return the table with the asked columns added, and the names of those that were only renamed.

    The renamed ones are still there under their old names, for conditions; `drop` them afterwards.

    A column of the file that has a defined name, and is not what the definition renames, is kept as
    `NAME (file)`.

    Raises
    ------
    TableError
        One fault for every definition that cannot be understood.
    """
    if not columns:
        return table, ()
    made, used = _Definitions(table, columns).all()
    kept: dict[str, RawColumn] = {}
    notes: list[str] = []
    for name, column in table.columns.items():
        if name not in columns:
            kept[name] = column
        elif name not in used:
            kept[_free_name(name, table.columns, columns)] = column
            notes.append(f"the file's own column {visible(name)} is kept as {visible(name)} (file)")
    notes.insert(0, "columns as asked: " + visible(", ".join(f"{name}={columns[name]}" for name in columns)))
    notes += [
        f"{visible(name)} is no column that the laws use (did you mean {near[0]}?); it is kept as it is"
        for name in made
        if name not in COLUMN and (near := difflib.get_close_matches(name, COLUMN, n=1, cutoff=0.8))
    ]
    mapped = RawTable(
        source=table.source,
        columns={**made, **kept},
        lines=table.lines,
        place=table.place,
        notes=(*table.notes, *notes),
    )
    return mapped, tuple(name for name in used if name not in made)


def _free_name(name: str, taken: Mapping[str, RawColumn], defined: Mapping[str, str]) -> str:
    free = f"{name} (file)"
    while free in taken or free in defined:
        free += " (file)"
    return free


class _Definitions:
    """The definitions of one `--columns`, each made a column when it is first needed."""

    def __init__(self, table: RawTable, columns: Mapping[str, str]) -> None:
        self.table, self.columns = table, columns
        self.made: dict[str, RawColumn] = {}
        self.renamed: set[str] = set()
        self.faults: list[Fault] = []
        self.parsed = {name: self.parse(name, text) for name, text in columns.items() if text.strip()}

    def all(self) -> tuple[dict[str, RawColumn], set[str]]:
        """Return every defined column, and the names of the file's columns that were only renamed."""
        if not self.faults:
            for name in self.parsed:
                try:
                    self.make(name, ())
                except ExpressionError as error:
                    self.fault(name, error)
        if self.faults:
            raise TableError(self.faults)
        return {name: self.made[name] for name in self.parsed}, self.renamed

    def fault(self, name: str, error: ExpressionError) -> None:
        entry = f"{name}={self.columns[name]}"
        fault = _fault(entry, visible(error.value), error.rule, error.remedy)
        if fault not in self.faults:
            self.faults.append(fault)

    def parse(self, name: str, text: str) -> Expression:
        known = list(dict.fromkeys([*self.table.columns, *(n for n in self.columns if n != name)]))
        words = COLUMN[name].choices if name in COLUMN else ()
        try:
            parsed = parse_expression(text, known, words)
            if parsed.unit is not None:
                _check_unit(name, parsed.unit)
        except ExpressionError as error:
            self.fault(name, error)
            return Expression(Text(""), None)
        return parsed

    def make(self, name: str, above: tuple[str, ...]) -> RawColumn:
        """Return the column of one definition; `above` are those that wait for it."""
        if name in self.made:
            return self.made[name]
        if name in above or len(above) > _MAX_CHAIN:
            raise ExpressionError(
                " -> ".join((*above, name)),
                "goes round in a circle, or through too many steps",
                "Define one of them from the file's columns",
            )
        expression = self.parsed[name]
        node, stack = expression.node, (*above, name)
        if isinstance(node, Name) and node.name in self.table.columns:
            column = self.table.columns[node.name]
            if expression.unit is None:
                self.renamed.add(node.name)
        else:
            column = self.column(node, stack)
        if expression.unit is not None:
            values, broken = self.numbers(Name(node.name) if isinstance(node, Name) else node, stack)
            column = RawColumn(derived=values * UNITS[expression.unit][1], broken=broken)
        self.made[name] = column
        return column

    def named(self, name: str, stack: tuple[str, ...]) -> RawColumn:
        """The column that a name means inside the definition of stack[-1]: a defined one comes first."""
        if name in self.parsed and name != stack[-1]:
            return self.make(name, stack)
        if name in self.table.columns:
            return self.table.columns[name]
        raise ExpressionError(name, "is defined as nothing", "Use a column of the table")

    def column(self, node: Node, stack: tuple[str, ...]) -> RawColumn:
        if isinstance(node, Name):
            return self.named(node.name, stack)
        if isinstance(node, Text | Number):
            return RawColumn(cells=[node.text] * self.table.n_rows)
        if isinstance(node, Join):
            parts = [self.column(part, stack).text() for part in node.parts]
            doubled = [[cell.strip().replace("&", "&&") for cell in cells] for cells in parts]
            return RawColumn(cells=[" & ".join(cells) for cells in zip(*doubled, strict=True)])
        values, broken = self.numbers(node, stack)
        return RawColumn(derived=values, broken=broken)

    def numbers(self, node: Node, stack: tuple[str, ...]) -> tuple[Floats, dict[int, tuple[str, str]]]:
        if isinstance(node, Number):
            return np.full(self.table.n_rows, node.value), {}
        if isinstance(node, Product):
            return self.product(node, stack)
        if not isinstance(node, Name):
            raise ExpressionError("text", "cannot be multiplied or divided", "Use columns of numbers")
        direct = node.name in self.table.columns and isinstance(self.parsed[stack[-1]].node, Name)
        column = self.table.columns[node.name] if direct else self.named(node.name, stack)
        values, bad = column.numbers()
        broken = dict(column.broken)
        if len(bad) and not broken:
            cells = column.text()
            broken = {row: (node.name, cells[row]) for row in bad.tolist()}
        return values, broken

    def product(self, node: Product, stack: tuple[str, ...]) -> tuple[Floats, dict[int, tuple[str, str]]]:
        total = np.ones(self.table.n_rows)
        broken: dict[int, tuple[str, str]] = {}
        with np.errstate(all="ignore"):
            for factor, power in node.factors:
                values, bad = self.numbers(factor, stack)
                total = total * values if power > 0 else total / values
                broken = {**bad, **broken}
        for row in np.flatnonzero(np.isinf(total)).tolist():
            broken.setdefault(row, (stack[-1], str(total[row])))
        return total, broken


def _check_unit(name: str, unit: str) -> None:
    kind = UNITS[unit][0]
    if name in COLUMN and COLUMN[name].kind != kind:
        fitting = [word for word, (suits, _) in UNITS.items() if suits == COLUMN[name].kind]
        raise ExpressionError(
            unit,
            f"is no unit of {name}",
            f"Its units are: {', '.join(fitting)}" if fitting else "Leave the unit out",
        )


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside quotes, backticks and brackets."""
    entries, start, closing, quote = [], 0, list[str](), ""
    before = "="
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character == "`" or (character in "'\"" and before in _BEFORE_OPERAND):
            quote = character
        elif character in _OPENING:
            closing.append(_OPENING[character])
        elif closing and character == closing[-1]:
            closing.pop()
        elif character == "," and not closing:
            entries.append(text[start:at])
            start = at + 1
        if not character.isspace():
            before = character
    entries.append(text[start:])
    if len(entries) > 1 and not entries[-1].strip():
        entries.pop()
    return entries


def _fault(entry: str, value: str, rule: str, remedy: str | None = None) -> Fault:
    examples = "For example loss=eval/ce, role='supervised', tokens=flops/(6 params), params=N [billions]"
    return Fault(
        where="--columns",
        what=visible(entry.strip()) or "(empty)",
        value=value if value != entry.strip() else "",
        rule=rule,
        remedy=remedy or examples,
    )
