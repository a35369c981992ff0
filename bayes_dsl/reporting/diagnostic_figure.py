"""The figure of a sampling run: a trace and a rank plot for each parameter of the law and of the noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xarray as xr
from arviz_plots import PlotCollection, plot_rank, plot_trace
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.reporting.style import CHAINS, QUIET, TARGET

ROW_INCHES = 1.35
MOST_IN_ONE_COLUMN = 4
LOG_FACTOR = 30.0
"""A positive parameter that spans more than this factor is traced on a logarithmic axis."""
RANK_PROB = 0.99
"""A rank plot marks what well-mixed chains would show with at most 1 % probability."""


def diagnostic_figure(posterior: Posterior) -> Figure:
    """The figure that `plot_diagnostics` writes: 1200 x 800 pixels, taller for a law of many parameters."""
    names = shown_names(posterior)
    across = 1 if len(names) <= MOST_IN_ONE_COLUMN else 2
    rows = math.ceil(len(names) / across)
    figure = Figure(figsize=(12.0, max(8.0, 1.4 + ROW_INCHES * rows)), layout="constrained")
    grid = np.asarray(figure.subplots(rows, 2 * across, squeeze=False))
    # Down the left half first, then down the right one.
    places = [(position % rows, 2 * (position // rows)) for position in range(rows * across)]
    for row, column in places[len(names) :]:
        for axes in grid[row, column : column + 2]:
            axes.set_axis_off()
    for offset, plot in ((0, plot_trace), (1, plot_rank)):
        panels = {
            name: grid[row, column + offset] for name, (row, column) in zip(names, places, strict=False)
        }
        _draw(plot, posterior, figure, panels)
    for position, (name, (row, column)) in enumerate(zip(names, places, strict=False)):
        last = row == rows - 1 or position == len(names) - 1
        _tidy(grid[row, column], grid[row, column + 1], name, last=last)
    _describe(figure, posterior, names)
    return figure


def shown_names(posterior: Posterior) -> list[str]:
    """The scalars of the posterior group that can be drawn: the law's parameters first, then the noise."""
    group = posterior.tree["posterior"]
    scalars = [str(name) for name, draws in group.data_vars.items() if draws.ndim == 2]
    law = [name for name in posterior.law.names if name in scalars]
    every = law + [name for name in scalars if name not in law]
    return [name for name in every if np.isfinite(np.asarray(group[name])).all()]


def _draw(plot: Any, posterior: Posterior, figure: Figure, panels: dict[str, Axes]) -> None:
    """Let ArviZ draw one kind of plot on panels of ours, so that pyplot never hears of the figure."""
    tree = posterior.tree
    draws = tree["posterior"].to_dataset()[list(panels)]
    targets = xr.DataTree.from_dict(
        {
            "/": xr.Dataset({"figure": _boxed(figure)}),
            "/plot": xr.Dataset({name: _boxed(axes) for name, axes in panels.items()}),
        }
    )
    collection = PlotCollection(
        draws,
        targets,
        backend="matplotlib",
        aes={"color": ["chain"], "overlay": ["chain"]},
        color=list(CHAINS),
    )
    shown = xr.DataTree.from_dict({"/posterior": draws, "/sample_stats": tree["sample_stats"].to_dataset()})
    visuals: dict[str, Any] = {"title": False, "xlabel": False}
    if plot is plot_rank:
        extra = {"envelope_prob": RANK_PROB}
        visuals |= {"ecdf_lines": {"width": 1.2}}
    else:
        extra = {}
        visuals |= {"trace": {"width": 0.6, "alpha": 0.8}, "divergence": {"color": TARGET, "size": 60}}
    plot(
        shown,
        var_names=list(panels),
        sample_dims=["chain", "draw"],
        plot_collection=collection,
        visuals=visuals,
        **extra,
    )


def _boxed(value: Any) -> xr.DataArray:
    box = np.empty((), dtype=object)
    box[()] = value
    return xr.DataArray(box)


def _tidy(trace: Axes, rank: Axes, name: str, *, last: bool) -> None:
    trace.set_title(name, loc="left", fontsize=12.5)
    values = np.concatenate([line.get_ydata() for line in trace.lines])
    if values.min() > 0 and values.max() > LOG_FACTOR * values.min():
        trace.set_yscale("log")
        trace.yaxis.set_minor_formatter(NullFormatter())
        trace.yaxis.set_major_locator(LogLocator(numticks=4))
    else:
        trace.yaxis.set_major_locator(MaxNLocator(3))
    rank.axhline(0.0, color=QUIET, lw=0.8, zorder=0)
    for axes in (trace, rank):
        axes.tick_params(labelsize=11, labelbottom=last)
    for text in rank.texts:
        text.set(fontsize=10, text=text.get_text().split("(")[0].replace("=", " = "))
    if last:
        trace.set_xlabel("draw")
        rank.set_xlabel("rank")


def _describe(figure: Figure, posterior: Posterior, names: list[str]) -> None:
    chains = posterior.tree["posterior"].sizes["chain"]
    group = posterior.tree["posterior"]
    undrawn = [str(n) for n, d in group.data_vars.items() if d.ndim == 2 and str(n) not in names]
    words = (
        "Left of each pair the trace: chains that agree are interwoven. Right, how far each chain's ranks\n"
        "are from even: near zero in chains that agree. p: how often these would look so uneven; "
        f"marked black below {1 - RANK_PROB:.2g}."
    )
    if undrawn:
        words += f"\nNot drawn, beyond the largest number: {', '.join(undrawn)}."
    verdict = "Health gate passed" if posterior.healthy else "HEALTH GATE NOT PASSED"
    figure.suptitle(
        f"{verdict}: {posterior.diagnostics.line()}",
        fontsize=14,
        color="black" if posterior.healthy else TARGET,
    )
    handles = [Line2D([], [], color=CHAINS[chain % len(CHAINS)], lw=2.5) for chain in range(chains)]
    labels = [f"chain {chain}" for chain in range(chains)]
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=min(chains, 8), title=words)
    legend.get_title().set(fontsize=11.5, color=QUIET, multialignment="center")
