"""The figure of a sampling run shows every chain of every parameter, and what is wrong with them."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.simulate import Noise, simulate
from bayes_dsl.laws.published import published
from bayes_dsl.reporting.diagnostic_figure import diagnostic_figure, shown_names
from bayes_dsl.reporting.style import STYLE
from tests.posteriors import HEALTHY, posterior_around
from tests.reporting.figures import badly_placed, words_of

TRUTH = published("besiroglu")


def drawn(posterior: Posterior) -> Figure:
    with matplotlib.rc_context(STYLE):
        return diagnostic_figure(posterior)


def traces(figure: Figure) -> dict[str, object]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


@pytest.fixture
def posterior(small_table) -> Posterior:
    return posterior_around(TRUTH.law, TRUTH.parameters, small_table)


def test_the_law_comes_first_and_then_the_noise(small_posterior: Posterior) -> None:
    names = shown_names(small_posterior)
    assert tuple(names[:5]) == small_posterior.law.names
    assert {"sigma", "nu"} <= set(names[5:]) <= {"sigma", "nu", "noise_slope"}


def test_every_chain_is_traced_and_ranked(small_posterior: Posterior) -> None:
    figure = drawn(small_posterior)
    panels = traces(figure)
    assert set(panels) == set(shown_names(small_posterior))
    for name, axes in panels.items():
        shown = np.stack([line.get_ydata() for line in axes.lines])
        assert np.array_equal(shown, small_posterior.tree["posterior"][name].values), name
    ranks = [axes for axes in figure.axes if axes.lines and axes not in panels.values()]
    assert len(ranks) == len(panels)
    for axes in ranks:
        chains = [line for line in axes.lines if len(line.get_ydata()) > 100]
        assert len(chains) == 4
        assert all(np.max(np.abs(line.get_ydata())) < 0.2 for line in chains)
    assert figure._suptitle.get_text().startswith("Health gate passed: R-hat 1.0")
    assert "chain 3" in words_of(figure) and "chain 4" not in words_of(figure)


def test_a_chain_that_went_elsewhere_stands_out(posterior: Posterior) -> None:
    before = largest_rank_shift(drawn(posterior))
    posterior.tree["posterior"]["E"].values[1] += 0.01
    assert before < 0.15 and largest_rank_shift(drawn(posterior)) > 0.3


def largest_rank_shift(figure: Figure) -> float:
    panels = traces(figure)
    ranks = figure.axes[figure.axes.index(panels["E"]) + 1]
    return max(float(np.max(np.abs(line.get_ydata()))) for line in ranks.lines)


def test_divergences_are_marked(posterior: Posterior) -> None:
    assert not traces(drawn(posterior))["E"].collections
    posterior.tree["sample_stats"]["diverging"].values[0, [3, 50]] = True
    marks = traces(drawn(posterior))["E"].collections
    assert sorted(x for mark in marks for x in np.asarray(mark.get_offsets())[:, 0]) == [3, 50]


def test_an_unhealthy_posterior_says_so(small_table) -> None:
    ill = posterior_around(TRUTH.law, TRUTH.parameters, small_table, diagnostics={**HEALTHY, "rhat": 1.2})
    assert drawn(ill)._suptitle.get_text().startswith("HEALTH GATE NOT PASSED: R-hat 1.2")


def test_a_parameter_that_overflows_is_named_not_drawn(posterior: Posterior) -> None:
    posterior.tree["posterior"]["A"].values[0, 0] = np.inf
    figure = drawn(posterior)
    assert "A" not in traces(figure) and "B" in traces(figure)
    assert any("Not drawn, beyond the largest number: A." in words for words in words_of(figure))


def test_a_long_tail_gets_a_logarithmic_axis(posterior: Posterior) -> None:
    posterior.tree["posterior"]["B"].values[0, :5] *= 1e6
    scales = {name: axes.get_yscale() for name, axes in traces(drawn(posterior)).items()}
    assert scales["B"] == "log" and scales["A"] == scales["E"] == "linear"


def test_no_word_is_cut_off_or_covered(small_posterior: Posterior) -> None:
    assert badly_placed(drawn(small_posterior)) == []
    truth = published("busbridge_corrected")
    table = simulate(truth.law, truth.parameters, busbridge_study_design(), noise=Noise(), seed=1)
    figure = drawn(posterior_around(truth.law, truth.parameters, table))
    assert len(traces(figure)) > 15 and badly_placed(figure) == []
