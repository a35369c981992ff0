"""What several verbs say about a posterior."""

import pytest

from bayes_dsl.cli.believed import health_of, intervals_of, show_health, show_intervals, table_of
from bayes_dsl.cli.json_keys import HealthKeys
from bayes_dsl.inference.posterior import Posterior


def test_the_intervals_are_the_posterior_s(small_posterior: Posterior) -> None:
    found = {one.parameter: one for one in intervals_of(small_posterior, prob=0.5, kind="hdi")}
    frame = small_posterior.interval(prob=0.5, kind="hdi")
    assert set(small_posterior.law.names) < set(found) == set(frame.index)
    assert found["E"].lower == frame.loc["E", "lower"] and found["E"].prob == 0.5


def test_the_title_states_probability_and_kind(
    small_posterior: Posterior, capsys: pytest.CaptureFixture[str]
) -> None:
    show_intervals(intervals_of(small_posterior, prob=0.8, kind="hdi"))
    assert "80 % highest-density intervals (hdi)" in capsys.readouterr().out


def test_problems_are_said(small_posterior: Posterior, capsys: pytest.CaptureFixture[str]) -> None:
    health = health_of(small_posterior)
    show_health(health)
    assert capsys.readouterr().out == f"Health: passed ({health.line})\n"
    ill = HealthKeys(**{**health.model_dump(), "healthy": False, "problems": ["too short."]})
    show_health(ill)
    assert capsys.readouterr().out == f"Health: NOT PASSED ({health.line})\n  too short.\n"
    show_health(ill, problems=False)
    assert "too short" not in capsys.readouterr().out


def test_the_table_is_named(small_posterior: Posterior) -> None:
    table = table_of(small_posterior)
    assert (table.rows, table.used, table.sha256) == (60, 60, small_posterior.table.sha256)
