"""The schema is one list, from which documentation, checks and error texts are made."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.runs.schema import ALIASES, COLUMN, COLUMNS, Column, describe_columns
from bayes_dsl.runs.table import RunTable


def test_names_are_unique_and_aliases_belong_to_columns() -> None:
    assert len(COLUMN) == len(COLUMNS)
    assert set(ALIASES) <= set(COLUMN)
    assert not {alias for names in ALIASES.values() for alias in names} & set(COLUMN)


def test_the_description_has_a_line_for_every_column() -> None:
    lines = describe_columns().splitlines()
    assert len(lines) == len(COLUMNS) + 2
    for column, line in zip(COLUMNS, lines[2:], strict=True):
        assert line.startswith(f"| {column.name} |") and column.rule in line and column.meaning in line


@pytest.mark.parametrize("column", [c for c in COLUMNS if c.kind != "label"], ids=lambda column: column.name)
def test_every_rule_of_the_schema_is_kept_and_quoted(column: Column) -> None:
    row = {"role": "distilled", "params": "1e8", "tokens": "2e9", "loss": "3", "teacher_loss": "2.1"}
    RunTable.from_csv_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    row[column.name] = "-1"
    with pytest.raises(TableError) as caught:
        RunTable.from_csv_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    (fault,) = caught.value.faults
    assert (fault.line, fault.column, fault.value) == (2, column.name, "-1")
    assert column.rule in str(fault) and column.remedy in str(fault)


def test_reading_a_table_loads_no_heavy_library() -> None:
    code = (
        "import sys; from bayes_dsl.runs.table import RunTable;"
        "RunTable.from_csv_text('params,tokens,loss\\n1e8,2e9,3\\n').summary();"
        "print([m for m in ('jax', 'xarray', 'arviz', 'numpyro', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
