"""Ticks read as people write numbers; words over and under the panels stay on the figure."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bayes_dsl.reporting.axes import caption, headline, interval_words, quantity_ticks
from tests.reporting.figures import badly_placed, words_of


def ticks(low: float, high: float) -> list[str]:
    figure = Figure()
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    quantity_ticks(axes.yaxis, low, high)
    FigureCanvasAgg(figure).draw()
    labels = axes.get_yticklabels()
    return [one.get_text() for one in labels if low * 0.999 <= one.get_position()[1] <= high * 1.001]


@pytest.mark.parametrize(
    ("low", "high", "some"),
    [
        (1e7, 1e12, {"10M", "1B", "1T"}),
        (1e8, 2e10, {"100M", "300M", "1B", "3B", "10B"}),
        (1e9, 9e9, {"1B", "2B", "5B"}),
        (1e9, 4e9, {"1B", "1.5B", "2B", "3B"}),
        (4.2e10, 6.1e10, {"45B", "50B", "55B", "60B"}),
        (1e20, 1e22, {"1e20", "3e20", "1e21"}),
    ],
)
def test_ticks_are_numbers_as_people_write_them(low: float, high: float, some: set[str]) -> None:
    found = ticks(low, high)
    assert some <= set(found)
    assert 3 <= len(found) <= 12


def test_what_intervals_are() -> None:
    assert interval_words(0.9, "eti") == "90 % equal-tailed credible intervals"
    assert interval_words(0.995, "hdi") == "99.5 % highest-density credible intervals"


@pytest.mark.parametrize("inches", [8.0, 12.0])
def test_long_words_are_folded_to_the_figure(inches: float) -> None:
    figure = Figure(figsize=(inches, 8.0), layout="constrained")
    figure.subplots()
    headline(figure, "A title", healthy=True)
    sentence = " ".join(["a long sentence about what the bands are"] * 10)
    caption(figure, [sentence, "Another."], [Line2D([], [])], ["line"], columns=3)
    assert badly_placed(figure) == []
    assert any(words.endswith("\nAnother.") for words in words_of(figure))


def test_a_health_gate_not_passed_is_said() -> None:
    figure = Figure(layout="constrained")
    headline(figure, "A title", healthy=False)
    assert words_of(figure) == ["HEALTH GATE NOT PASSED: do not plan on these numbers\nA title"]
