"""The quick splitter says the same as the csv module, or says nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bayes_dsl.runs.plain import split_plain


def by_csv(text: str, separator: str) -> list[list[str]]:
    records = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    return [record for record in records if record]


@given(st.text('ab ,;\n\r"é', max_size=30), st.sampled_from(",;"))
@example("a,b\n1,2\n\n", ",")
@example("a,b\r\n1,2\r\n", ",")
@example("a,b\n1,2,\n3\n", ",")
def test_what_it_splits_is_split_as_the_csv_module_does(text: str, separator: str) -> None:
    columns = split_plain(text, separator)
    if columns is not None:
        assert [list(row) for row in zip(*columns, strict=True)] == by_csv(text, separator)


@given(st.lists(st.lists(st.text("xy é.", min_size=1), min_size=3, max_size=3), max_size=6))
def test_it_does_split_what_is_plain(rows: list[list[str]]) -> None:
    """Without this the test above could pass on a splitter that never splits."""
    rows = [["id", "one", "other"], *([f"r{i}", *row[1:]] for i, row in enumerate(rows))]
    text = "\n".join(",".join(row) for row in rows) + "\n"
    columns = split_plain(text, ",")
    assert columns is not None
    assert [list(row) for row in zip(*columns, strict=True)] == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "one column\n1\n",
        'a,b\n"1",2\n',
        "a,b\r1,2\r",
        "a,b\n1,2,3\n",
        "a,b\n1\n2\n3,4,5\n",
        "a,b\n\n1,2\n",
        "a,b\n,2\n",
        "a,b\n1,2\na,b\n",
        f"a,b\n{'1' * (csv.field_size_limit() + 1)},2\n",
    ],
    ids=lambda text: repr(text)[:20],
)
def test_what_needs_a_closer_look_is_left_to_the_full_reader(text: str) -> None:
    assert split_plain(text, ",") is None


def test_a_cell_that_is_large_and_not_too_large_is_still_split() -> None:
    assert split_plain(f"a,b\n{'1' * (csv.field_size_limit() - 1)},2\n", ",") is not None
