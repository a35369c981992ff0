"""What the figures of decisions show are the probabilities and the risks that were computed."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from bayes_dsl.costs.scenarios import PRETRAINING_AND_INFERENCE, TEACHER_INFERENCE
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.risk import Risk
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.reporting.comparison_grid import ComparisonGrid
from bayes_dsl.reporting.decision_figures import comparison_figure, risk_figure
from bayes_dsl.reporting.style import STYLE
from tests.posteriors import HEALTHY, posterior_around
from tests.reporting.figures import badly_placed, words_of

TRUTH = published("busbridge_corrected")


def posterior_of(diagnostics: dict[str, object] | None = None) -> Posterior:
    table = simulate(TRUTH.law, TRUTH.parameters, busbridge_study_design(), noise=Noise(), seed=1)
    return posterior_around(TRUTH.law, TRUTH.parameters, table, diagnostics=diagnostics)


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return posterior_of()


@pytest.fixture(scope="module")
def grid(posterior: Posterior) -> ComparisonGrid:
    """Probabilities that fall with the budget, from 1 to 0; the largest student cannot pay the least budget."""
    budgets, sizes = np.geomspace(1e20, 1e22, 5), np.geomspace(3e8, 3e9, 3)
    probability = np.tile(np.linspace(1.0, 0.0, 5), (3, 1))
    probability[2, 0] = np.nan
    return ComparisonGrid(
        scenario=TEACHER_INFERENCE,
        basis=basis_of(posterior),
        budgets=budgets,
        sizes=sizes,
        probability=probability,
        tokens=np.where(np.isnan(probability), np.nan, budgets / (6 * sizes[:, None])),
        asked=((1e21, 1e9),),
        asked_probability=np.array([0.456]),
    )


@pytest.fixture(scope="module")
def risk(posterior: Posterior) -> Risk:
    rng = np.random.default_rng(0)
    plans = {
        "recommended": Plan(student_params=1e9, student_tokens=5e10, teacher_params=2e9, teacher_tokens=6e10),
        "by loss": Plan(student_params=1e9, student_tokens=5e10, teacher_loss=2.1),
        "supervised": Plan(student_params=1e9, student_tokens=1e11),
    }
    best = 2.2 + 0.02 * rng.standard_normal((300, 1))
    regret = np.abs(rng.standard_normal((300, 3))) * [0.01, 0.03, 0.0]
    return Risk(
        scenario=PRETRAINING_AND_INFERENCE,
        basis=basis_of(posterior),
        plans=plans,
        cost_flops=np.full(3, 1e21),
        losses=best + regret,
        best=np.tile(best, 3),
        next_run=None,
        target_loss=2.25,
        risk_prob=0.95,
        against="pretraining-and-inference or supervised",
        notes=(),
    )


def drawn_map(posterior: Posterior, grid: ComparisonGrid) -> Figure:
    with matplotlib.rc_context(STYLE):
        return comparison_figure(posterior, grid)


def drawn_risk(posterior: Posterior, risk: Risk, prob: float = 0.9, kind: str = "eti") -> Figure:
    with matplotlib.rc_context(STYLE):
        return risk_figure(posterior, risk, prob=prob, kind=kind)


def contours(figure: Figure) -> dict[float, np.ndarray]:
    """Corners of each line contour, by its level."""
    found = [c for c in figure.axes[0].collections if isinstance(c, QuadContourSet) and not c.filled]
    return {float(c.levels[0]): c.get_paths()[0].vertices for c in found}


def test_the_map_is_the_probability(posterior: Posterior, grid: ComparisonGrid) -> None:
    figure = drawn_map(posterior, grid)
    (mesh,) = (c for c in figure.axes[0].collections if isinstance(c, QuadMesh))
    shown = np.ma.filled(mesh.get_array().astype(float), np.nan)
    assert np.array_equal(shown, grid.probability, equal_nan=True)
    assert mesh.get_clim() == (0.0, 1.0)
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_contours_are_at_10_50_and_90_percent(posterior: Posterior, grid: ComparisonGrid) -> None:
    found = contours(drawn_map(posterior, grid))
    assert set(found) == {0.1, 0.5, 0.9}
    assert found[0.5][:, 0] == pytest.approx(1e21)  # on a grid line
    ends = {level: np.interp(1 - level, np.linspace(0, 1, 5), grid.budgets) for level in found}
    for level, vertices in found.items():
        assert vertices[:, 0] == pytest.approx(ends[level], rel=1e-6)


def test_a_level_that_is_not_crossed_is_said(posterior: Posterior, grid: ComparisonGrid) -> None:
    likely = replace(
        grid, probability=np.where(np.isnan(grid.probability), np.nan, 0.4 + 0.6 * grid.probability)
    )
    figure = drawn_map(posterior, likely)
    assert set(contours(figure)) == {0.5, 0.9} and "Not crossed here: 10 %." in "\n".join(words_of(figure))
    sure = drawn_map(posterior, replace(grid, probability=np.ones((3, 5))))
    assert contours(sure) == {} and "Not crossed here: 10 %, 50 %, 90 %." in "\n".join(words_of(sure))
    assert badly_placed(sure) == []


def test_where_the_runs_end_is_hatched(posterior: Posterior, grid: ComparisonGrid) -> None:
    def zones(figure: Figure) -> list[QuadContourSet]:
        return [c for c in figure.axes[0].collections if isinstance(c, QuadContourSet) and c.filled]

    inside = drawn_map(posterior, grid)
    assert np.nanmax(grid.beyond(posterior.table)) < 0 and zones(inside) == []
    used = posterior.table.used
    largest = float(np.max(used.values("params") * used.values("tokens")))
    beyond = replace(grid, tokens=np.tile(2 * largest / grid.sizes[:, None], (1, 5)))
    (zone,) = zones(drawn_map(posterior, beyond))
    assert zone.hatches == ["//"]
    assert "student beyond the runs' sizes or compute" in words_of(drawn_map(posterior, beyond))


def test_words_of_the_map(posterior: Posterior, grid: ComparisonGrid) -> None:
    figure = drawn_map(posterior, grid)
    words = "\n".join(words_of(figure))
    for part in (
        "Distil or train, teacher-inference: where distilling wins",
        "P(distilling beats supervised training)",
        "Share of 300 posterior draws",
        "3 sizes x 5 budgets",
        "6ND: forward FLOPs per token 2 N",
        "total budget, FLOPs",
        "student's size, non-embedding parameters",
        "budget too small",
        "45.6 %",
    ):
        assert part in words
    (mark,) = (one for one in figure.axes[0].lines if one.get_label() == "asked")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1e21, 1e9)
    assert badly_placed(figure) == []


@pytest.mark.parametrize(("prob", "kind"), [(0.9, "eti"), (0.5, "hdi")])
def test_bars_and_dots_are_the_risk_s_table(posterior: Posterior, risk: Risk, prob: float, kind: str) -> None:
    figure = drawn_risk(posterior, risk, prob, kind)
    table = risk.table(prob=prob, kind=kind)
    rows = [2, 1, 0]
    for axes, what in zip(figure.axes, ("regret", "loss"), strict=True):
        (bars,) = (c for c in axes.collections if isinstance(c, LineCollection))
        segments = np.array(bars.get_segments())
        assert segments[:, 0, 0] == pytest.approx(table[f"{what}_lower"].to_numpy())
        assert segments[:, 1, 0] == pytest.approx(table[f"{what}_upper"].to_numpy())
        assert segments[:, 0, 1].tolist() == rows
        (means,) = (one for one in axes.lines if one.get_label() == "mean")
        assert means.get_xdata() == pytest.approx(table[what].to_numpy()) and list(means.get_ydata()) == rows
    marks = {one.get_label(): one.get_xdata() for axes in figure.axes for one in axes.lines}
    assert marks["largest"] == pytest.approx(risk.largest_regret)
    assert marks["at risk"] == pytest.approx(risk.loss_at_risk)
    assert [one.get_xdata()[0] for one in figure.axes[1].lines if one.get_linestyle() == ":"] == [2.25]


def test_words_of_the_risk(posterior: Posterior, risk: Risk) -> None:
    figure = drawn_risk(posterior, risk)
    words = "\n".join(words_of(figure))
    for part in (
        "What each plan risks, pretraining-and-inference",
        "recommended\n1B on 50B\nteacher 2B on 60B",
        "by loss\n1B on 50B\nteacher's loss 2.100",
        "supervised\n1B on 100B",
        "nats per token",
        "pretraining-and-inference or supervised",
        "90 % equal-tailed credible intervals over 300 draws",
        "95 % quantile of the loss",
        "target 2.25",
        "below 0.0001",
    ):
        assert part in words.replace("\n", " ") or part in words
    assert badly_placed(figure) == []
    untargeted = drawn_risk(posterior, replace(risk, target_loss=None))
    assert not any("target" in text for text in words_of(untargeted))


def test_one_plan_alone_is_drawn(posterior: Posterior, risk: Risk) -> None:
    alone = replace(
        risk,
        plans={"recommended": risk.plans["recommended"]},
        cost_flops=risk.cost_flops[:1],
        losses=risk.losses[:, :1],
        best=risk.best[:, :1],
    )
    figure = drawn_risk(posterior, alone)
    assert badly_placed(figure) == [] and len(figure.axes[0].get_yticklabels()) == 1


def test_an_unhealthy_posterior_says_so(grid: ComparisonGrid, risk: Risk) -> None:
    ill = posterior_of({**HEALTHY, "divergences": 12})
    for figure in (drawn_map(ill, grid), drawn_risk(ill, risk)):
        assert "HEALTH GATE NOT PASSED: do not plan on these numbers" in "\n".join(words_of(figure))
