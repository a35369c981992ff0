"""The figure of a back-test shows what its table says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bayes_dsl.reporting.backtest_figure import backtest_figure
from bayes_dsl.reporting.plots import plot_backtest
from tests.validation.made import made


def test_coverage_and_crps_are_drawn_by_distance() -> None:
    left, right = backtest_figure(made()).axes
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["1x to 2x", "2x to 4x"]
    by_method = {container.get_label(): container.lines[0].get_ydata() for container in left.containers}
    assert by_method["misfit"].tolist() == [0.5, 1.0] and by_method["bare law"].tolist() == [0.0, 1.0]
    assert right.lines[0].get_ydata().tolist() == pytest.approx([7.0, 2.0])


def test_without_scores_the_width_is_drawn() -> None:
    _, right = backtest_figure(replace(made(), rows=made().rows.assign(crps=np.nan))).axes
    assert right.get_ylabel().startswith("Width")


def test_a_failed_gate_heads_the_figure() -> None:
    figure = backtest_figure(replace(made(), rows=made().rows.assign(healthy=False)))
    assert figure.get_suptitle().startswith("HEALTH GATE NOT PASSED")


def test_it_is_written(tmp_path: Path) -> None:
    plot_backtest(made(), tmp_path / "backtest.png")
    assert (tmp_path / "backtest.png").read_bytes().startswith(b"\x89PNG")
