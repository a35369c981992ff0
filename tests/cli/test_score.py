"""`score` says how registered forecasts did."""

import json
from pathlib import Path

import pytest

from bayes_dsl.forecast.register import append_forecast


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.jsonl"
    for median in (2.5, 2.4, 2.3):
        told = {"median": median, "lower": median - 0.1, "upper": median + 0.1, "prob": 0.9, "kind": "eti"}
        append_forecast(path, {"forecast": {"next_run": told}})
    return path


@pytest.fixture
def actual(tmp_path: Path) -> Path:
    path = tmp_path / "actual.csv"
    path.write_text("forecast,loss\n1,2.55\n2,2.9\n")
    return path


def test_the_json(bayes_dsl, register: Path, actual: Path) -> None:
    ran = bayes_dsl("score", register, actual, "--json")
    assert ran.code == 0 and ran.err == ""
    found = json.loads(ran.out)
    assert (found["registered"], found["scored"], found["hits"], found["coverage"]) == (3, 2, 1, 0.5)
    assert [one["number"] for one in found["scores"]] == [1, 2]
    assert found["scores"][0]["error"] == pytest.approx(0.05)
    assert any("no outcome yet" in note for note in found["notes"])


def test_people_read_the_same(bayes_dsl, register: Path, actual: Path) -> None:
    out = bayes_dsl("score", register, actual).out
    for part in ("hit", "miss", "1 of 2 in their interval: coverage 0.500", "90 % eti", "Notes"):
        assert part in out
    assert "Notes" not in bayes_dsl("score", register, actual, "-q").out


def test_a_changed_register_is_refused(bayes_dsl, register: Path, actual: Path) -> None:
    register.write_text(register.read_text().replace("2.5,", "2.6,", 1))
    ran = bayes_dsl("score", register, actual)
    assert (ran.code, ran.out) == (2, "") and "not what was registered" in ran.err


def test_an_outcome_of_no_forecast_is_refused(bayes_dsl, register: Path, actual: Path) -> None:
    actual.write_text("forecast,loss\n9,2.55\n")
    ran = bayes_dsl("score", register, actual)
    assert ran.code == 2 and ran.err.count("\n") == 1
