"""`check` says what a table holds."""

import json
from pathlib import Path

import pytest

from bayes_dsl.runs.table import RunTable
from tests.cli.conftest import Ran


def test_the_json_is_the_table_s_summary(bayes_dsl, table_file: Path) -> None:
    ran: Ran = bayes_dsl("check", table_file, "--json", "--where", "params<9e9", "--counting", "total")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    table = RunTable.read(table_file, where=["params<9e9"], counting="total")
    assert (found["rows"], found["used"], found["configurations"]) == (5, 4, 4)
    assert found["by_status"] == {"ok": 4, "diverged": 1}
    assert found["ranges"]["loss"] == [2.7, 3.5]
    assert found["largest_compute_flops"] == pytest.approx(6 * 8e8 * 16e9)
    assert found["sha256"] == table.sha256
    assert found["counting"] == "total"
    assert found["left_out"]["status diverged"] == 1
    assert found["warnings"] == list(table.warnings)
    assert found["notes"] == list(table.notes)


def test_people_read_the_same(bayes_dsl, table_file: Path) -> None:
    ran: Ran = bayes_dsl("check", table_file)
    assert ran.code == 0
    for part in ("runs.csv: 5 rows, 4 used", "1 status diverged", "800M", "Notes", "counting"):
        assert part in ran.out


def test_quietly_there_are_no_notes(bayes_dsl, table_file: Path) -> None:
    assert "Notes" not in bayes_dsl("check", table_file, "-q").out


def test_columns_and_conditions_can_be_repeated(bayes_dsl, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("name,N,D,ce\na,1e8,2e9,3.5\nb,2e8,4e9,3.2\nc,3e8,4e9,3.1\n")
    arguments = ["--columns", "run_id=name,params=N", "--columns", "tokens=D", "--columns", "loss=ce"]
    arguments += ["--columns", "role='supervised'", "--where", "N>=2e8", "--where", "ce>3.15"]
    ran: Ran = bayes_dsl("check", path, *arguments, "--json")
    assert ran.err == ""
    assert json.loads(ran.out)["rows"] == 1


def test_the_public_words_of_a_fault_are_printed(bayes_dsl, table_file: Path) -> None:
    ran: Ran = bayes_dsl("check", table_file, "--where", "nonsense>3")
    assert ran.code == 2 and ran.out == ""
    assert ran.err.count("\n") == 1 and "nonsense" in ran.err
