"""The figure of a back-test: how often intervals held, and how sharp forecasts were, by distance."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bayes_dsl.reporting.axes import caption, headline
from bayes_dsl.reporting.style import CHAINS, QUIET
from bayes_dsl.validation.backtest import Backtest

MARKS = "osD^vP"


def backtest_figure(found: Backtest) -> Figure:
    """The figure that `plot_backtest` writes."""
    figure = Figure(figsize=(12.0, 7.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    table = found.by_distance()
    places = list(dict.fromkeys(table["distance"]))
    methods = list(dict.fromkeys(found.rows["method"]))
    scored = bool(np.isfinite(table["crps"]).any())
    for i, method in enumerate(methods):
        rows = table[table["method"] == method]
        x = np.array([places.index(place) for place in rows["distance"]]) + 0.12 * (
            i - (len(methods) - 1) / 2
        )
        coverage = rows["coverage"].to_numpy()
        # With many runs a cluster the mean may lie outside an interval for rounded hits by a hair.
        below = np.maximum(coverage - rows["coverage_lower"].to_numpy(), 0.0)
        above = np.maximum(rows["coverage_upper"].to_numpy() - coverage, 0.0)
        look = {"color": CHAINS[i % len(CHAINS)], "marker": MARKS[i % len(MARKS)], "ms": 8}
        left.errorbar(x, coverage, yerr=[below, above], ls="none", elinewidth=1.2, label=method, **look)
        values = rows["crps" if scored else "width"].to_numpy()
        right.plot(x, 1e3 * values, ls=":", **look)
    left.axhline(found.prob, color=QUIET, lw=1.0, ls="--", zorder=0)
    left.annotate(
        f"promised {found.prob:g}",
        (1.0, found.prob),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
    )
    left.set_ylim(-0.03, 1.03)
    left.set_ylabel(f"Coverage of {100 * found.prob:g} % intervals")
    right.set_yscale("log")
    for ticks in (right.yaxis.set_major_formatter, right.yaxis.set_minor_formatter):
        ticks(FuncFormatter(lambda value, _: f"{value:g}"))
    right.set_ylabel("CRPS of ln loss / 1e-3" if scored else "Width of the interval of ln loss / 1e-3")
    for axes in (left, right):
        _distances(axes, places, found)
    healthy = bool(found.rows["healthy"].all())
    headline(figure, f"{found.source}: larger runs, forecast from smaller ones", healthy=healthy)
    origins = ", ".join(f"{factor:g}x" for factor in dict.fromkeys(found.rows["factor"]))
    sentences = [
        f"Runs above 1/{origins.replace('x, ', ', 1/').removesuffix('x')} of the largest {found.by} were held out, "
        f"seed {found.seed}. Every cluster of runs (a group, a teacher or a configuration) counts once.",
        "Bars are exact 90 % binomial intervals over clusters. Smaller CRPS is better.",
    ]
    caption(figure, sentences, *left.get_legend_handles_labels(), columns=len(methods))
    return figure


def _distances(axes: Axes, places: list[str], found: Backtest) -> None:
    axes.set_xticks(range(len(places)), places)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel(f"{found.by.capitalize()} over the largest known")
