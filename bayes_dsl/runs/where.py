"""`--where`: which rows take part, as conditions such as `tokens>=1e9` or `run!=190M-1xC-rerun`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.expressions import longest_name, unknown_column
from bayes_dsl.runs.quantities import number_of
from bayes_dsl.runs.raw import RawColumn, RawTable, visible

_OPERATORS: dict[str, Callable[..., NDArray[np.bool_]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_SPLIT = re.compile(r"(.+?)\s*(==|!=|<=|>=|=|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition: the column, the comparison, and what it is compared with."""

    text: str
    column: str
    comparison: str
    value: str


def parse_condition(text: str, known: Sequence[str]) -> Condition:
    """Parse one condition over the columns that are known; a name may stand in backticks, a text in quotes.

    Raises
    ------
    TableError
        When there is no such column, no comparison, or nothing to compare with.
    """
    stripped = text.strip()
    rest: str | None = None
    name = longest_name(stripped, 0, sorted(known, key=len, reverse=True))
    if stripped.startswith("`") and "`" in stripped[1:]:
        name, _, rest = stripped[1:].partition("`")
    elif name is not None:
        rest = stripped[len(name) :]
    found = re.match(r"\s*(==|!=|<=|>=|=|<|>)(.*)", rest, re.DOTALL) if rest is not None else None
    if name is None or found is None:
        loose = _SPLIT.fullmatch(stripped)
        if loose is None:
            raise TableError(
                _fault(text, "is no condition", "Write COLUMN OP VALUE, OP one of = != < <= > >=")
            )
        name, comparison, value = loose[1].strip(), loose[2], loose[3].strip()
    else:
        comparison, value = found[1], found[2].strip()
    if name not in known:
        error = unknown_column(name, known)
        raise TableError(_fault(text, f"{visible(name)} {error.rule}", error.remedy))
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    if not value:
        raise TableError(
            _fault(text, "has nothing to compare with", "Write a number or a text; '' is an empty cell")
        )
    if comparison not in ("=", "==", "!=") and number_of(value) is None:
        raise TableError(
            _fault(text, "orders by a text", f"Give a number behind {comparison}, or use = or !=")
        )
    return Condition(
        text=text.strip(), column=name, comparison=comparison, value=value[1:-1] if quoted else value
    )


def select_rows(table: RawTable, conditions: Sequence[str]) -> tuple[RawTable, dict[str, int]]:
    """Return the rows that meet every condition, and how many each condition left out, in their order.

    A number is compared as a number, however it is written; an empty cell meets only `!=` (and `=''`).

    Raises
    ------
    TableError
        When a condition cannot be read, when it orders cells that are no numbers, or when no row is left.
    """
    known = list(table.columns)
    faults: list[Fault] = []
    parsed: list[Condition] = []
    for text in conditions:
        try:
            parsed.append(parse_condition(text, known))
        except TableError as error:
            faults += error.faults
    keep = np.ones(table.n_rows, dtype=np.bool_)
    left_out: dict[str, int] = {}
    for condition in parsed:
        meets = _meets(table, condition, keep, faults)
        left_out[condition.text] = int(np.count_nonzero(keep & ~meets))
        keep &= meets
    if faults:
        raise TableError(faults)
    if parsed and not keep.any() and table.n_rows:
        raise TableError(
            Fault(
                where=f"--where on {table.source}",
                what=", ".join(left_out),
                value="",
                rule=f"leaves none of the {table.n_rows} rows",
                remedy="Widen the condition",
            )
        )
    return (table if keep.all() else table.take(np.flatnonzero(keep))), left_out


def _meets(
    table: RawTable, condition: Condition, keep: NDArray[np.bool_], faults: list[Fault]
) -> NDArray[np.bool_]:
    column = table.columns[condition.column]
    compare = _OPERATORS[condition.comparison]
    right = number_of(condition.value)
    if right is None:
        texts = np.array([cell.strip() for cell in column.text()], dtype=object)
        return np.asarray(compare(texts, condition.value.strip()), dtype=np.bool_)
    values, bad = column.numbers()
    with np.errstate(invalid="ignore"):
        meets = np.asarray(compare(values, right), dtype=np.bool_)
    if condition.comparison not in ("=", "==", "!="):
        cells = column.text() if len(bad) else ()
        faults += [_no_number(table, condition, column, row, cells[row]) for row in bad.tolist() if keep[row]]
    return meets


def _no_number(table: RawTable, condition: Condition, column: RawColumn, row: int, cell: str) -> Fault:
    name, text = column.broken.get(row, (condition.column, cell))
    return Fault(
        where=table.where(row),
        what=visible(name),
        value=visible(text.strip()) or "(empty)",
        rule=f"must be a number to be compared by --where {visible(condition.text)}",
        remedy=f"Correct the cell, or leave it out with --where {visible(name)}!={visible(text.strip())}",
        line=int(table.lines[row]),
        column=name,
    )


def _fault(text: str, rule: str, remedy: str) -> Fault:
    return Fault(where="--where", what=visible(text.strip()) or "(empty)", value="", rule=rule, remedy=remedy)
