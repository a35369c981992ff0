"""A back-test as a file: JSON with its checksum, so that a forecast can quote it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_dsl.errors import Fault, FileRefused
from bayes_dsl.files import read_bytes, sha256_of_bytes, shown, write_atomically
from bayes_dsl.validation.backtest import Backtest

FORMAT = 2
_LIMIT = 64 * 1024**2
_KINDS: dict[str, type] = {
    "method": str,
    "factor": float,
    "run_id": str,
    "cluster": str,
    "beyond": float,
    "known": int,
    **dict.fromkeys(("actual", "median", "lower", "upper"), float),
    "hit": bool,
    **dict.fromkeys(("error", "width", "crps"), float),
    "healthy": bool,
}
_NUMBERS = tuple(name for name, kind in _KINDS.items() if kind is float)


def write_backtest(found: Backtest, path: Path) -> None:
    """Write a back-test, whole or not at all.

    Raises
    ------
    FileRefused
        The folder or the disk does not take it.
    """
    content: dict[str, Any] = {
        "bayes_dsl_backtest": FORMAT,
        "table_sha256": found.table_sha256,
        "source": found.source,
        "law": found.law,
        "prior": found.prior,
        "by": found.by,
        "prob": found.prob,
        "seed": found.seed,
        "notes": list(found.notes),
        "rows": [_plain(row) for row in found.rows[list(_KINDS)].to_dict("records")],
    }
    text = _text(content)
    sealed = {**content, "sha256": sha256_of_bytes(text.encode())}
    write_atomically(path, json.dumps(sealed, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_backtest(path: Path) -> Backtest:
    """Read a back-test that `write_backtest` wrote.

    Raises
    ------
    FileRefused
        It is none, or damaged, or of another version.
    """
    try:
        content = json.loads(read_bytes(path, _LIMIT))
        claimed = content.pop("sha256")
        version = content["bayes_dsl_backtest"]
    except (ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:60]
        raise _refused(path, "content", reason, "this is no back-test") from error
    if version != FORMAT:
        raise _refused(path, "version", str(version)[:40], f"this release reads version {FORMAT}")
    if claimed != sha256_of_bytes(_text(content).encode()):
        raise _refused(path, "sha256", str(claimed)[:16], "the content has changed since it was written")
    rows = [{**row, **{name: _number(row[name]) for name in _NUMBERS}} for row in content["rows"]]
    frame = pd.DataFrame(rows, columns=list(_KINDS)).astype({k: v for k, v in _KINDS.items() if v is not str})
    return Backtest(
        table_sha256=content["table_sha256"],
        source=content["source"],
        law=content["law"],
        prior=content["prior"],
        by=content["by"],
        prob=content["prob"],
        rows=frame,
        seed=content["seed"],
        notes=tuple(content["notes"]),
    )


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    made = {str(name): _KINDS[str(name)](value) for name, value in row.items()}
    return {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in made.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _refused(path: Path, what: str, value: str, rule: str) -> FileRefused:
    remedy = "Make it again with `bayes-dsl backtest TABLE -o FILE`"
    return FileRefused(Fault(where=shown(path), what=what, value=value, rule=rule, remedy=remedy))
