"""The run table itself: what it answers, what it hashes, and that it never changes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import CountingMismatch, FileRefused, TableError, UnknownName
from bayes_dsl.runs.table import RunTable

H = "run_id,role,params,tokens,loss\n"
A = "a,supervised,1e8,2e9,3.1\n"
B = "b,supervised,2e8,9e9,2.9\n"
TEXT = (
    "run_id,role,params,tokens,loss,teacher_loss,seed,group,counting,status,note,size\n"
    'a,supervised,1.3B,2e10,3.0123456789012345,,0,g,total,ok,"x, ""y""\nz",007\n'
    "NA,distilled,100000001,20000000001,2.9,2.1,1,,total,ok,,1e3\n"
    "c,distilled,1e8,2e9,,2.1,1,,total,diverged,nan,\n"
)


def test_tabs_are_read_from_a_tsv_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.tsv"
    path.write_text((H + A).replace(",", "\t"))
    assert RunTable.read(path).values("tokens").tolist() == [2e9]


def test_rows_that_are_not_ok_are_kept_counted_and_named() -> None:
    table = RunTable.from_csv_text(
        "run_id,params,tokens,loss,status\na,1e8,2e9,3,ok\nb,2e8,9e9,,diverged\nc,3e8,1e9,2.9,unfinished\n"
    )
    assert len(table) == 3 and table.used.values("run_id").tolist() == ["a"]
    summary = table.summary()
    assert summary.by_status == {"ok": 1, "diverged": 1, "unfinished": 1}
    assert summary.left_out == {"status diverged": 1, "status unfinished": 1}
    assert summary.rows == 3 and summary.used == 1
    assert summary.ranges["loss"] == (3.0, 3.0)
    assert any("b (diverged), c (unfinished)" in note for note in table.notes)


def test_counting_is_stated_by_the_reader_or_the_table_and_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(H + A)
    assert RunTable.read(path, counting="total").counting == "total"
    assert RunTable.read(path, counting="total").values("counting").tolist() == ["total"]
    path.write_text(H.strip() + ",counting\n" + A.strip() + ",non_embedding\n")
    with pytest.raises(CountingMismatch, match="must be non_embedding, as in the table"):
        RunTable.read(path, counting="total")


def test_a_name_outside_the_schema_is_told_the_names_inside() -> None:
    table = RunTable.from_csv_text(H + A)
    with pytest.raises(UnknownName, match="teacher_loss"):
        table.values("N")
    assert np.isnan(table.values("teacher_loss")).all() and table.values("group").tolist() == [""]
    assert table.has("loss") and not table.has("group") and not table.has("flops")


def test_a_table_cannot_be_made_of_columns_that_do_not_fit() -> None:
    table = RunTable.from_csv_text(H + A + B)
    with pytest.raises(TableError, match="of one length"):
        RunTable(columns=table.columns, free=table.free, lines=table.lines[:1], source="x")


def test_a_table_does_not_change() -> None:
    frame = pd.DataFrame({"params": [1e8, 2e8], "tokens": [2e9, 3e9], "loss": [3.0, 2.9]})
    table = RunTable.from_pandas(frame)
    with pytest.raises(ValueError, match="read-only"):
        table.values("loss")[0] = 1.0
    frame.loc[0, "loss"] = 1.0
    frame["params"] *= 2
    assert table.values("loss").tolist() == [3.0, 2.9] and table.values("params").tolist() == [1e8, 2e8]


def test_selecting_rows_keeps_their_lines_and_free_columns() -> None:
    table = RunTable.from_csv_text(H.strip() + ",note\n" + A.strip() + ",x\n" + B.strip() + ",y\n")
    picked = table.select(np.array([False, True]))
    assert picked.lines.tolist() == [3] and picked.free["note"].tolist() == ["y"]
    assert picked.warnings != table.warnings  # one row is unusual
    assert len(table) == 2


def test_a_million_rows_are_read_and_checked_in_seconds(tmp_path: Path) -> None:
    rows, draw = 1_000_000, np.random.default_rng(0)
    params, tokens = 10 ** draw.uniform(7, 10, 1000), 10 ** draw.uniform(9, 12, 1000)
    block = "".join(
        f"supervised,{n:.6g},{d:.8g},2.{i:05}\n" for i, (n, d) in enumerate(zip(params, tokens, strict=True))
    )
    path = tmp_path / "runs.csv"
    path.write_text("role,params,tokens,loss\n" + block * (rows // 1000))
    begin = time.process_time()
    table = RunTable.read(path)
    seconds = time.process_time() - begin
    assert table.n_rows == rows and table.lines[-1] == rows + 1
    assert seconds < 8, f"{seconds:.1f} s of CPU"


def test_text_that_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(TableError, match="line 2: byte 1 = 0xed"):
        RunTable.from_csv_text(H + "\ud800,supervised,1e8,2e9,3.1\n")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_what_is_no_file_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        RunTable.read(tmp_path / name)
    assert len(caught.value.faults) == 1


def test_the_hash_sees_values_and_nothing_else(tmp_path: Path) -> None:
    table = RunTable.from_csv_text(TEXT)
    other = TEXT.replace("1.3B", "1_300_000_000").replace("2e10", "20000000000.0").replace("007", "8")
    columns = TEXT.split("\n", 1)[0].split(",")
    shuffled = table.to_pandas()[columns[::-1]]
    assert RunTable.from_csv_text(other).sha256 == table.sha256
    assert RunTable.from_pandas(shuffled).sha256 == table.sha256
    for old, new in (
        ("3.0123456789012345", "3.012345678901235"),
        ("NA,", "NB,"),
        (",g,", ",h,"),
        (",1,,", ",2,,"),
    ):
        assert old in TEXT
        assert RunTable.from_csv_text(TEXT.replace(old, new)).sha256 != table.sha256
    assert table.select(np.array([0, 1])).sha256 != table.sha256


def test_the_hash_is_the_same_in_every_version() -> None:
    table = RunTable.from_csv_text("run_id,params,tokens,loss\na,1e8,2e9,3\nb,2e8,2e9,2.9\n")
    assert table.sha256 == "05d02276a5b6c5a231b1b54f173b88ee7ddc11ab9209ff91ed7c8a981d9c18f1"


def test_names_that_only_tell_the_place_are_no_part_of_the_hash(tmp_path: Path) -> None:
    text = "params,tokens,loss\n1e8,2e9,3\n\n"
    table = RunTable.from_csv_text(text)
    frame = RunTable.from_pandas(pd.DataFrame({"params": [1e8], "tokens": [2e9], "loss": [3.0]}))
    assert table.values("run_id").tolist() == ["line 2"] and frame.values("run_id").tolist() == ["row 0"]
    assert table.sha256 == frame.sha256
    kept = RunTable.from_csv_text(table.to_csv_text())
    assert kept.values("run_id").tolist() == ["line 2"] and kept.sha256 == table.sha256
