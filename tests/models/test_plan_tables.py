"""Single tables of a plan: numbers of tokens as people write them, and refusals in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.plan_tables import NetworkTable, StudentBlock, SupervisedBlock, faults_of


@pytest.mark.parametrize(
    ("written", "tokens"), [("0.5M", 500_000), (5e5, 500_000), (7, 7), ("1_000", 1000), ("2B", 2 * 10**9)]
)
def test_tokens_are_read_as_in_run_tables(written: object, tokens: int) -> None:
    block = SupervisedBlock.model_validate({"widths": [16], "tokens": [written]})
    assert block.tokens == (tokens,)


@pytest.mark.parametrize(
    "written", ["", "x", "0", -1, 0.5, float("nan"), float("inf"), "1e400", True, None, [1], 1e19]
)
def test_what_is_no_number_of_tokens_is_refused(written: object) -> None:
    with pytest.raises(ValidationError) as refused:
        SupervisedBlock.model_validate({"widths": [16], "tokens": [written]})
    (fault,) = faults_of(refused.value, "here")
    assert str(fault).startswith("here: tokens") and "number of tokens" in fault.rule


def test_refusals_are_in_words() -> None:
    with pytest.raises(ValidationError) as refused:
        StudentBlock.model_validate(
            {
                "teachers": ["a/b"],
                "widths": [12, 16, 16],
                "tokens": [],
                "mixing": 2,
                "kind": "x",
                "epochs": 1.0,
            }
        )
    lines = [str(fault) for fault in faults_of(refused.value, "here")]
    assert lines == [
        "here: epochs = 1.0; must be a valid integer. Choose another value.",
        "here: teachers = a/b; must be letters, digits, '.', '_' or '-', the first a letter or digit. "
        "Choose such a name.",
        "here: widths = 12; must be a multiple of 8. Choose another value.",
        "here: tokens = []; must have at least one entry. Write one, or remove the block.",
        "here: mixing = 2; must be less than or equal to 1. Choose another value.",
        "here: kind = x; there is no such key here. Remove it, or check its spelling.",
    ]


def test_a_table_is_frozen_and_has_defaults() -> None:
    table = NetworkTable()
    assert (table.layers, table.base_width, table.compute) == (2, 64, "float32")
    with pytest.raises(ValidationError):
        table.layers = 3
