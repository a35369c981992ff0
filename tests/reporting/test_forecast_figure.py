"""What the figure of a forecast shows is the forecast, the runs and where they end."""

from __future__ import annotations

import math
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from bayes_dsl.errors import ExtrapolationWarning, InputError, NotIdentified
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.reporting.forecast_figure import forecast_figure
from bayes_dsl.reporting.style import STYLE
from tests.posteriors import HEALTHY, posterior_around
from tests.reporting.figures import badly_placed, words_of

TARGET = {"student_params": 2e9, "student_tokens": 1e12}
CORRECTED = published("busbridge_corrected")


@pytest.fixture(scope="module")
def distilled_posterior() -> Posterior:
    table = simulate(CORRECTED.law, CORRECTED.parameters, busbridge_study_design(), noise=Noise(), seed=1)
    return posterior_around(CORRECTED.law, CORRECTED.parameters, table, spread=1e-3)


def drawn(posterior: Posterior, **asked: object) -> Figure:
    with matplotlib.rc_context(STYLE):
        return forecast_figure(posterior, **asked)


def points(figure: Figure) -> dict[str, np.ndarray]:
    """Tokens and losses of the runs: the quiet ones, and those that are highlighted."""
    found = [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]
    return {
        "near" if str(c.get_label()).startswith("runs within") else "others": np.asarray(c.get_offsets())
        for c in found
    }


def band(figure: Figure, label: str) -> np.ndarray:
    (found,) = (c for c in figure.axes[0].collections if c.get_label() == label)
    return found.get_paths()[0].vertices


def test_words_and_units(small_posterior: Posterior) -> None:
    figure = drawn(small_posterior, **TARGET)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "training tokens" and axes.get_xscale() == "log"
    assert axes.get_ylabel() == "loss, nats per token on held-out data"
    assert axes.get_title(loc="left") == "Loss of a supervised run of 2B parameters on 1T tokens"
    words = "\n".join(words_of(figure))
    assert "90 % equal-tailed credible intervals, chinchilla law" in words
    assert "size of a run, non-embedding parameters" in words
    assert "4 times the compute of the largest run" in words
    assert "extrapolation:\nmore tokens than any run" in words
    assert "extrapolation:\nfewer tokens than any run" in words
    assert "HEALTH" not in words
    other = "\n".join(words_of(drawn(small_posterior, **TARGET, prob=0.5, kind="hdi")))
    assert "50 % highest-density credible intervals" in other


def test_the_bands_and_the_target_are_the_forecast(small_posterior: Posterior) -> None:
    figure = drawn(small_posterior, **TARGET, prob=0.8)
    words = "\n".join(words_of(figure))
    with pytest.warns(ExtrapolationWarning):
        expected, following = (ask(small_posterior, **TARGET) for ask in (expected_loss, next_run_loss))
    for name, label, forecast in (
        ("Expected", "expected loss", expected),
        ("next run", "next run", following),
    ):
        record = forecast.records(prob=0.8)[0]
        said = f"{name} {record['median']:.3f} ({record['lower']:.3f} to {record['upper']:.3f})"
        assert said in words
        vertices = band(figure, label)
        nearest = vertices[np.argsort(np.abs(np.log(vertices[:, 0] / 1e12)), kind="stable")[:2]]
        found = np.sort(nearest[:, 1])
        assert found == pytest.approx([record["lower"], record["upper"]], abs=0.003)
    marks = [line for line in figure.axes[0].lines if set(line.get_xdata()) == {1e12}]
    lengths = sorted(float(np.ptp(line.get_ydata())) for line in marks)
    widths = [
        float(np.diff(f.interval(prob=0.8)[["lower", "upper"]].to_numpy()[0])[0])
        for f in (expected, following)
    ]
    assert lengths[1:3] == pytest.approx(widths)


def test_every_run_is_on_top_and_those_near_the_size_stand_out(small_posterior: Posterior) -> None:
    table = small_posterior.table
    shown = points(drawn(small_posterior, **TARGET))
    near = np.abs(np.log(table.values("params") / 2e9)) <= math.log(1.5)
    assert 0 < near.sum() < 60
    for name, mask in (("near", near), ("others", ~near)):
        wanted = np.column_stack([table.values("tokens"), table.values("loss")])[mask]
        assert np.array_equal(np.asarray(shown[name]), wanted)


def test_no_run_near_is_said(small_posterior: Posterior) -> None:
    figure = drawn(small_posterior, student_params=1e11)
    assert "near" not in points(figure) and len(points(figure)["others"]) == 60
    words = words_of(figure)
    assert "90 % equal-tailed credible intervals, chinchilla law; no run within 1.5x its size" in words
    assert not any("target" in text for text in words)


@pytest.mark.parametrize("tokens", [None, 1e7, 1e10, 1e15])
def test_what_lies_beyond_the_runs_is_shaded(small_posterior: Posterior, tokens: float | None) -> None:
    axes = drawn(small_posterior, student_params=2e9, student_tokens=tokens).axes[0]
    low, high = axes.get_xlim()
    spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert sorted(spans) == [pytest.approx((low, 1e9)), pytest.approx((1e11, high))]
    assert low < min(1e9, tokens or 1e9) and high > max(1e11, tokens or 1e11)


def test_a_student_is_shown_among_students_of_its_kind_of_teacher(distilled_posterior: Posterior) -> None:
    table = distilled_posterior.table
    figure = drawn(distilled_posterior, student_params=1e9, student_tokens=2e10, teacher_loss=2.2)
    shown = points(figure)
    distilled = table.values("role") == "distilled"
    assert len(shown["near"]) + len(shown["others"]) == distilled.sum()
    near = distilled & (np.abs(np.log(table.values("params") / 1e9)) <= math.log(1.5))
    same = near & (np.abs(table.values("teacher_loss") - 2.2) <= 0.1)
    assert 0 < same.sum() < near.sum() and len(shown["near"]) == same.sum()
    assert figure.axes[0].get_title(loc="left").endswith("teacher's loss 2.2")
    # Without a teacher the supervised runs, and by size the runs of teachers about as good.
    assert (
        sum(map(len, points(drawn(distilled_posterior, student_params=1e9)).values())) == (~distilled).sum()
    )
    by_size = drawn(
        distilled_posterior,
        student_params=1e9,
        student_tokens=2e10,
        teacher_params=1.821e9,
        teacher_tokens=3.642e10,
    )
    title = by_size.axes[0].get_title(loc="left")
    loss = float(title.split("loss about ")[1].rstrip(")"))
    assert loss == pytest.approx(2.26, abs=0.02)
    same = near & (np.abs(table.values("teacher_loss") - loss) <= 0.1)
    assert len(points(by_size)["near"]) == pytest.approx(same.sum(), abs=1)


def test_an_unhealthy_posterior_says_so(small_table) -> None:
    truth = published("besiroglu")
    ill = {**HEALTHY, "divergences": 12}
    posterior = posterior_around(truth.law, truth.parameters, small_table, diagnostics=ill)
    words = words_of(drawn(posterior, **TARGET))
    assert "HEALTH GATE NOT PASSED: do not plan on these numbers" in words


def test_a_question_is_checked_as_in_a_forecast(small_posterior: Posterior) -> None:
    with pytest.raises(NotIdentified):
        drawn(small_posterior, **TARGET, teacher_loss=2.1)
    with pytest.raises(InputError):
        drawn(small_posterior, student_params=-1.0)
    with pytest.raises(InputError):
        drawn(small_posterior, student_params=1e9, prob=1.5)


def test_a_table_of_one_size_and_one_number_of_tokens_is_drawn(small_table) -> None:
    truth = published("besiroglu")
    one = small_table.select(np.array([0, 0]))
    one = replace(one, columns={**one.columns, "run_id": np.array(["a", "b"], dtype=object)})
    posterior = posterior_around(truth.law, truth.parameters, one)
    figure = drawn(posterior, student_params=float(one.values("params")[0]))
    assert len(points(figure)["near"]) == 2 and badly_placed(figure) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"student_params": 1e9},
        {"student_params": 1.434e8, "student_tokens": 1.2345e11},
        {"student_params": 1e9, "student_tokens": 2e10, "teacher_loss": 2.2},
        {"student_params": 2e9, "student_tokens": 4e12, "teacher_params": 7e9, "teacher_tokens": 2e12},
        {"student_params": 1.234e12, "student_tokens": 9.876e14, "teacher_loss": 1.789, "kind": "hdi"},
        {"student_params": 1e7, "student_tokens": 1e7, "teacher_loss": 3.5, "prob": 0.995},
    ],
)
def test_no_word_is_cut_off_or_covered(distilled_posterior: Posterior, asked: dict[str, float]) -> None:
    assert badly_placed(drawn(distilled_posterior, **asked)) == []


def test_a_badly_placed_word_is_found() -> None:
    figure = Figure()
    for x, y, word in ((0.95, 0.5, "cut off at the side"), (0.1, 0.1, "below"), (0.12, 0.1, "on top")):
        figure.text(x, y, word)
    assert badly_placed(figure) == ["'cut off at the side' leaves the figure", "'below' covers 'on top'"]
