"""Parquet where pyarrow is installed, and one sentence where it is not or the bytes are no Parquet."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from bayes_dsl.errors import TableError
from bayes_dsl.runs import parquet
from bayes_dsl.runs.table import RunTable

TEXT = "run_id,params,tokens,loss,note\na,1.3B,2e10,3.0123456789012345,x\nb,1e8,2e9,2.9,\n"


def test_a_frame_is_written_and_read_back_without_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"loss": [3.0, None], "seed": pd.array([1, None], dtype="Int64"), "note": ["é", None]}, index=[7, 5]
    )
    parquet.write_parquet(frame, tmp_path / "x.parquet")
    again = parquet.read_parquet((tmp_path / "x.parquet").read_bytes(), "x.parquet")
    assert again.columns.tolist() == ["loss", "seed", "note"] and again.index.tolist() == [0, 1]
    assert again["loss"].isna().tolist() == again["note"].isna().tolist() == [False, True]
    assert again["seed"][0] == 1 and again["note"][0] == "é"


def test_what_declares_more_than_memory_holds_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO()
    pd.DataFrame({"loss": [3.0] * 100}).to_parquet(data)
    assert len(parquet.read_parquet(data.getvalue(), "x.parquet")) == 100
    monkeypatch.setattr(parquet, "_LIMIT", 64 * 99)
    with pytest.raises(TableError, match=r"x\.parquet: the file; declares 100 rows in \d+ bytes"):
        parquet.read_parquet(data.getvalue(), "x.parquet")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"params,tokens\n1,2\n"])
def test_bytes_that_are_no_parquet_are_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(TableError) as caught:
        parquet.read_parquet(data, "x.parquet")
    (fault,) = caught.value.faults
    assert str(fault).startswith("x.parquet: the file; cannot be read as Parquet (")
    assert str(fault).isprintable()


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
