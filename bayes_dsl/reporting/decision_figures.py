"""Figures of decisions: where distilling wins, and what each plan risks."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.risk import Risk
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.reporting.axes import COUNTING_WORDS, caption, headline, interval_words, quantity_ticks
from bayes_dsl.reporting.comparison_grid import ComparisonGrid
from bayes_dsl.reporting.style import EXPECTED, NEXT_RUN, QUIET, TARGET
from bayes_dsl.runs.quantities import format_quantity

LEVELS = {0.1: ":", 0.5: "-", 0.9: "--"}
SMALLEST = 1e-4
"""Nats per token that no law resolves: a smaller regret is not told apart from none."""
TOO_SMALL = "#d9d9d9"
WINS = LinearSegmentedColormap.from_list("distil_or_train", [TARGET, "white", EXPECTED])


def comparison_figure(posterior: Posterior, grid: ComparisonGrid) -> Figure:
    """The figure that `plot_comparison` writes, of a grid already compared."""
    figure = Figure(figsize=(12.0, 8.0), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    mesh = axes.pcolormesh(
        grid.budgets, grid.sizes, grid.probability, cmap=WINS, vmin=0.0, vmax=1.0, shading="nearest", zorder=1
    )
    axes.set_xlim(grid.budgets[0], grid.budgets[-1])
    axes.set_ylim(grid.sizes[0], grid.sizes[-1])
    axes.set_facecolor(TOO_SMALL)
    shown = _draw_levels(axes, grid)
    field = grid.beyond(posterior.table)
    outside = bool(np.nanmax(field) > 0)
    if outside:
        axes.contourf(
            grid.budgets,
            grid.sizes,
            field,
            levels=[0.0, np.nanmax(field) + 1.0],
            colors="none",
            hatches=["//"],
            zorder=2,
        )
    for (budget, size), probability in zip(grid.asked, grid.asked_probability, strict=True):
        axes.plot([budget], [size], "o", color="black", mec="white", ms=10, zorder=4, label="asked")
        axes.annotate(
            f"{100 * probability:.3g} %",
            (budget, size),
            xytext=(9, 9),
            textcoords="offset points",
            fontsize=12,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2},
            zorder=5,
        )
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=35, ticks=[0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
    bar.set_label("P(distilling beats supervised training)")
    bar.ax.set_yticklabels([f"{percent} %" for percent in (0, 10, 25, 50, 75, 90, 100)])
    axes.set_xlabel("total budget, FLOPs")
    axes.set_ylabel(f"student's size, {COUNTING_WORDS.get(posterior.counting or '', 'parameters')}")
    quantity_ticks(axes.xaxis, grid.budgets[0], grid.budgets[-1])
    quantity_ticks(axes.yaxis, grid.sizes[0], grid.sizes[-1])
    headline(
        figure, f"Distil or train, {grid.scenario.name}: where distilling wins", healthy=posterior.healthy
    )
    _describe_comparison(figure, posterior, grid, shown, outside=outside)
    return figure


def _draw_levels(axes: Axes, grid: ComparisonGrid) -> list[float]:
    """Contours of the probability; returns those that there are."""
    low, high = np.nanmin(grid.probability), np.nanmax(grid.probability)
    shown = [level for level in LEVELS if low < level < high]
    for level in shown:
        axes.contour(
            grid.budgets,
            grid.sizes,
            grid.probability,
            levels=[level],
            colors="black",
            linestyles=[LEVELS[level]],
            linewidths=2.2 if level == 0.5 else 1.6,
            zorder=3,
        )
    return shown


def _describe_comparison(
    figure: Figure, posterior: Posterior, grid: ComparisonGrid, shown: list[float], *, outside: bool
) -> None:
    handles: list[Artist] = [Line2D([], [], color="black", lw=1.8, ls=LEVELS[level]) for level in shown]
    labels = [f"{100 * level:.0f} %" for level in shown]
    handles.append(Line2D([], [], color="black", marker="o", mec="white", ms=10, lw=0))
    labels.append("asked about")
    if outside:
        handles.append(Patch(facecolor="white", edgecolor="black", hatch="//", lw=0))
        labels.append("student beyond the runs' sizes or compute")
    if np.isnan(grid.probability).any():
        handles.append(Patch(facecolor=TOO_SMALL, lw=0))
        labels.append("budget too small")
    absent = [f"{100 * level:.0f} %" for level in LEVELS if level not in shown]
    sentences = [
        f"Share of {grid.basis.draws:,} posterior draws ({posterior.law.name} law) in which the recommended distilled "
        "plan reaches a lower expected loss than the recommended supervised one of equal total compute.",
        f"{len(grid.sizes)} sizes x {len(grid.budgets)} budgets, contours between them."
        + (f" Not crossed here: {', '.join(absent)}." if absent else ""),
        f"Cost {grid.basis.cost.describe()}.",
    ]
    caption(figure, sentences, handles, labels, columns=len(labels))


def risk_figure(posterior: Posterior, risk: Risk, *, prob: float, kind: str) -> Figure:
    """The figure that `plot_risk` writes, of plans already judged."""
    table = risk.table(prob=prob, kind=kind)
    figure = Figure(figsize=(12.0, max(5.0, 3.2 + 0.85 * len(table))), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(table))[::-1]
    for axes, what, words in ((left, "regret", "regret"), (right, "loss", "expected loss")):
        axes.hlines(
            rows,
            table[f"{what}_lower"],
            table[f"{what}_upper"],
            color=NEXT_RUN,
            lw=7,
            zorder=2,
            label="interval",
        )
        axes.plot(table[what], rows, "o", color=EXPECTED, mec="white", ms=10, zorder=4, label="mean")
        axes.set_title(words, loc="left", fontsize=13.5)
        axes.set_xlabel("nats per token")
        axes.margins(y=0.5 / max(len(table) - 1, 1) if len(table) > 1 else 0.5)
        for row, mean in zip(rows, table[what], strict=True):
            axes.annotate(
                _number(mean),
                (mean, row),
                xytext=(0, 9),
                textcoords="offset points",
                # Words over a plan without regret would reach into the plans' names.
                ha="left" if mean < SMALLEST else "center",
                fontsize=11,
                zorder=5,
            )
    left.plot(table["largest_regret"], rows, "|", color=TARGET, ms=14, mew=2.2, zorder=3, label="largest")
    # Room for a number over a plan without regret.
    left.set_xlim(left=-0.06 * max(float(table["largest_regret"].max()), SMALLEST))
    right.plot(table["loss_at_risk"], rows, "|", color=QUIET, ms=14, mew=2.2, zorder=3, label="at risk")
    if risk.target_loss is not None:
        right.axvline(risk.target_loss, color=TARGET, lw=1.5, ls=":", zorder=1)
    left.set_yticks(rows, [_plan_words(name, risk.plans[name]) for name in risk.names], fontsize=11)
    headline(figure, f"What each plan risks, {risk.scenario.name}", healthy=posterior.healthy)
    _describe_risk(figure, posterior, risk, prob=prob, kind=kind)
    return figure


def _number(nats: float) -> str:
    return f"{nats:.4f}" if abs(nats) >= SMALLEST else f"below {SMALLEST:g}"


def _plan_words(name: str, plan: Plan) -> str:
    lines = [name, f"{format_quantity(plan.student_params)} on {format_quantity(plan.student_tokens)}"]
    if plan.teacher_loss is not None:
        lines.append(f"teacher's loss {plan.teacher_loss:.3f}")
    elif plan.teacher_params is not None and plan.teacher_tokens is not None:
        lines.append(
            f"teacher {format_quantity(plan.teacher_params)} on {format_quantity(plan.teacher_tokens)}"
        )
    return "\n".join(lines)


def _describe_risk(figure: Figure, posterior: Posterior, risk: Risk, *, prob: float, kind: str) -> None:
    handles: list[Artist] = [
        Line2D([], [], color=EXPECTED, marker="o", mec="white", ms=10, lw=0),
        Line2D([], [], color=NEXT_RUN, lw=7),
        Line2D([], [], color=TARGET, marker="|", ms=14, mew=2.2, lw=0),
        Line2D([], [], color=QUIET, marker="|", ms=14, mew=2.2, lw=0),
    ]
    labels = ["mean over the draws", f"{100 * prob:.4g} % interval", "largest regret of a draw"]
    labels.append(f"{100 * risk.risk_prob:.4g} % quantile of the loss")
    if risk.target_loss is not None:
        handles.append(Line2D([], [], color=TARGET, lw=1.5, ls=":"))
        labels.append(f"target {risk.target_loss:.4g}")
    sentences = [
        f"Regret: expected loss above that of each draw's best split of the same compute ({risk.against}). "
        f"{interval_words(prob, kind)} over {risk.basis.draws:,} draws, {posterior.law.name} law.",
        f"Cost {risk.basis.cost.describe()}.",
    ]
    caption(figure, sentences, handles, labels, columns=3)
