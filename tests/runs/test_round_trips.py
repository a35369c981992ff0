"""What is written reads back equal: CSV, Parquet, data frames; and the hash does not see the format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
