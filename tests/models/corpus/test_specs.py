"""A specification goes to JSON and back, and every fault of a table is a line."""

import json

import pytest

from bayes_dsl.errors import InputError
from models.corpus.specs import parse_spec, spec_as_json


@pytest.mark.parametrize(
    "table",
    [{"kind": "markov"}, {"kind": "markov", "vocabulary": 16, "seed": 3}, {"kind": "text", "path": "notes"}],
)
def test_a_specification_comes_back_from_json(table: dict) -> None:
    spec = parse_spec(table)
    assert parse_spec(json.loads(json.dumps(spec_as_json(spec)))) == spec


def test_every_fault_is_a_line_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_spec({"kind": "markov", "vocabulary": 1, "contxt": 64, "seed": -1}, where="plan.toml [corpus]")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("plan.toml [corpus]: ") for line in lines)


def test_an_unknown_kind_lists_those_that_there_are() -> None:
    with pytest.raises(InputError) as caught:
        parse_spec({"kind": "tales"})
    assert all(kind in str(caught.value) for kind in ("markov", "debian", "text", "parquet", "huggingface"))
