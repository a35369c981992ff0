"""Files that must be accepted as they are, and what they then hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.runs.table import RunTable

H = "run_id,role,params,tokens,loss\n"
A = "a,supervised,1e8,2e9,3.1\n"
B = "b,supervised,2e8,9e9,2.9\n"
C = "c,supervised,4e8,3e9,2.8\n"


@dataclass(frozen=True)
class Good:
    """A file, and what must be true of its table."""

    name: str
    data: str | bytes
    holds: Callable[[RunTable], bool]


def names(*expected: str) -> Callable[[RunTable], bool]:
    return lambda table: table.values("run_id").tolist() == list(expected)


GOOD = [
    Good("plain", H + A + B, names("a", "b")),
    Good("no newline at the end", H + A + B.strip(), names("a", "b")),
    Good("blank lines at the end", H + A + B + "\n\n  \n", names("a", "b")),
    Good("a run called NA", H + A.replace("a,", "NA,", 1) + B.replace("b,", "nan,", 1), names("NA", "nan")),
    Good("a run called null", H + A.replace("a,", "null,", 1), names("null")),
    Good("byte-order mark", b"\xef\xbb\xbf" + (H + A).encode(), names("a")),
    Good(
        "byte-order mark and quoted header",
        b"\xef\xbb\xbf" + (H + A).replace("run_id", '"run_id"').encode(),
        names("a"),
    ),
    Good("CRLF", (H + A + B).replace("\n", "\r\n"), names("a", "b")),
    Good("old line ends", (H + A + B).replace("\n", "\r"), lambda t: t.lines.tolist() == [2, 3]),
    Good("quoted newline", H + A.replace("a,", '"a\nx",', 1) + B, lambda t: t.lines.tolist() == [2, 4]),
    Good("quoted separator", H + A.replace("a,", '"a,x",', 1), names("a,x")),
    Good("quoted quote", H + A.replace("a,", '"a""x",', 1), names('a"x')),
    Good(
        "everything quoted",
        '"run_id","role","params","tokens","loss"\n"a","supervised","1","2","3"\n',
        names("a"),
    ),
    Good("1.3B", H + "a,supervised,1.3B,26b,3.1\n", lambda t: t.values("params")[0] == 1.3e9),
    Good("other human numbers", H + "a,supervised,70M,1_000_000,3\n", lambda t: t.values("tokens")[0] == 1e6),
    Good("suffix with a space", H + "a,supervised,512 B,2T,3\n", lambda t: t.values("tokens")[0] == 2e12),
    Good("no role column", "run_id,params,tokens,loss\na,1e8,2e9,3\n", lambda t: "supervised" in t.notes[0]),
    Good("no run_id", "params,tokens,loss\n1e8,2e9,3\n2e8,2e9,3\n", names("line 2", "line 3")),
    Good("one run_id missing", H + A + "," + B.partition(",")[2], names("a", "line 3")),
    Good("spaces around", "run_id, role, params, tokens, loss\na, supervised, 1e8, 2e9, 3.1\n", names("a")),
    Good(
        "free columns",
        H.strip() + ",note,x\n" + A.strip() + ",NA,007\n",
        lambda t: t.free.loc[0, "x"] == "007",
    ),
    Good("unicode", H + A.replace("a,", "größe 模型 🙂,", 1), names("größe 模型 🙂")),
    Good(
        "columns in any order",
        "loss,tokens,params,role\n3,2e9,1e8,supervised\n",
        lambda t: t.values("loss")[0] == 3,
    ),
    Good(
        "diverged without loss",
        H.strip() + ",status\n" + A.strip() + ",ok\nb,supervised,1e8,2e9,,diverged\n",
        names("a", "b"),
    ),
    Good(
        "diverged with nan",
        H.strip() + ",status\nb,supervised,1e8,2e9,nan,diverged\n" + A.strip() + ",ok\n",
        names("b", "a"),
    ),
    Good(
        "unfinished with loss",
        H.strip() + ",status\n" + A.strip() + ",unfinished\n" + B.strip() + ",ok\n",
        names("a", "b"),
    ),
    Good(
        "distilled",
        H.strip() + ",teacher_loss\n" + A.strip() + ",\nd,distilled,1e8,2e9,3.0,2.1\n",
        lambda t: bool(np.isnan(t.values("teacher_loss")[0])) and t.values("teacher_loss")[1] == 2.1,
    ),
    Good(
        "counting stated", H.strip() + ",counting\n" + A.strip() + ",total\n", lambda t: t.counting == "total"
    ),
    Good(
        "counting column empty", H.strip() + ",counting\n" + A.strip() + ",\n", lambda t: t.counting is None
    ),
    Good("extreme values", H + "a,supervised,1e3,1e18,1e-6\n", lambda t: t.values("tokens")[0] == 1e18),
]


@pytest.mark.parametrize("case", GOOD, ids=[case.name for case in GOOD])
def test_is_accepted(case: Good, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(case.data if isinstance(case.data, bytes) else case.data.encode())
    table = RunTable.read(path)
    assert case.holds(table)
    again = RunTable.from_csv_text(table.to_csv_text())
    assert again.sha256 == table.sha256
    assert again.to_csv_text() == table.to_csv_text()
