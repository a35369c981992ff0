"""Two ways of counting parameters never meet."""

from __future__ import annotations

import pytest

from bayes_dsl.errors import CountingMismatch
from bayes_dsl.runs.counting import check_same_counting


@pytest.mark.parametrize(
    ("table", "asked", "agreed"),
    [(None, None, None), ("total", None, "total"), (None, "total", "total"), ("total", "total", "total")],
)
def test_what_agrees(table: str | None, asked: str | None, agreed: str | None) -> None:
    assert check_same_counting(table, asked) == agreed


@pytest.mark.parametrize(("table", "asked"), [("total", "non_embedding"), ("non_embedding", "total")])
def test_what_does_not(table: str, asked: str) -> None:
    with pytest.raises(CountingMismatch, match=f"counting = {asked}; must be {table}"):
        check_same_counting(table, asked)


def test_a_way_that_is_none() -> None:
    with pytest.raises(CountingMismatch, match="must be non_embedding or total"):
        check_same_counting(None, "all")
