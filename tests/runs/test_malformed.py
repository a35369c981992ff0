"""Files that must be refused: every fault listed, with line, column, value and rule, in one line each."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from bayes_dsl.errors import CountingMismatch, InputError, TableError
from bayes_dsl.runs.table import RunTable

H = b"run_id,role,params,tokens,loss\n"
A = b"a,supervised,1e8,2e9,3.1\n"
B = b"b,supervised,2e8,4e9,2.9\n"
D = b"run_id,role,params,tokens,loss,teacher_loss\n"


@dataclass(frozen=True)
class Bad:
    """A file, how many faults it has, and fragments that some one fault line holds together."""

    name: str
    data: bytes
    faults: int
    fragments: tuple[tuple[str, ...], ...]


def cell(column: str, text: str) -> bytes:
    """A table of two rows, the second of which has `text` in `column`."""
    values = {"run_id": "b", "role": "supervised", "params": "2e8", "tokens": "4e9", "loss": "2.9"}
    values[column] = text
    return H + A + ",".join(values.values()).encode() + b"\n"


def one(column: str, text: str, *more: str, shown: str | None = None) -> Bad:
    name = f"{column}={text!r}"
    return Bad(name, cell(column, text), 1, (("line 3", f"{column} = {shown or text}", *more),))


NUMBERS = [
    one("loss", "abc", "finite number above zero", "nats"),
    one("loss", "nan", "finite number above zero"),
    one("loss", "NaN", "finite number above zero"),
    one("loss", "-2.9", "above zero"),
    one("loss", "0", "above zero"),
    one("loss", "-0.0", "above zero"),
    one("loss", "inf", "finite"),
    one("loss", "-Infinity", "finite"),
    one("loss", "1e400", "64 bits"),
    one("loss", "1e-400", "above zero"),
    one("loss", "True", "finite number"),
    one("loss", "false", "finite number"),
    one("loss", "", "status diverged or unfinished", shown="(empty)"),
    one("loss", "   ", shown="(empty)"),
    one("loss", "2.9B", "finite number"),
    one("loss", "None"),
    one("loss", "NA"),
    one("loss", "#N/A"),
    one("loss", "2.9 nats"),
    one("loss", "0x1p3"),
    one("loss", "1d3"),
    one("loss", "2..9"),
    one("loss", "٢.٩"),
    one("loss", "２.９"),
    one("params", "nan"),
    one("params", "0"),
    one("params", "-1e9"),
    one("params", "1.3G"),
    one("params", "1e9B"),
    one("params", "1e400"),
    one("params", "", shown="(empty)"),
    one("params", "1__0"),
    one("params", "~1B"),
    one("tokens", "inf"),
    one("tokens", "20 billion"),
    one("tokens", "True"),
    one("tokens", "1e9\x1b[31m", shown="1e9\\x1b[31m"),
    one("role", "teacher", "supervised or distilled"),
    one("role", "Supervised", "Did you mean supervised?"),
    one("role", "", shown="(empty)"),
    one("run_id", "a", "unique", "line 2 has it"),
    Bad("thousands commas", cell("tokens", '"4,000,000"'), 1, (("line 3", "tokens = 4,000,000", "4000000"),)),
    Bad("decimal comma", cell("loss", '"2,9"'), 1, (("line 3", "loss = 2,9", "decimal sign"),)),
]

STRUCTURE = [
    Bad("empty file", b"", 1, (("the file is empty",),)),
    Bad("blank lines only", b"\n\n  \n", 1, (("the file is empty",),)),
    Bad("byte-order mark only", b"\xef\xbb\xbf", 1, (("the file is empty",),)),
    Bad("header only", H, 1, (("line 1", "ends after its header", "at least one run"),)),
    Bad("header only, no newline", H.strip(), 1, (("line 1", "ends after its header"),)),
    Bad("header only, quoted", b'"run_id","role","params","tokens","loss"\n', 1, (("ends after",),)),
    Bad("no header", A + B, 1, (("line 1", "the first line names the columns"),)),
    Bad("semicolons", (H + A + B).replace(b",", b";"), 1, (("line 1", "semicolons"),)),
    Bad(
        "semicolons, decimal commas",
        H.replace(b",", b";") + b"a;supervised;1e8;2e9;3,1\n",
        1,
        (("semicolons",),),
    ),
    Bad("tabs", (H + A).replace(b",", b"\t"), 1, (("line 1", "tabs"),)),
    Bad("bars", (H + A).replace(b",", b"|"), 1, (("line 1", "vertical bars"),)),
    Bad("short row", H + A + b"b,supervised,2e8,4e9\n", 1, (("line 3", "4 fields", "header has 5"),)),
    Bad("long row", H + b"a,supervised,1e8,2e9,3.1,x\n" + B, 1, (("line 2", "6 fields"),)),
    Bad(
        "trailing commas that shift columns",
        H + b"a,supervised,1e8,2e9,3.1,\nb,supervised,2e8,4e9,2.9,\n",
        2,
        (("line 2", "6 fields", "Remove the trailing comma"), ("line 3", "6 fields")),
    ),
    Bad("header with trailing comma", b"run_id,role,params,tokens,loss,\n" + A, 1, (("line 1", "column 6"),)),
    Bad(
        "index column", b",role,params,tokens,loss\n0,supervised,1e8,2e9,3.1\n", 1, (("line 1", "column 1"),)
    ),
    Bad("two nameless columns", b"run_id,,params,,loss\na,b,1,2,3\n", 2, (("column 2",), ("column 4",))),
    Bad("duplicate header", b"run_id,role,params,tokens,loss,loss\n", 1, (("line 1", "loss", "2 times"),)),
    Bad(
        "duplicate by spaces", b"run_id,role,params,tokens,loss, loss\n", 1, (("line 1", "loss", "2 times"),)
    ),
    Bad(
        "missing loss", b"run_id,role,params,tokens\na,supervised,1,2\n", 1, (("column loss", "is missing"),)
    ),
    Bad(
        "other names",
        b"Name,N,D,L\na,1,2,3\n",
        3,
        (("--columns params=N",), ("--columns tokens=D",), ("--columns loss=L",)),
    ),
    Bad("capitals", b"role,Params,tokens,loss\nsupervised,1,2,3\n", 1, (("--columns params=Params",),)),
    Bad(
        "no role, teachers",
        b"params,tokens,loss,teacher_loss\n1e8,2e9,3,\n",
        1,
        (("column role", "missing"),),
    ),
    Bad("blank line inside", H + A + b"\n" + B, 1, (("line 3", "row = (empty)"),)),
    Bad("separators only", H + A + b",,,,\n" + B, 1, (("line 3", "row = (empty)"),)),
    Bad("blank cells only", H + A + b" , ,,, \n" + B, 1, (("line 3", "row = (empty)"),)),
    Bad("header repeated", H + A + H + B, 1, (("line 3", "the header stands once"),)),
    Bad("text after quote", H + b'"a"x,supervised,1e8,2e9,3.1\n' + B, 1, (("line 2", "closing quote"),)),
    Bad("quote never closed", H + A + b'"b,supervised,2e8,4e9,2.9\n', 1, (("line 3", "a quote that opens"),)),
    Bad("huge cell", H + A + b"b" * 140_000 + b",supervised,2e8,4e9,2.9\n", 1, (("line 3", "131072"),)),
]

BYTES = [
    Bad("latin-1", H + "ä,supervised,1e8,2e9,3.1\n".encode("latin-1") + B, 1, (("line 2", "0xe4", "UTF-8"),)),
    Bad("latin-1 number", H + A + b"b,supervised,2e8,4e9,2\xb79\n", 1, (("line 3", "0xb7", "UTF-8"),)),
    Bad("NUL", H + A + b"b,supervised,2e8,4\x00e9,2.9\n", 1, (("line 3", "NUL"),)),
    Bad("NUL in name", H + b"a\x00,supervised,1e8,2e9,3.1\n" + B, 1, (("line 2", "byte 2", "NUL"),)),
    Bad("UTF-16", (H + A).decode().encode("utf-16"), 1, (("UTF-16", "Save it as UTF-8"),)),
    Bad("UTF-16 without mark", (H + A).decode().encode("utf-16-le"), 1, (("binary",),)),
    Bad("binary", random.Random(0).randbytes(5000), 1, (("binary",),)),
    Bad("gzip", gzip.compress(H + A), 1, (("gzip",),)),
    Bad("spreadsheet", b"PK\x03\x04" + bytes(100), 1, (("spreadsheet",),)),
    Bad("Parquet by another name", b"PAR1" + bytes(100), 1, ((".parquet",),)),
    Bad("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100), 1, (("HDF5",),)),
]

DISTILLED = [
    Bad(
        "no teacher_loss",
        D + b"a,distilled,1e8,2e9,3.1,\n",
        1,
        (("line 2", "teacher_loss = (empty)", "distilled"),),
    ),
    Bad(
        "no such column", H + b"a,distilled,1e8,2e9,3.1\n", 1, (("line 2", "teacher_loss", "no such column"),)
    ),
    Bad("teacher_loss nan", D + b"a,distilled,1e8,2e9,3.1,nan\n", 1, (("line 2", "teacher_loss = nan"),)),
    Bad(
        "diverged, no teacher_loss",
        D[:-1] + b",status\na,distilled,1e8,2e9,,,diverged\n",
        1,
        (("teacher_loss",),),
    ),
    Bad(
        "status",
        H[:-1] + b",status\na,supervised,1e8,2e9,3,finished\n",
        1,
        (("line 2", "status = finished"),),
    ),
    Bad("empty status", H[:-1] + b",status\na,supervised,1e8,2e9,3,\n", 1, (("line 2", "status = (empty)"),)),
    Bad("diverged, negative", H[:-1] + b",status\na,supervised,1e8,2e9,-3,diverged\n", 1, (("loss = -3",),)),
    Bad(
        "diverged, no tokens",
        H[:-1] + b",status\na,supervised,1e8,,3,diverged\n",
        1,
        (("tokens = (empty)",),),
    ),
    Bad(
        "loss_se zero",
        H[:-1] + b",loss_se\na,supervised,1e8,2e9,3,0\n",
        1,
        (("loss_se = 0", "leave the cell"),),
    ),
    Bad("flops text", H[:-1] + b",flops\na,supervised,1e8,2e9,3,many\n", 1, (("flops = many",),)),
    Bad(
        "unknown counting",
        H[:-1] + b",counting\na,supervised,1e8,2e9,3,all\n",
        1,
        (("non_embedding or total",),),
    ),
]

SEVERAL = [
    Bad(
        "all at once",
        H[:-1]
        + b",status\na,supervised,abc,-1,nan,ok\na,student,1e8,2e9,,ok\nc,supervised,1e8\n"
        + b"d\xff,supervised,1,1e400,0,ok\n",
        10,
        (
            ("line 2", "params = abc"),
            ("line 2", "tokens = -1"),
            ("line 2", "loss = nan"),
            ("line 3", "run_id = a"),
            ("line 3", "role = student"),
            ("line 3", "loss = (empty)"),
            ("line 4", "3 fields"),
            ("line 5", "0xff"),
            ("line 5", "tokens = 1e400"),
            ("line 5", "loss = 0"),
        ),
    ),
    Bad(
        "lines after quoted newlines",
        H + b'"a\nb\nc",supervised,1e8,2e9,3.1\n"d\n",supervised,1e8,2e9,nan\ne,supervised,1e8,2e9,-1\n',
        2,
        (("line 5", "loss = nan"), ("line 7", "loss = -1")),
    ),
    Bad(
        "faults on both sides of a broken quote",
        H + b'a,supervised,x,2e9,3.1\n"b,supervised,2e8,4e9,2.9\nc,supervised,1e8,2e9,0\n',
        3,
        (("line 2", "params = x"), ("line 3", "quote"), ("line 4", "loss = 0")),
    ),
    Bad(
        "same line, CRLF", (H + A + b"b,supervised,2e8,y,z\n").replace(b"\n", b"\r\n"), 2, (("line 3", "y"),)
    ),
]

CASES = [*NUMBERS, *STRUCTURE, *BYTES, *DISTILLED, *SEVERAL]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_is_refused_with_every_fault(case: Bad, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(case.data)
    with pytest.raises(TableError) as caught:
        RunTable.read(path)
    lines = [str(fault) for fault in caught.value.faults]
    assert len(lines) == case.faults, "\n".join(lines)
    for fragments in case.fragments:
        assert any(all(part in line for part in fragments) for line in lines), (fragments, lines)
    for line in lines:
        assert "\n" not in line and line.isprintable() and line.startswith("runs.csv") and line.endswith(".")
    assert [fault.line or 0 for fault in caught.value.faults] == sorted(
        fault.line or 0 for fault in caught.value.faults
    )


def test_there_are_at_least_sixty_different_files() -> None:
    assert len({case.data for case in CASES}) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_file_around_the_offences_is_accepted(tmp_path: Path) -> None:
    """A control: it is the offence that is refused."""
    path = tmp_path / "runs.csv"
    path.write_bytes(H + A + B)
    assert RunTable.read(path).n_rows == 2


def test_mixed_counting_is_a_counting_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(
        H[:-1]
        + b",counting\na,supervised,1e8,2e9,3,total\n"
        + b"b,supervised,1e8,2e9,3,non_embedding\nc,supervised,1,1,3,\n"
    )
    with pytest.raises(CountingMismatch) as caught:
        RunTable.read(path)
    assert [fault.line for fault in caught.value.faults] == [3, 4]
    assert "line 2 has total" in str(caught.value)


@pytest.mark.parametrize("seed", range(200))
def test_damaged_bytes_never_raise_anything_but_input_errors(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    data = bytearray(H + A + B + b'"c\nd",supervised,1.3B,20e9,2.5\n')
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(data))
        choice = draw.randrange(3)
        if choice == 0:
            data[at] = draw.choice(b'",;\n\r\x00\xff\x1b -0.eB\xc3')
        elif choice == 1:
            del data[at : at + draw.randint(1, 8)]
        else:
            data[at:at] = bytes(draw.choice(b'",\n\r\xef\xbb\xbf1nae') for _ in range(draw.randint(1, 5)))
    path = tmp_path / "runs.csv"
    path.write_bytes(bytes(data))
    try:
        table = RunTable.read(path)
    except InputError as error:
        faults = error.faults
    else:
        assert (table.values("loss") > 0).all() and table.n_rows <= 4
        return
    assert faults and all(str(fault).isprintable() for fault in faults)
