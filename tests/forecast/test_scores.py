"""Scores of registered forecasts: figures worked out by hand, other people's formulas, and every fault."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, norm

from bayes_dsl.errors import FileRefused, InputError, TableError
from bayes_dsl.forecast import scores
from bayes_dsl.forecast.register import append_forecast, read_register
from bayes_dsl.forecast.scores import Outcome, read_outcomes, score_register, summarise_scores

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def told(median: float = 2.0, lower: float = 1.9, upper: float = 2.2, prob: float = 0.9) -> dict[str, Any]:
    return {"median": median, "lower": lower, "upper": upper, "prob": prob, "kind": "eti"}


def registered(tmp_path: Path, *forecasts: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    path = tmp_path / "register.jsonl"
    for forecast in forecasts:
        append_forecast(path, {"question": {}, "forecast": forecast}, now=NOW)
    return read_register(path)


def test_scores_worked_out_by_hand(tmp_path: Path) -> None:
    records = registered(tmp_path, {"next_run": told()}, {"next_run": told()}, {"next_run": told(prob=0.5)})
    outcomes = [
        Outcome(forecast="3", loss=1.8),
        Outcome(forecast="1", loss=2.2),
        Outcome(forecast="2", loss=2.3),
    ]
    one, two, three = score_register(records, outcomes)
    assert (one.number, two.number, three.number) == (1, 2, 3)
    assert (one.hit, two.hit, three.hit) == (True, False, False)
    assert one.interval_score == pytest.approx(0.3)
    assert two.interval_score == pytest.approx(0.3 + 2 / 0.1 * 0.1)
    assert three.interval_score == pytest.approx(0.3 + 2 / 0.5 * 0.1)
    assert one.error == pytest.approx(0.2) and three.error == pytest.approx(-0.2)
    assert one.log_error == pytest.approx(math.log(1.1)) and three.log_error == pytest.approx(math.log(0.9))
    assert one.registered_at == "2026-11-23T00:00:00+00:00"
    assert one.crps is None


def test_interval_score_and_crps_agree_with_scoringrules(tmp_path: Path) -> None:
    rules = pytest.importorskip("scoringrules")
    probs = np.arange(0.005, 1, 0.01)
    loss = norm(2.0, 0.1).ppf(probs)
    quantiles = {"probs": probs.tolist(), "loss": loss.tolist()}
    records = registered(tmp_path, {"next_run": told(lower=1.8355, upper=2.1645), "quantiles": quantiles})
    for actual in (1.7, 2.05, 2.4):
        (score,) = score_register(records, [Outcome(forecast="1", loss=actual)])
        expected = rules.interval_score(actual, 1.8355, 2.1645, 0.1, backend="numpy")
        assert score.interval_score == pytest.approx(float(expected))
        exact = float(rules.crps_normal(actual, 2.0, 0.1, backend="numpy"))
        assert score.crps == pytest.approx(exact, rel=0.01)


def test_without_scoringrules_a_note_says_what_adds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantiles = {"probs": [0.25, 0.75], "loss": [1.9, 2.1]}
    records = registered(tmp_path, {"next_run": told(), "quantiles": quantiles})
    monkeypatch.setattr(scores, "scoringrules", None)
    found = score_register(records, [Outcome(forecast="1", loss=2.0)])
    summary = summarise_scores(found, registered=1)
    assert found[0].crps is None and summary.mean_crps is None
    assert summary.notes == ('The CRPS needs scoringrules: `pip install "bayes-dsl[validation]"` adds it.',)


def test_summary_counts_hits_with_the_exact_interval(tmp_path: Path) -> None:
    records = registered(tmp_path, *({"next_run": told()} for _ in range(12)))
    losses = [2.0] * 8 + [2.5] * 2
    outcomes = [Outcome(forecast=str(i), loss=loss) for i, loss in enumerate(losses, start=1)]
    summary = summarise_scores(score_register(records, outcomes), registered=len(records), prob=0.95)
    assert (summary.registered, summary.scored, summary.hits, summary.coverage) == (12, 10, 8, 0.8)
    assert summary.coverage_lower == pytest.approx(beta.ppf(0.025, 8, 3))
    assert summary.coverage_upper == pytest.approx(beta.ppf(0.975, 9, 2))
    assert summary.expected_coverage == pytest.approx(0.9)
    assert summary.mean_absolute_log_error == pytest.approx(0.2 * math.log(1.25))
    assert "2 of 12 forecasts have no outcome yet." in summary.notes
    with pytest.raises(InputError, match="at least one outcome"):
        summarise_scores((), registered=12)


def test_a_forecast_is_named_by_number_or_by_the_start_of_its_checksum(tmp_path: Path) -> None:
    records = registered(tmp_path, {"next_run": told()}, {"next_run": told(2.1)})
    digest = records[1]["sha256"]
    for name in ("2", digest, digest[:6], digest[:12].upper()):
        (score,) = score_register(records, [Outcome(forecast=name, loss=2.0)])
        assert score.number == 2


def test_all_faults_of_outcomes_are_listed(tmp_path: Path) -> None:
    records = registered(tmp_path, {"next_run": told()}, {"expected": told()}, {"next_run": told(lower=2.1)})
    names = ["1", "1", "0", "4", records[0]["sha256"][:5], "ffffffff", "9" * 5000, "2", "3", "²"]
    with pytest.raises(InputError) as refusal:
        score_register(records, [Outcome(forecast=name, loss=2.0) for name in names])
    text = str(refusal.value)
    assert len(refusal.value.faults) == 9
    assert "its second" in text and "from 1 to 3" in text and "forecast 2: next_run" in text
    assert "lower <= median" in text


@pytest.mark.parametrize(
    "quantiles",
    [{}, {"probs": [0.5]}, {"probs": [0.5, 0.4], "loss": [1, 2]}, {"probs": [0, 1], "loss": [1, 2]}, [1]],
)
def test_broken_quantiles_are_refused(tmp_path: Path, quantiles: Any) -> None:
    records = registered(tmp_path, {"next_run": told(), "quantiles": quantiles})
    with pytest.raises(InputError, match="forecast 1"):
        score_register(records, [Outcome(forecast="1", loss=2.0)])


def test_outcomes_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "actual.csv"
    path.write_text('\ufeffforecast, loss ,remark\r\n1,2.5,"two\nlines"\r\n abc123 ,2.4e0,\r\n', newline="")
    one, two = read_outcomes(path)
    assert (one.forecast, one.loss, one.line) == ("1", 2.5, 2)
    assert (two.forecast, two.loss, two.line) == ("abc123", 2.4, 4)


def test_faults_of_the_file_are_listed_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "actual.csv"
    path.write_text("forecast,loss\n1,2.5\n,2.5\n2,\n3,nan\n4,-1\n5,0\n6,1e999\n7,two\n,\n8,2B\n")
    with pytest.raises(TableError) as refusal:
        read_outcomes(path)
    assert [fault.line for fault in refusal.value.faults] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert str(refusal.value.faults[1]).startswith(f"{path} line 4: loss = (empty); ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("number,loss\n1,2\n", "Add or rename forecast"),
        ("forecast\n1\n", "Add or rename loss"),
        ("forecast,loss\n", "actual.csv"),
        ("", "actual.csv"),
        ("forecast;loss\n1;2\n", "semicolons"),
        ("forecast,loss\n1,2,3\n", "line 2"),
        ("forecast,loss,loss\n1,2,3\n", "unique"),
    ],
)
def test_files_that_are_no_outcomes(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "actual.csv"
    path.write_text(content)
    with pytest.raises(TableError) as refusal:
        read_outcomes(path)
    assert words in str(refusal.value)


def test_a_missing_file_of_outcomes(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="No such file"):
        read_outcomes(tmp_path / "actual.csv")
