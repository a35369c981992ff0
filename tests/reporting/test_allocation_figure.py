"""What the figure of an allocation shows is the path: lines, bands, shares, and what is open or a bound's."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
    Scenario,
    scenario,
)
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.reporting.allocation_figure import TITLES, allocation_figure, panels_of
from bayes_dsl.reporting.allocation_path import AllocationPath, allocation_path
from bayes_dsl.reporting.style import STYLE
from bayes_dsl.runs.table import RunTable
from tests.posteriors import HEALTHY, posterior_around
from tests.reporting.figures import badly_placed, words_of

Draw = Callable[..., tuple[AllocationPath, Figure]]
CORRECTED, BESIROGLU = published("busbridge_corrected"), published("besiroglu")


@pytest.fixture(scope="module")
def distilled() -> Posterior:
    table = simulate(CORRECTED.law, CORRECTED.parameters, busbridge_study_design(), noise=Noise(), seed=1)
    return posterior_around(CORRECTED.law, CORRECTED.parameters, table, spread=2e-3)


@pytest.fixture(scope="module")
def supervised(small_table: RunTable) -> Posterior:
    return posterior_around(BESIROGLU.law, BESIROGLU.parameters, small_table)


def drawn(
    posterior: Posterior, asked: Scenario, *, budgets: list[float], size: float | None, prob: float = 0.9
) -> tuple[AllocationPath, Figure]:
    basis = basis_of(posterior, accept_unhealthy=True)
    path = allocation_path(basis, asked, budget_flops=budgets, student_params=size)
    with matplotlib.rc_context(STYLE):
        return path, allocation_figure(posterior, path, prob=prob, kind="eti")


@pytest.fixture(scope="module")
def paid(distilled: Posterior) -> tuple[AllocationPath, Figure]:
    return drawn(distilled, PRETRAINING_AND_INFERENCE, budgets=[1e21, 4e21], size=1e9, prob=0.8)


def panels(figure: Figure) -> dict[str, Axes]:
    names = {title: name for name, (title, _) in TITLES.items()}
    return {names[axes.get_title(loc="left")]: axes for axes in figure.axes}


def band(axes: Axes, label: str) -> np.ndarray:
    (found,) = (c for c in axes.collections if c.get_label() == label)
    return np.concatenate([path.vertices for path in found.get_paths()])


def line(axes: Axes, label: str) -> np.ndarray:
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return np.asarray(found.get_ydata())


def test_lines_and_bands_are_the_path_s(paid: tuple[AllocationPath, Figure]) -> None:
    path, figure = paid
    shown = panels(figure)
    assert list(shown) == panels_of(path)
    for name in ("student_tokens", "teacher_params", "teacher_tokens", "teacher_loss", "student_loss"):
        assert np.array_equal(line(shown[name], "recommended"), path.line(name))
        assert np.array_equal(line(shown[name], "asked"), path.line(name)[path.asked])
        lower, upper = path.band(name, prob=0.8, kind="eti")
        vertices = band(shown[name], "optima")
        assert {*lower, *upper} <= set(vertices[:, 1])
        marks = [one for one in shown[name].lines if one.get_linestyle() == ":"]
        assert [one.get_xdata()[0] for one in marks] == [1e21, 4e21]
    near = band(shown["teacher_params"], "near-optimal")
    assert {*np.concatenate(path.near("teacher_params"))} <= set(near[:, 1])


def test_shares_are_stacked_to_the_whole(paid: tuple[AllocationPath, Figure]) -> None:
    path, figure = paid
    axes = panels(figure)["shares"]
    below = np.zeros(len(path.budgets))
    for purpose, share in path.shares().items():
        vertices = band(axes, purpose)
        below = below + 100 * share
        for budget, top in zip(path.budgets, below, strict=True):
            assert np.isclose(vertices[vertices[:, 0] == budget, 1], top).any()
    assert below == pytest.approx(100.0)


def test_words_and_units(paid: tuple[AllocationPath, Figure]) -> None:
    path, figure = paid
    words = "\n".join(words_of(figure))
    for part in (
        "Best split of a budget, pretraining-and-inference, student of 1B parameters",
        "80 % equal-tailed credible intervals",
        f"{len(path.budgets)} budgets on 200 of 300 draws",
        "least mean loss over the posterior, distillation law",
        "6ND: forward FLOPs per token 2 N",
        "within 0.005 nats of recommended",
        "teacher's logits",
        "total budget, FLOPs",
    ):
        assert part in words
    assert "HEALTH" not in words
    units = {name: axes.get_ylabel() for name, axes in panels(figure).items()}
    assert units["student_tokens"] == "tokens" and units["teacher_params"] == "parameters"
    assert units["teacher_loss"] == units["student_loss"] == "nats per token"
    for name, axes in panels(figure).items():
        assert axes.get_xscale() == "log"
        assert axes.get_yscale() == (
            "linear" if name in ("shares", "teacher_loss", "student_loss") else "log"
        )


def test_what_is_open_is_said_and_not_drawn(distilled: Posterior) -> None:
    _, figure = drawn(distilled, BEST_CASE, budgets=[1e21], size=1e9)
    shown = panels(figure)
    for name in ("teacher_params", "teacher_tokens"):
        assert not shown[name].lines and not shown[name].collections
        assert "open: nothing is charged for it" in shown[name].texts[0].get_text()
    assert np.isfinite(line(shown["teacher_loss"], "recommended")).all()
    assert badly_placed(figure) == []


def test_what_stands_on_a_bound_is_hatched_and_named(distilled: Posterior) -> None:
    path, figure = drawn(distilled, TEACHER_INFERENCE, budgets=[1e21], size=1e9)
    shown = panels(figure)
    hatched = [patch for patch in shown["teacher_tokens"].patches if patch.get_label() == "bound"]
    ends = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in hatched)
    assert (ends[0][0], ends[-1][1]) == (path.budgets[0], path.budgets[-1])
    (said,) = (text.get_text() for text in shown["teacher_tokens"].texts)
    assert said.startswith("set by the upper bound\n") and "not by the law" in said
    assert np.isnan(line(shown["teacher_tokens"], "recommended")).all()
    assert not [patch for patch in shown["teacher_params"].patches if patch.get_label() == "bound"]
    assert badly_placed(figure) == []


def test_what_lies_beyond_the_runs_is_shaded(supervised: Posterior) -> None:
    path, figure = drawn(supervised, SUPERVISED_TRAINING, budgets=[3e21], size=1e9)
    for axes in panels(figure).values():
        (zone,) = axes.patches
        assert (zone.get_x(), zone.get_x() + zone.get_width()) == pytest.approx((3e21, path.budgets[-1]))
    assert "student beyond every run's compute" in words_of(figure)
    inside = drawn(supervised, SUPERVISED_TRAINING, budgets=[1e19], size=1e9)[1]
    assert not any(axes.patches for axes in inside.axes)
    assert "student beyond every run's compute" not in words_of(inside)


@pytest.mark.parametrize(
    ("asked", "size", "names"),
    [
        (SUPERVISED_TRAINING, 1e9, ["student_tokens", "student_loss"]),
        (SUPERVISED_TRAINING, None, ["student_params", "student_tokens", "student_loss"]),
        (
            scenario("supervised", serving_tokens=1e10),
            None,
            ["student_params", "student_tokens", "shares", "student_loss"],
        ),
    ],
)
def test_panels_without_a_teacher(
    supervised: Posterior, asked: Scenario, size: float | None, names: list[str]
) -> None:
    _, figure = drawn(supervised, asked, budgets=[1e21], size=size)
    assert list(panels(figure)) == names and badly_placed(figure) == []


def test_panels_with_a_teacher(distilled: Posterior, paid: tuple[AllocationPath, Figure]) -> None:
    path, figure = paid
    assert panels_of(path)[:3] == ["student_tokens", "student_loss", "shares"] and badly_placed(figure) == []
    path, figure = drawn(distilled, PRETRAINING_AND_INFERENCE, budgets=[1e21], size=None)
    assert panels_of(path) == [
        "student_params",
        "student_tokens",
        "shares",
        "teacher_params",
        "teacher_tokens",
        "student_loss",
    ]
    assert badly_placed(figure) == []


def test_an_unhealthy_posterior_says_so(small_table: RunTable) -> None:
    ill = {**HEALTHY, "divergences": 12}
    posterior = posterior_around(BESIROGLU.law, BESIROGLU.parameters, small_table, diagnostics=ill)
    _, figure = drawn(posterior, SUPERVISED_TRAINING, budgets=[1e21], size=1e9)
    assert "HEALTH GATE NOT PASSED: do not plan on these numbers" in "\n".join(words_of(figure))
