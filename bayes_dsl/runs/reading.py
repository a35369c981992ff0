"""Strict reading of a CSV file into text cells, each row with its physical line (the header is line 1)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bayes_dsl.errors import Fault, TableError
from bayes_dsl.runs.decoding import decode
from bayes_dsl.runs.plain import split_plain
from bayes_dsl.runs.quantities import number_of
from bayes_dsl.runs.raw import Ints, RawColumn, RawTable, visible
from bayes_dsl.runs.schema import COLUMN

_RESTARTS = 100
"""How often reading goes on after a quote that is never closed; a hostile file is not worth more."""

Records = list[list[str]]


def read_csv(data: bytes, source: str, *, separator: str = ",") -> tuple[RawTable, list[Fault]]:
    """Read the bytes of a CSV file.

    Returns
    -------
    The table of text cells, without the rows whose fields cannot be told apart, and the faults found.

    Raises
    ------
    TableError
        When no table can be made of the bytes: nothing there, binary, no usable header.
    """
    text, faults = decode(data, source)
    plain = split_plain(text, separator)
    if plain is not None:
        header, line = [column[0] for column in plain], 1
        names, notes = header_names(header, source, faults, line=1, separator=separator)
        cells: Sequence[Sequence[str]] = [column[1:] for column in plain]
        kept = np.arange(2, len(plain[0]) + 1, dtype=np.int64)
        empty = len(plain[0]) == 1
    else:
        records, lines, broken = _records(text, source, separator)
        faults += broken
        if not records:
            raise TableError([*faults, _empty(source)])
        line = int(lines[0])
        names, notes = header_names(records[0], source, faults, line=line, separator=separator)
        rows, kept = _whole_rows(records, lines, source, faults)
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        empty = len(records) == 1 and not broken
    if empty:
        faults.append(_header_only(source, line))
    columns = {name: RawColumn(cells=column) for name, column in zip(names, cells, strict=True)}
    return RawTable(source=source, columns=columns, lines=kept, notes=notes), faults


def header_names(
    header: Sequence[str], source: str, faults: list[Fault], *, line: int | None, separator: str = ","
) -> tuple[list[str], tuple[str, ...]]:
    """Return the column names without surrounding spaces, and a note where there were some.

    Raises
    ------
    TableError
        When the columns cannot be told apart by their names.
    """
    where = source if line is None else f"{source} line {line}"
    found = _header_faults([name.strip() for name in header], where, line, separator)
    if found:
        raise TableError([*faults, *found])
    names = [name.strip() for name in header]
    changed = [name for name, old in zip(names, header, strict=True) if name != old]
    if not changed:
        return names, ()
    return names, (f"spaces around column names were left out: {', '.join(map(visible, changed))}",)


def _header_faults(names: list[str], where: str, line: int | None, separator: str) -> list[Fault]:
    for other, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), (",", "commas")):
        many = sum(name.count(other) for name in names)
        if other != separator and line is not None and many and many > len(names) - 1:
            return [
                Fault(
                    where=where,
                    what="header",
                    value=visible(separator.join(names)),
                    rule=f"columns are separated by {'tabs' if separator == chr(9) else 'commas'},"
                    f" and these by {called}",
                    remedy=f"Save the file with {'tabs' if separator == chr(9) else 'commas'}"
                    " between columns, points in decimals",
                    line=line,
                )
            ]
    numbers = [name for name in names if number_of(name) is not None]
    if line is not None and numbers and not any(name in COLUMN for name in names):
        return [
            Fault(
                where=where,
                what="header",
                value=visible(",".join(names)),
                rule="the first line names the columns, and these look like values",
                remedy="Put a header such as run_id,role,params,tokens,loss above the first run",
                line=line,
            )
        ]
    faults = []
    for position, name in enumerate(names, start=1):
        if not name:
            faults.append(
                Fault(
                    where=where,
                    what=f"name of column {position}",
                    value="(empty)",
                    rule="every column has a name",
                    remedy="Name it, or remove the trailing comma or the index column that made it",
                    line=line,
                )
            )
    for name, times in Counter(names).items():
        if name and times > 1:
            faults.append(
                Fault(
                    where=where,
                    what="column name",
                    value=visible(name),
                    rule=f"names are unique, and this one stands {times} times",
                    remedy="Rename or remove all but one",
                    line=line,
                    column=name,
                )
            )
    return faults


def _records(text: str, source: str, separator: str) -> tuple[Records, Ints, list[Fault]]:
    """Split text into records; blank lines at the end are no records, a row of nothing inside is one."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    records: Records = []
    ends = [0]
    faults: list[Fault] = []
    try:
        for record in reader:
            records.append(record)
            ends.append(reader.line_num)
        lines = np.array(ends[:-1], dtype=np.int64) + 1
    except csv.Error:
        records, starts, faults = _records_one_by_one(text, source, separator)
        lines = np.array(starts, dtype=np.int64)
    while records and _blank(records[-1]):
        records.pop()
    first = next((i for i, record in enumerate(records) if not _blank(record)), 0)
    return records[first:], lines[first : len(records)], faults


def _records_one_by_one(text: str, source: str, separator: str) -> tuple[Records, list[int], list[Fault]]:
    """Split text into records where some have broken quotes, reading on behind each."""
    physical = list(io.StringIO(text, newline=""))
    records: Records = []
    starts: list[int] = []
    faults: list[Fault] = []
    begin, restarts = 0, 0
    while begin < len(physical):
        reader = csv.reader(iter(physical[begin:]), strict=True, delimiter=separator)
        resume = len(physical)
        while True:
            start = begin + reader.line_num + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                faults.append(_broken_quote(source, start, physical[start - 1], str(error)))
                if "unexpected end of data" in str(error):
                    restarts += 1
                    resume = start if restarts <= _RESTARTS else len(physical)
                    break
                continue
            if record is None:
                break
            records.append(record)
            starts.append(start)
        begin = resume
    return records, starts, faults


def _broken_quote(source: str, line: int, text: str, reason: str) -> Fault:
    if "limit" in reason:
        rule, remedy = "a cell has at most 131072 characters", "Remove or shorten the cell"
    elif "unexpected end" in reason:
        rule, remedy = "a quote that opens is closed", "Close the quote, or double every quote inside a cell"
    else:
        rule = "a closing quote is followed by a comma or the end of the line"
        remedy = "Double every quote inside a quoted cell"
    value = visible(text.rstrip("\r\n"))
    return Fault(where=f"{source} line {line}", what="line", value=value, rule=rule, remedy=remedy, line=line)


def _blank(record: list[str]) -> bool:
    return not record or (len(record) == 1 and not record[0].strip())


def _whole_rows(records: Records, lines: Ints, source: str, faults: list[Fault]) -> tuple[Records, Ints]:
    """The rows below the header that have as many fields as it has names; the others become faults."""
    header, rows, numbers = records[0], records[1:], lines[1:]
    odd = {
        row: _odd_row(record, header, f"{source} line {numbers[row]}", int(numbers[row]))
        for row, record in enumerate(rows)
        if len(record) != len(header)
        or record == header
        or not (record[0].strip() or any(map(str.strip, record)))
    }
    if not odd:
        return rows, numbers
    faults += odd.values()
    whole = np.array([row for row in range(len(rows)) if row not in odd], dtype=np.int64)
    return [rows[row] for row in whole.tolist()], numbers[whole]


def _odd_row(record: list[str], header: list[str], where: str, line: int) -> Fault:
    value = visible(",".join(record))
    if _blank(record) or not any(cell.strip() for cell in record):
        what, value, rule = "row", "(empty)", "every line below the header holds a run"
        remedy = "Remove the empty line"
    elif record == header:
        what, rule = "row", "the header stands once, in the first line"
        remedy = "Remove the repeated header"
    else:
        what = "row"
        rule = f"has {len(record)} fields where the header has {len(header)}"
        remedy = "Give every column one field; quote a cell that holds a comma"
        if len(record) > len(header) and not any(cell.strip() for cell in record[len(header) :]):
            remedy = "Remove the trailing comma"
    return Fault(where=where, what=what, value=value, rule=rule, remedy=remedy, line=line)


def _header_only(source: str, line: int) -> Fault:
    return Fault(
        where=f"{source} line {line}",
        what="the file ends after its header",
        value="",
        rule="a run table has at least one run",
        remedy="Add a line for every run",
        line=line,
    )


def _empty(source: str) -> Fault:
    return Fault(
        where=source,
        what="the file is empty",
        value="",
        rule="a run table has a header and at least one run",
        remedy="Begin with a header such as run_id,role,params,tokens,loss",
    )
