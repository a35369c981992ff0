"""Bytes to text: the byte-order mark goes, every line that is not UTF-8 is a fault, what is no text is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import TableError
from bayes_dsl.runs.decoding import decode

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="�"))


@given(st.lists(TEXT))
def test_utf8_text_comes_back_as_it_is(lines: list[str]) -> None:
    text = "\r\n".join(["run_id,loss", *lines])
    assert decode(text.encode(), "x.csv") == (text, [])
    assert decode(b"\xef\xbb\xbf" + text.encode(), "x.csv") == (text, [])


def test_nothing_is_text() -> None:
    assert decode(b"", "x.csv") == ("", [])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_that_is_not_utf8_is_a_fault_and_the_others_can_still_be_read(end: bytes) -> None:
    lines = [b"run_id,loss", b"gr\xf6\xdfe,3.1", b"plain,3.0", b"nul\x00,2.9", "größe,2.8".encode()]
    text, faults = decode(end.join(lines), "x.csv")
    assert text.split(end.decode()) == ["run_id,loss", "gr��e,3.1", "plain,3.0", "nul�,2.9", "größe,2.8"]
    assert [(fault.line, fault.what, fault.value) for fault in faults] == [
        (2, "byte 3", "0xf6"),
        (4, "byte 4", "NUL"),
    ]
    assert all(fault.where == f"x.csv line {fault.line}" for fault in faults)


def test_a_line_with_a_nul_and_another_byte_that_is_wrong_has_two_faults() -> None:
    faults = decode(b"a long enough line\nx\x00y\xff and more text", "x.csv")[1]
    assert [(fault.line, fault.what) for fault in faults] == [(2, "byte 2"), (2, "byte 4")]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"PK\x03\x04", "zip archive"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PAR1", r"ends in \.parquet"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\xd0\xcf\x11\xe0", "old spreadsheet"),
        (b"%PDF-1.7", "PDF"),
        ("run_id,loss\n".encode("utf-16"), "UTF-16 text"),
        ("run_id,loss\n".encode("utf-16-be"), "is binary"),
        (b"\x00\x00\xfe\xff", "UTF-32 text"),
        (bytes(range(256)), "is binary"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(data: bytes, part: str) -> None:
    with pytest.raises(TableError, match=part) as caught:
        decode(data, "x.csv")
    assert len(caught.value.faults) == 1 and caught.value.faults[0].where == "x.csv"


def test_a_tenth_of_strange_bytes_is_what_parts_binary_from_damaged_text() -> None:
    assert len(decode(b"x" * 90 + b"\x00" * 10, "x.csv")[1]) == 1
    with pytest.raises(TableError, match="is binary"):
        decode(b"x" * 89 + b"\x00" * 11, "x.csv")
    # An invalid byte counts half: Latin-1 prose is text that has a fault, not a binary.
    assert len(decode(b"x" * 80 + b"\xe4" * 20, "x.csv")[1]) == 1
