"""`--where`: which rows take part, and that what is left out is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.runs.table import RunTable

TEXT = (
    "name,Model Size,tokens,eval/ce,split,code\n"
    "a,1e8,1e9,3.5,train,007\n"
    "b,2e8,2000000000,3.25,train,7\n"
    "c,4e8,3B,3.0,test,\n"
    "NA,8e8,4e9,2.75,test,x y\n"
)
COLUMNS = "run_id=name,params=Model Size,loss=eval/ce,ratio=tokens/params"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(TEXT)
    return path


def kept(file: Path, *where: str) -> str:
    return " ".join(RunTable.read(file, columns=COLUMNS, where=where).values("run_id").tolist())


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("tokens>=2e9", "b c NA"),
        ("tokens >= 2B", "b c NA"),
        ("tokens=2B", "b"),
        ("tokens==2_000_000_000", "b"),
        ("tokens != 3e9", "a b NA"),
        ("tokens<3e9", "a b"),
        ("tokens<=3e9", "a b c"),
        ("tokens>3e9", "NA"),
        ("Model Size<3e8", "a b"),
        ("params<3e8", "a b"),
        ("eval/ce<3.1", "c NA"),
        ("loss<3.1", "c NA"),
        ("`eval/ce`>3.1", "a b"),
        ("ratio>=10", "a b"),
        ("split=train", "a b"),
        ("split!=train", "c NA"),
        ("split='train'", "a b"),
        ("name=NA", "NA"),
        ("run_id!=NA", "a b c"),
        ("code=x y", "NA"),
        ("code=''", "c"),
        ("code!=''", "a b NA"),
        ("code=7", "a b"),
        ("loss>-1", "a b c NA"),
    ],
)
def test_conditions(file: Path, where: str, rows: str) -> None:
    assert kept(file, where) == rows


def test_conditions_add_up_and_each_says_what_it_left_out(file: Path) -> None:
    table = RunTable.read(file, columns=COLUMNS, where=["tokens>=2e9", "split=test"])
    assert table.values("run_id").tolist() == ["c", "NA"]
    assert table.left_out == {"tokens>=2e9": 1, "split=test": 1}
    assert table.summary().left_out == {"tokens>=2e9": 1, "split=test": 1}
    assert "--where tokens>=2e9 left out 1 of 4 rows" in table.notes
    assert table.lines.tolist() == [4, 5]


def test_rows_that_are_left_out_are_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss,set\n1e8,2e9,nan,x\n1e8,,,x\n1e8,2e9,3.0,y\n")
    assert RunTable.read(path, where=["set=y"]).n_rows == 1
    with pytest.raises(TableError) as caught:
        RunTable.read(path)
    assert len(caught.value.faults) == 3


def test_an_empty_cell_meets_no_comparison(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n1e8,2e9,\n1e8,2e9,3.0\n")
    assert RunTable.read(path, where=["loss>0"]).left_out == {"loss>0": 1}
    assert RunTable.read(path, where=["loss!=''"]).left_out == {"loss!=''": 1}


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ("tokens", ["is no condition", "= != < <= > >="]),
        ("tokenss>1", ["tokenss", "is no column", "Did you mean: tokens"]),
        ("tokens>", ["nothing to compare with"]),
        ("tokens>many", ["orders by a text"]),
        ("loss>3<4", ["orders by a text"]),
        ("code<10", ["line 5: code = x y", "must be a number to be compared by --where code<10"]),
        ("tokens>1e15", ["leaves none of the 4 rows"]),
        (">3", ["is no condition"]),
        ("", ["is no condition"]),
    ],
)
def test_what_cannot_be_answered_is_told(file: Path, where: str, parts: list[str]) -> None:
    with pytest.raises(TableError) as caught:
        RunTable.read(file, columns=COLUMNS, where=[where])
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_all_conditions_are_judged_at_once_beside_the_faults_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n1e8,2e9\n1e8,2e9,3.0\n")
    with pytest.raises(TableError) as caught:
        RunTable.read(path, where=["x=1", "y>2"])
    assert [part in str(caught.value) for part in ("2 fields", "x is no", "y is no")] == [True] * 3
