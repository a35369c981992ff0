"""Files that must be accepted as they are, and what they then hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayes_dsl.errors import CountingMismatch, TableError, UnknownName
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


def test_notes_say_what_is_not_stated() -> None:
    table = RunTable.from_csv_text("params,tokens,loss\n1e8,2e9,3\n2e8,9e9,2.9\n")
    notes = "\n".join(table.notes)
    for part in ("all rows are supervised", "called by their line, such as 'line 2'", "--counting"):
        assert part in notes
    stated = RunTable.from_csv_text(H.strip() + ",counting\n" + A.strip() + ",total\n")
    assert stated.notes == ()


def test_counting_is_stated_by_the_reader_or_the_table_and_must_agree(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(H + A)
    assert RunTable.read(path, counting="total").counting == "total"
    assert RunTable.read(path, counting="total").values("counting").tolist() == ["total"]
    path.write_text(H.strip() + ",counting\n" + A.strip() + ",non_embedding\n")
    with pytest.raises(CountingMismatch, match="must be non_embedding, as in the table"):
        RunTable.read(path, counting="total")


def test_summary_counts_configurations_teachers_groups_and_compute() -> None:
    table = RunTable.from_csv_text(
        "role,params,tokens,loss,teacher_loss,teacher_params,teacher_tokens,group,eval_id,flops\n"
        "supervised,1e8,2e9,3,,,,g1,c4,\n"
        "supervised,1e8,2e9,3.01,,,,g1,c4,\n"
        "distilled,1e8,2e9,2.9,2.1,7e9,1e11,g2,c4,5e20\n"
        "distilled,2e8,2e9,2.8,2.1,7e9,1e11,g2,c4,\n"
        "distilled,2e8,2e9,2.7,2.0,9e9,1e11,,c4,\n"
    )
    summary = table.summary()
    assert summary.by_role == {"supervised": 2, "distilled": 3}
    assert (summary.configurations, summary.teachers, summary.groups, summary.evaluations) == (3, 2, 2, 1)
    assert summary.largest_compute_flops == 5e20
    assert summary.ranges["teacher_loss"] == (2.0, 2.1)


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


def test_names_are_shown_in_one_line() -> None:
    table = RunTable.from_csv_text(
        'run_id,params,tokens,loss,status\n"a\x1b[31m\nb",1e8,2e9,3,ok\n"c\nd",1e8,2,,diverged\n"e\nf",1e8,2,3,ok\n'
    )
    assert table.notes and table.warnings
    assert all(line.isprintable() for line in (*table.notes, *table.warnings))


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
