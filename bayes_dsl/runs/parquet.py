"""Parquet files, where the optional pyarrow is installed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_dsl.errors import Fault, TableError

try:
    import pyarrow as arrow
    import pyarrow.parquet as arrow_parquet
except ImportError:  # the extra is not installed
    arrow = None
    arrow_parquet = None

_LIMIT = 8 * 1024**3


def read_parquet(data: bytes, source: str) -> pd.DataFrame:
    """Return the frame that the bytes of a Parquet file hold.

    Raises
    ------
    TableError
        When pyarrow is missing or the bytes are no Parquet file that it can read.
    """
    parquet = _pyarrow(source)
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        metadata = file.metadata
        size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
        if size > _LIMIT or metadata.num_rows > _LIMIT // 64:
            raise TableError(_refused(source, f"declares {metadata.num_rows} rows in {size} bytes"))
        frame: pd.DataFrame = file.read().to_pandas(ignore_metadata=True)
    except (arrow.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        if isinstance(error, TableError):
            raise
        reason = " ".join(str(error).split())
        raise TableError(_refused(source, f"cannot be read as Parquet ({reason[:200]})")) from error
    return frame


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame to a Parquet file.

    Raises
    ------
    TableError
        When pyarrow is missing.
    """
    _pyarrow(path.name).write_table(arrow.Table.from_pandas(frame, preserve_index=False), path)


def _pyarrow(source: str) -> Any:
    if arrow_parquet is None:
        raise TableError(
            Fault(
                where=source,
                what="Parquet",
                value="",
                rule="needs pyarrow, which is not installed",
                remedy='Run pip install "bayes-dsl[parquet]"',
            )
        )
    return arrow_parquet


def _refused(source: str, rule: str) -> Fault:
    return Fault(where=source, what="the file", value="", rule=rule, remedy="Write it again, or as CSV")
