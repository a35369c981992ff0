"""The public tables beside the checkout, as `real_tables.toml` lists them: opened, or skipped."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from bayes_dsl.runs.table import RunTable

HERE = Path(__file__).parent
FOLDER = HERE.parent.parent / "shared" / "data" / "real"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One table: a file, how it is read, and what is expected of it."""

    name: str
    file: str
    verdict: Literal["sampled", "not sampled", "refused"]
    reason: str
    columns: str = ""
    where: tuple[str, ...] = ()
    counting: str | None = None
    rows: int | None = None
    law: str | None = None
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def entries(verdict: str | None = None) -> list[Entry]:
    """Return all entries, or those of one verdict."""
    listed = tomllib.loads((HERE / "real_tables.toml").read_text(encoding="utf-8"))["table"]
    made = []
    for table in listed:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
        made.append(Entry(**values))
    return [entry for entry in made if verdict in (None, entry.verdict)]


def entry(name: str) -> Entry:
    """Return the entry of this name."""
    (found,) = (one for one in entries() if one.name == name)
    return found


def folder() -> Path:
    """Return the folder of the tables; without it the test skips, or fails where CI=true."""
    if not FOLDER.is_dir():
        reason = "the public tables (../shared/data/real) are not beside this checkout"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return FOLDER


def open_table(one: Entry) -> RunTable:
    """Read the table of an entry, as its line says."""
    return RunTable.read(
        folder() / one.file, columns=one.columns or None, where=one.where, counting=one.counting
    )
