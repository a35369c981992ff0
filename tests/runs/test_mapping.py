"""`--columns`: renames, constants, products, joins and units, over any names a file may have."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import TableError
from bayes_dsl.runs.mapping import parse_columns
from bayes_dsl.runs.table import ColumnsAsked, RunTable

TEXT = (
    "Model Size,Training FLOP,eval/c4_en-validation/CrossEntropyLoss,width,depth,N,bpt,note (x),a&b\n"
    "1e8,6e17,3.0,768,3,0.1,4.0,x,p\n"
    "2e8,6e18,2.5,768,4,0.2,3.5,y,q\n"
)
LOSS = "loss=eval/c4_en-validation/CrossEntropyLoss"
SIZE = "params=Model Size"
TOKENS = "tokens=Training FLOP/(6 Model Size)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "runs.csv"
    path.write_text(TEXT)
    return path


def refusal(file: Path, columns: ColumnsAsked, where: tuple[str, ...] = ()) -> str:
    with pytest.raises(TableError) as caught:
        RunTable.read(file, columns=columns, where=where)
    text = str(caught.value)
    assert len(text.splitlines()) == len(caught.value.faults)
    return text


@pytest.mark.parametrize(
    "columns",
    [
        f"{LOSS},{SIZE},{TOKENS}",
        [LOSS, SIZE, TOKENS],
        [f"{LOSS},{SIZE}", TOKENS],
        {"loss": "eval/c4_en-validation/CrossEntropyLoss", "params": "Model Size", "tokens": TOKENS[7:]},
        f"{LOSS},params=N [billions],tokens=Training FLOP/(6*params)",
        f"{LOSS},params=N*1e9,tokens=`Training FLOP` / (6 * `Model Size`)",
        f"{LOSS},params=1B N,tokens=Training FLOP/6/params",
        f"{LOSS} , params = N [B] , tokens = Training FLOP/(params 6)",
    ],
)
def test_spellings_of_one_table(file: Path, columns: ColumnsAsked) -> None:
    table = RunTable.read(file, columns=columns)
    assert table.values("params") == pytest.approx([1e8, 2e8], rel=1e-15)
    assert table.values("tokens") == pytest.approx([1e9, 5e9], rel=1e-15)
    assert table.values("loss").tolist() == [3.0, 2.5]
    assert any(note.startswith("columns as asked: loss=") for note in table.notes)


def test_bits_become_nats(file: Path) -> None:
    table = RunTable.read(file, columns=f"loss=bpt [bits],{SIZE},{TOKENS},loss_se=bpt/100 [bits]")
    assert table.values("loss") == pytest.approx([4.0 * math.log(2), 3.5 * math.log(2)], rel=1e-15)
    assert table.values("loss_se")[0] == pytest.approx(0.04 * math.log(2), rel=1e-15)


def test_joined_columns_make_a_label_that_tells_rows_apart(file: Path) -> None:
    table = RunTable.read(file, columns=f"{LOSS},{SIZE},{TOKENS},group=width & depth,run_id=width&depth&'x'")
    assert table.values("group").tolist() == ["768 & 3", "768 & 4"]
    assert table.values("run_id")[0] == "768 & 3 & x"
    assert table.summary().groups == 2


@pytest.mark.parametrize("role", ["role='distilled'", 'role="distilled"', "role=distilled"])
def test_constants(file: Path, role: str) -> None:
    table = RunTable.read(file, columns=f"{LOSS},{SIZE},{TOKENS},{role},teacher_loss=2.1,eval_id='c4, en'")
    assert table.values("role").tolist() == ["distilled"] * 2
    assert table.values("teacher_loss").tolist() == [2.1, 2.1]
    assert table.values("eval_id").tolist() == ["c4, en"] * 2


def test_only_renamed_columns_move_and_all_others_stay(file: Path) -> None:
    table = RunTable.read(file, columns=f"{LOSS},{SIZE},{TOKENS},ratio=tokens/params")
    free = ["ratio", "Training FLOP", "width", "depth", "N", "bpt", "note (x)", "a&b"]
    assert table.free.columns.tolist() == free
    assert table.free["ratio"].tolist() == [10.0, 25.0]
    assert table.free["width"].tolist() == ["768", "768"]


def test_names_with_brackets_and_operators(file: Path) -> None:
    table = RunTable.read(file, columns=f"{LOSS},{SIZE},{TOKENS},group=note (x)&a&b,seed=`a&b`")
    assert table.values("group").tolist() == ["x & p", "y & q"]
    assert table.values("seed").tolist() == ["p", "q"]


def test_a_column_of_the_file_that_means_something_else_can_be_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss,flops,train\n1e8,2e9,3.0,-1,2.9\n")
    assert "flops = -1" in refusal(path, None)
    table = RunTable.read(path, columns="flops=,loss=train")
    assert table.free.columns.tolist() == ["loss (file)", "flops (file)"]
    assert table.values("loss").tolist() == [2.9] and not table.has("flops")
    assert sum("is kept as" in note for note in table.notes) == 2


def test_a_swap_is_a_swap(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n2e9,1e8,3.0\n")
    table = RunTable.read(path, columns="params=tokens,tokens=params")
    assert table.values("params").tolist() == [1e8] and table.values("tokens").tolist() == [2e9]


def test_own_column_in_another_unit(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n2,40,3.0\n")
    table = RunTable.read(path, columns="params=params [billions],tokens=tokens*1e9,ratio=tokens/params")
    assert table.values("params").tolist() == [2e9] and table.values("tokens").tolist() == [4e10]
    assert table.free["ratio"].tolist() == [20.0]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ("loss=eval/ce", ["eval/ce", "is no column of the table"]),
        ("loss=bptt", ["bptt", "Did you mean: bpt"]),
        ("loss=`bptt`", ["bptt", "is no column"]),
        ("loss", ["must be NAME=COLUMN"]),
        ("=bpt", ["must be NAME=COLUMN"]),
        ("loss=bpt,loss=N", ["must be defined once"]),
        ("loss=bpt [decibel]", ["decibel", "is no unit", "bits"]),
        ("loss=bpt [billions]", ["billions", "is no unit of loss"]),
        ("params=N [bits]", ["bits", "is no unit of params"]),
        ("run_id=N [billions]", ["is no unit of run_id"]),
        ("loss=bpt [bits", ["is no unit"]),
        ("tokens=Training FLOP/6 N", ["without a sign behind a division"]),
        ("tokens=Training FLOP/(6 N", ["parenthesis that is not closed"]),
        ("tokens=Training FLOP/", ["lacks a column or a number"]),
        ("tokens=*N", ["lacks a column or a number"]),
        ("tokens=N+1", ["+1", "is a sum or a difference"]),
        ("tokens=N)", [")", "is not understood"]),
        ("tokens=N*'x'", ["cannot be multiplied"]),
        ("tokens='x", ["quote that is not closed"]),
        ("tokens=(((" + "(" * 60 + "N", ["nested"]),
        ("params=tokens*1,tokens=params*2", ["params -> tokens -> params", "circle"]),
        ("tokens=__import__('os')", ["is no column"]),
        ("tokens=N**2", ["lacks a column"]),
    ],
)
def test_what_cannot_be_understood_is_told(file: Path, columns: str, parts: list[str]) -> None:
    text = refusal(file, columns)
    assert all(part in text for part in ["--columns", *parts]), text


def test_all_definitions_are_judged_at_once(file: Path) -> None:
    text = refusal(file, "loss=x1,params=x2,tokens=N [bits]")
    assert len(text.splitlines()) == 3


def test_a_long_chain_of_definitions_is_refused(file: Path) -> None:
    chain = {f"c{i}": f"c{i + 1}*1" for i in range(400)} | {"c400": "N"}
    assert "too many steps" in refusal(file, chain)


def test_a_formula_over_a_bad_cell_is_a_fault_of_that_cell(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,flop,loss\n1e8,many,3.0\n2e8,,3.0\n3e8,1e400,3.0\n4e8,6e18,3.0\n5e8,0,3.0\n")
    lines = refusal(path, "tokens=flop/(6 params)").splitlines()
    assert "line 2: flop = many; must be a number for tokens to be made of it" in lines[0]
    assert "line 3: tokens = (empty)" in lines[1]
    assert "line 4: flop = 1e400" in lines[2]
    assert "line 6: tokens = 0" in lines[3]
    assert len(lines) == 4


def test_division_by_zero_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,flop,k,loss\n1e8,1e18,0,3.0\n")
    assert "tokens = inf" in refusal(path, "tokens=flop/k")
    assert "ratio = inf" in refusal(path, "tokens=flop,ratio=flop/k")


def test_a_name_that_is_nearly_a_column_is_noted(file: Path) -> None:
    table = RunTable.read(file, columns=f"{LOSS},{SIZE},{TOKENS},groups=width")
    assert any("did you mean group?" in note for note in table.notes)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a=b,c=d", {"a": "b", "c": "d"}),
        ("a='x,y',b=z", {"a": "'x,y'", "b": "z"}),
        ("a=`x,y`,b=z", {"a": "`x,y`", "b": "z"}),
        ("a=f (x, y),b=z", {"a": "f (x, y)", "b": "z"}),
        ("a=model's size,b=it's", {"a": "model's size", "b": "it's"}),
        ("a=x=y", {"a": "x=y"}),
        ("a=b,", {"a": "b"}),
        ("a=b,a=b", {"a": "b"}),
        ("`my col`=b", {"my col": "b"}),
        ("flops=", {"flops": ""}),
    ],
)
def test_entries_are_split_at_commas_outside_quotes(text: str, columns: dict[str, str]) -> None:
    assert parse_columns(text) == columns


@given(st.text("ab `'()[]*/&6.BeE+-,=\"", max_size=25))
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(TableError):
        parse_columns(text)
