"""What is written reads back equal: CSV, Parquet, data frames; and the hash does not see the format."""

from __future__ import annotations

import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import TableError
from bayes_dsl.runs import parquet
from bayes_dsl.runs.table import RunTable

TEXT = (
    "run_id,role,params,tokens,loss,teacher_loss,seed,group,counting,status,note,size\n"
    'a,supervised,1.3B,2e10,3.0123456789012345,,0,g,total,ok,"x, ""y""\nz",007\n'
    "NA,distilled,100000001,20000000001,2.9,2.1,1,,total,ok,,1e3\n"
    "c,distilled,1e8,2e9,,2.1,1,,total,diverged,nan,\n"
)


def same(one: RunTable, other: RunTable) -> bool:
    pd.testing.assert_frame_equal(
        one.to_pandas()[list(one.columns)], other.to_pandas()[list(one.columns)], check_exact=True
    )
    return one.sha256 == other.sha256 and list(one.columns) == list(other.columns)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_read_back_equal(suffix: str, tmp_path: Path) -> None:
    table = RunTable.from_csv_text(TEXT)
    table.write(tmp_path / f"runs{suffix}")
    again = RunTable.read(tmp_path / f"runs{suffix}")
    assert same(table, again)
    pd.testing.assert_frame_equal(table.free, again.free)
    assert again.source == f"runs{suffix}"
    assert [file.name for file in tmp_path.iterdir()] == [f"runs{suffix}"]


def test_data_frames_read_back_equal_and_free_columns_keep_their_types() -> None:
    frame = pd.DataFrame(
        {
            "role": "supervised",
            "params": np.array([10**8, 10**9]),
            "tokens": [2e9, 3e10],
            "loss": [3.0, 2.5],
            "seed": [0.0, np.nan],
            "when": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "flag": [True, False],
            "kind": pd.Categorical(["x", "y"]),
            "count": pd.array([1, None], dtype="Int64"),
        },
        index=["p", "q"],
    )
    table = RunTable.from_pandas(frame)
    assert same(table, RunTable.from_pandas(table.to_pandas()))
    assert table.free.dtypes.to_dict() == frame[["when", "flag", "kind", "count"]].dtypes.to_dict()
    assert table.values("seed").tolist() == ["0", ""]
    assert table.values("run_id").tolist() == ["row 0", "row 1"]
    assert same(table, RunTable.from_csv_text(table.to_csv_text()))


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


def test_a_frame_with_bad_cells_is_refused_by_row() -> None:
    frame = pd.DataFrame(
        {
            "role": ["supervised", None, "supervised", "supervised"],
            "params": [1e8, -1, np.inf, 1e8],
            "tokens": [True, False, True, True],
            "loss": [decimal.Decimal("3.1"), np.nan, None, "abc"],
        }
    )
    with pytest.raises(TableError) as caught:
        RunTable.from_pandas(frame)
    lines = [str(fault) for fault in caught.value.faults]
    for part in (
        "row 0: tokens = True",
        "row 1: role = (empty)",
        "row 1: params = -1",
        "row 1: loss = (empty)",
        "row 2: params = inf",
        "row 2: loss = (empty)",
        "row 3: loss = abc",
    ):
        assert any(f"data frame {part}" in line for line in lines), (part, lines)
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        (pd.DataFrame({"params": [], "tokens": [], "loss": []}), "no rows"),
        (pd.DataFrame({0: [1.0]}), "column name = 0"),
        (pd.DataFrame([[1.0, 2.0]], columns=["loss", "loss"]), "2 times"),
        (pd.DataFrame({"params": ["1e8"], "tokens": ["1"], "loss": ["3"], "run_id": ["a\0b"]}), "a\\x00b"),
        (
            pd.DataFrame(
                {"params": ["1e8"], "tokens": ["1"], "loss": ["3"], "note": ["\ud800"]}, dtype=object
            ),
            "note",
        ),
        (pd.DataFrame({"params": [1 + 1j], "tokens": ["1"], "loss": ["3"]}), "params"),
    ],
)
def test_frames_that_are_no_tables(frame: pd.DataFrame, part: str) -> None:
    with pytest.raises(TableError) as caught:
        RunTable.from_pandas(frame)
    assert part in str(caught.value)


def test_without_pyarrow_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = RunTable.from_csv_text(TEXT)
    table.write(tmp_path / "runs.parquet")
    monkeypatch.setattr(parquet, "arrow_parquet", None)
    for act in (
        lambda: RunTable.read(tmp_path / "runs.parquet"),
        lambda: table.write(tmp_path / "new.parquet"),
    ):
        with pytest.raises(TableError, match=r'Run pip install "bayes-dsl\[parquet\]"'):
            act()
    assert not (tmp_path / "new.parquet").exists()


@pytest.mark.parametrize("damage", ["text", "cut", "flip"])
def test_damaged_parquet_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    RunTable.from_csv_text(TEXT).write(path)
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(TEXT.encode())
    elif damage == "cut":
        data = data[: len(data) // 2]
    else:
        data[-20:-12] = b"\xff" * 8
    path.write_bytes(bytes(data))
    with pytest.raises(TableError, match="Parquet"):
        RunTable.read(path)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"\.csv or \.parquet"):
        RunTable.from_csv_text(TEXT).write(tmp_path / "runs.xlsx")


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
NUMBER = st.floats(min_value=1e-300, max_value=1e300)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORD, NUMBER, NUMBER, NUMBER, WORD), min_size=1, max_size=5),
    st.text("abc ,\"'\n;é", min_size=1, max_size=6).filter(lambda name: name.strip() == name),
)
def test_any_texts_and_numbers_survive_csv(
    rows: list[tuple[str, float, float, float, str]], free: str
) -> None:
    frame = pd.DataFrame(
        {
            "params": [row[1] for row in rows],
            "tokens": [row[2] for row in rows],
            "loss": [row[3] for row in rows],
            "group": pd.Series([row[0] for row in rows], dtype=object),
            free: pd.Series([row[4] for row in rows], dtype=object),
        }
    )
    table = RunTable.from_pandas(frame)
    again = RunTable.from_csv_text(table.to_csv_text())
    assert same(table, again)
    assert again.free[free].tolist() == [row[4] for row in rows]
