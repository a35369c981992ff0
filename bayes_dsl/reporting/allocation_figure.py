"""The figure of an allocation: the best split against the budget, with its doubt and what is nearly as good."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.reporting.allocation_path import AllocationPath, Floats
from bayes_dsl.reporting.axes import caption, headline, interval_words, quantity_ticks
from bayes_dsl.reporting.style import BEYOND, CHAINS, EXPECTED, HATCH, NEXT_RUN, QUIET, TARGET
from bayes_dsl.runs.quantities import format_quantity

TITLES = {
    "student_params": ("student's size", "parameters"),
    "student_tokens": ("student's training tokens", "tokens"),
    "teacher_params": ("teacher's size", "parameters"),
    "teacher_tokens": ("teacher's training tokens", "tokens"),
    "teacher_loss": ("teacher's loss", "nats per token"),
    "student_loss": ("student's expected loss", "nats per token"),
    "shares": ("shares of the cost", "% of the cost"),
}
PURPOSES = {
    "student_training": ("student's training", CHAINS[2]),
    "teacher_logits": ("teacher's logits", CHAINS[1]),
    "teacher_training": ("teacher's training", CHAINS[3]),
    "serving": ("serving", CHAINS[5]),
}
RULES = {
    "mean": "least mean loss over the posterior",
    "quantile": "least 90 % quantile of the loss over the posterior",
    "minimax-regret": "least largest regret over the draws",
}


def allocation_figure(posterior: Posterior, path: AllocationPath, *, prob: float, kind: str) -> Figure:
    """The figure that `plot_allocation` writes, of a path already found."""
    names = panels_of(path)
    rows, columns = (1, len(names)) if len(names) <= 3 else (2, 2) if len(names) == 4 else (2, 3)
    figure = Figure(figsize=(12.0, 9.0 if rows == 2 else 6.0), layout="constrained")
    grid = np.asarray(figure.subplots(rows, columns, sharex=True, squeeze=False)).ravel()
    beyond = path.beyond(posterior.table)
    for axes, name in zip(grid, names, strict=False):
        axes.set_xscale("log")
        axes.set_xlim(path.budgets[0], path.budgets[-1])
        axes.set_title(TITLES[name][0], loc="left", fontsize=13.5)
        axes.set_ylabel(TITLES[name][1], fontsize=12)
        axes.tick_params(labelsize=11)
        if name == "shares":
            _draw_shares(axes, path)
        elif name in path.optima.undetermined:
            _say_open(axes)
            continue
        else:
            _draw_quantity(axes, path, name, prob=prob, kind=kind)
        if beyond is not None and beyond < path.budgets[-1]:
            axes.axvspan(
                beyond, path.budgets[-1], facecolor=BEYOND, edgecolor=HATCH, hatch="//", lw=0, zorder=0
            )
    for axes in grid[-columns:]:
        axes.set_xlabel("total budget, FLOPs", fontsize=12.5)
    quantity_ticks(grid[0].xaxis, path.budgets[0], path.budgets[-1])
    _describe(figure, posterior, path, names, beyond, prob=prob, kind=kind)
    return figure


def panels_of(path: AllocationPath) -> list[str]:
    """What is drawn: the student's panels first, then the teacher's."""
    free = path.student_params is None
    shares = len(path.shares()) > 1
    if not path.scenario.teacher:
        return [*["student_params"] * free, "student_tokens", *["shares"] * shares, "student_loss"]
    open_teacher = bool(path.optima.undetermined)
    last = ["teacher_loss"] if open_teacher or not free else ["student_loss"]
    first = [*["student_params"] * free, "student_tokens"]
    first += ["student_loss"] if last == ["teacher_loss"] else []
    first += ["shares"] if len(first) < 3 else []
    return [*first, "teacher_params", "teacher_tokens", *last]


def _draw_quantity(axes: Axes, path: AllocationPath, name: str, *, prob: float, kind: str) -> None:
    near, band, line = path.near(name), path.band(name, prob=prob, kind=kind), path.line(name)
    axes.fill_between(path.budgets, *near, color=NEXT_RUN, alpha=0.45, lw=0, zorder=1, label="near-optimal")
    for edge in near:
        # The draws' optima may cover the set.
        axes.plot(path.budgets, edge, color=EXPECTED, lw=0.8, ls="--", zorder=2.2, label="near-optimal")
    axes.fill_between(path.budgets, *band, color=EXPECTED, alpha=0.55, lw=0, zorder=2, label="optima")
    axes.plot(path.budgets, line, color=TARGET, lw=2, zorder=3, label="recommended")
    asked = path.asked & ~np.isnan(line)
    axes.plot(path.budgets[asked], line[asked], "o", color=TARGET, mec="white", ms=9, zorder=4, label="asked")
    for budget in path.budgets[path.asked]:
        axes.axvline(budget, color=QUIET, lw=1, ls=":", zorder=1)
    if name.endswith("_loss"):
        return
    axes.set_yscale("log")
    limited = path.limited(name, prob=prob)
    if limited.any():
        _mark_limited(axes, path, name, limited)
    shown = np.concatenate([*near, *band, line])
    if np.isfinite(shown).any():
        quantity_ticks(axes.yaxis, float(np.nanmin(shown)), float(np.nanmax(shown)))


def _mark_limited(axes: Axes, path: AllocationPath, name: str, limited: Any) -> None:
    """Hatch the budgets at which a bound of the search, not the law, sets the number, and name it."""
    edges = _edges(path.budgets)
    for position in np.flatnonzero(limited):
        axes.axvspan(
            edges[position],
            edges[position + 1],
            facecolor="none",
            edgecolor=QUIET,
            hatch="xx",
            lw=0,
            alpha=0.35,
            zorder=2.5,
            label="bound",
        )
    low, high = path.bounds(name)
    values = path.optima.values[name][:, limited]
    side, bound = ("upper", high) if np.median(np.log(values)) > np.log(low * high) / 2 else ("lower", low)
    axes.text(
        0.5,
        0.5,
        f"set by the {side} bound\n{format_quantity(bound)} of the search,\nnot by the law",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=11,
        color=QUIET,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 3, "alpha": 0.9},
        zorder=5,
    )


def _edges(budgets: Floats) -> Floats:
    """Ends of each budget's cell: half way to its neighbours."""
    middle = np.sqrt(budgets[1:] * budgets[:-1])
    return np.concatenate([budgets[:1], middle, budgets[-1:]])


def _say_open(axes: Axes) -> None:
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        "open: nothing is charged for it,\nand the law asks for\nthe teacher's loss alone",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=12,
        color=QUIET,
    )


def _draw_shares(axes: Axes, path: AllocationPath) -> None:
    shares = path.shares()
    axes.stackplot(
        path.budgets,
        *(100 * share for share in shares.values()),
        colors=[PURPOSES[purpose][1] for purpose in shares],
        labels=list(shares),
        alpha=0.75,
        lw=0,
        zorder=1,
    )
    for budget in path.budgets[path.asked]:
        axes.axvline(budget, color="white", lw=1, ls=":", zorder=2)
    axes.set_ylim(0, 100)


def _describe(
    figure: Figure,
    posterior: Posterior,
    path: AllocationPath,
    names: list[str],
    beyond: float | None,
    *,
    prob: float,
    kind: str,
) -> None:
    size = path.student_params
    run = "student" if path.scenario.teacher else "run"
    who = f"{run}'s size free" if size is None else f"{run} of {format_quantity(size)} parameters"
    headline(figure, f"Best split of a budget, {path.scenario.name}, {who}", healthy=posterior.healthy)
    first = path.recommended[0]
    drawn = path.optima.basis.draws
    handles: list[Artist] = [
        Line2D([], [], color=TARGET, lw=2, marker="o", mec="white", ms=9),
        Patch(color=EXPECTED, alpha=0.55, lw=0),
        Patch(facecolor=(NEXT_RUN, 0.45), edgecolor=EXPECTED, lw=0.8, ls="--"),
    ]
    labels = [
        "recommended (dots: asked about)",
        "the draws' own optima",
        f"within {first.near_optimal.within:g} nats of recommended",
    ]
    if "shares" in names:
        for purpose in path.shares():
            words, color = PURPOSES[purpose]
            handles.append(Patch(color=color, alpha=0.75, lw=0))
            labels.append(words)
    if beyond is not None and beyond < path.budgets[-1]:
        handles.append(Patch(facecolor=BEYOND, edgecolor=HATCH, hatch="//", lw=0))
        labels.append("student beyond every run's compute")
    of_draws = "" if drawn == path.draws else f" on {drawn} of {path.draws:,} draws (dots: on all)"
    sentences = [
        f"Recommended: {RULES[first.rule]}, {posterior.law.name} law. {len(path.budgets)} budgets{of_draws}.",
        f"Bands: {interval_words(prob, kind)} of the draws' optima; of the student's loss, the recommended split's.",
        f"Cost {first.basis.cost.describe()}.",
    ]
    caption(figure, sentences, handles, labels, columns=2 if len(labels) == 4 else 3)
