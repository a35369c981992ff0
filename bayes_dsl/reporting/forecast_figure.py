"""The figure of a forecast: bands of the loss over training tokens, the runs on top, extrapolation shaded."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.forecast.result import Forecast
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.reporting.axes import COUNTING_WORDS, interval_words, quantity_ticks
from bayes_dsl.reporting.style import BEYOND, EXPECTED, HATCH, NEXT_RUN, QUIET, TARGET
from bayes_dsl.runs.quantities import format_quantity
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]

POINTS = 160
NEAR_FACTOR = 1.5
"""Runs whose size is within this factor of the asked one are highlighted."""
NEAR_TEACHER = 0.1
"""And whose teacher's loss is within so many nats per token."""
MOST_VECTOR_POINTS = 3000
WIDE_ZONE = 0.2
"""Share of the token axis from which a zone has room for words across."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What is drawn: the student and its teacher, the target if any, and how intervals are meant.

    `teacher_loss` is the teacher's own, or the median forecast of a teacher given by size; None without one.
    """

    params: float
    teacher: dict[str, float]
    unique: dict[str, float]
    teacher_loss: float | None
    tokens: float | None
    prob: float
    kind: str

    @property
    def role(self) -> str:
        return "distilled" if self.teacher else "supervised"


def forecast_figure(
    posterior: Posterior,
    *,
    student_params: float,
    student_tokens: float | None = None,
    teacher_loss: float | None = None,
    teacher_params: float | None = None,
    teacher_tokens: float | None = None,
    unique_tokens: float | None = None,
    prob: float = 0.9,
    kind: str = "eti",
) -> Figure:
    """The figure that `plot_forecast` writes; arguments as there."""
    given = {"teacher_loss": teacher_loss, "teacher_params": teacher_params, "teacher_tokens": teacher_tokens}
    teacher = {name: float(value) for name, value in given.items() if value is not None}
    target = None if student_tokens is None else float(student_tokens)
    runs = _runs_of(posterior.table.used, "distilled" if teacher else "supervised")
    seen = runs.values("tokens").astype(np.float64)
    low, high = _reach(float(seen.min()), float(seen.max()), target)
    grid = np.geomspace(low, high, POINTS)
    # The forecast checks the question, so it comes before everything else that is drawn from it.
    unique = {} if unique_tokens is None else {"unique_tokens": float(unique_tokens)}
    forecasts = _forecasts(posterior, float(student_params), grid, teacher | unique)
    asked = _Asked(
        params=float(student_params),
        teacher=teacher,
        unique=unique,
        teacher_loss=_teacher_loss(posterior, teacher),
        tokens=target,
        prob=prob,
        kind=kind,
    )
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    _draw_bands(axes, grid, forecasts, asked)
    near = _draw_runs(figure, axes, runs, posterior, asked)
    _shade_beyond(axes, seen, (low, high))
    said = [] if target is None else [_mark_target(axes, posterior, asked, target)]
    said.append(_meaning(posterior, asked, near))
    _describe(figure, axes, posterior, asked, said)
    return figure


def _reach(low: float, high: float, target: float | None) -> tuple[float, float]:
    """Ends of the token axis: the runs and the target, with room on either side for what lies beyond."""
    inside = np.log([min(low, target or low), max(high, target or high)])
    room = max(0.1 * float(inside[1] - inside[0]), np.log(2.0))
    return float(np.exp(inside[0] - room)), float(np.exp(inside[1] + room))


def _forecasts(
    posterior: Posterior, params: float, tokens: Floats, asked: dict[str, float]
) -> tuple[Forecast, Forecast]:
    """Expected loss and next run of the student on these tokens; what lies beyond the runs is shaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        return (
            expected_loss(posterior, student_params=params, student_tokens=tokens, **asked),
            next_run_loss(posterior, student_params=params, student_tokens=tokens, **asked),
        )


def _teacher_loss(posterior: Posterior, teacher: dict[str, float]) -> float | None:
    if "teacher_params" not in teacher:
        return teacher.get("teacher_loss")
    tokens = np.array([teacher["teacher_tokens"]])
    expected, _ = _forecasts(posterior, teacher["teacher_params"], tokens, {})
    return float(np.median(expected.loss))


def _runs_of(used: RunTable, role: str) -> RunTable:
    """The runs of one role, or all where there are none of it."""
    mask = np.asarray(used.values("role") == role)
    return used.select(mask) if mask.any() else used


def _draw_bands(axes: Axes, grid: Floats, forecasts: tuple[Forecast, Forecast], asked: _Asked) -> None:
    expected, following = (forecast.interval(prob=asked.prob, kind=asked.kind) for forecast in forecasts)
    for band, color, words in ((following, NEXT_RUN, "next run"), (expected, EXPECTED, "expected loss")):
        axes.fill_between(
            grid, band["lower"], band["upper"], color=color, alpha=0.55, lw=0, zorder=2, label=words
        )
    axes.plot(grid, expected["median"], color=EXPECTED, lw=1.6, zorder=2, label="median of the expected loss")


def _draw_runs(figure: Figure, axes: Axes, runs: RunTable, posterior: Posterior, asked: _Asked) -> int:
    """The runs, coloured by size; returns how many are near the asked one."""
    size, tokens, loss = (runs.values(name) for name in ("params", "tokens", "loss"))
    near = _near(runs, asked)
    smallest, largest = min(size.min(), asked.params), max(size.max(), asked.params)
    # A colour scale needs two ends; a vector file of a hundred thousand points opens nowhere.
    norm = LogNorm(smallest, max(largest, 1.01 * smallest))
    style: dict[str, Any] = {"cmap": "viridis", "norm": norm, "rasterized": len(runs) > MOST_VECTOR_POINTS}
    points = axes.scatter(
        tokens[~near], loss[~near], c=size[~near], s=24, alpha=0.65, lw=0, zorder=3, **style
    )
    if near.any():
        axes.scatter(
            tokens[near],
            loss[near],
            c=size[near],
            s=62,
            edgecolors="black",
            linewidths=1.3,
            zorder=4,
            label=f"runs {_near_words(asked)}",
            **style,
        )
    bar = figure.colorbar(points, ax=axes, pad=0.02, aspect=35)
    if bar.solids is not None:
        bar.solids.set(alpha=1.0)
    bar.set_label(f"size of a run, {COUNTING_WORDS.get(posterior.counting or '', 'parameters')}")
    quantity_ticks(bar.ax.yaxis, smallest, largest)
    return int(near.sum())


def _near(runs: RunTable, asked: _Asked) -> NDArray[np.bool_]:
    near = np.abs(np.log(runs.values("params") / asked.params)) <= np.log(NEAR_FACTOR) + 1e-9
    if asked.teacher_loss is not None:
        near &= np.abs(runs.values("teacher_loss") - asked.teacher_loss) <= NEAR_TEACHER
    return np.asarray(near)


def _near_words(asked: _Asked) -> str:
    teacher = "" if asked.teacher_loss is None else f" and {NEAR_TEACHER:g} nats of its teacher"
    return f"within {NEAR_FACTOR:g}x its size{teacher}"


def _shade_beyond(axes: Axes, seen: Floats, limits: tuple[float, float]) -> None:
    """Shade what lies outside the runs' tokens; the words stand where a falling band is not."""
    span = np.log(limits[1] / limits[0])
    for begin, end, words, height, side in (
        (limits[0], float(seen.min()), "extrapolation:\nfewer tokens", 0.02, "bottom"),
        (float(seen.max()), limits[1], "extrapolation:\nmore tokens", 0.98, "top"),
    ):
        axes.axvspan(begin, end, facecolor=BEYOND, edgecolor=HATCH, hatch="//", lw=0, zorder=0)
        axes.text(
            np.sqrt(begin * end),
            height,
            f"{words} than any run",
            transform=axes.get_xaxis_transform(),
            rotation="horizontal" if np.log(end / begin) > WIDE_ZONE * span else "vertical",
            ha="center",
            va=side,
            fontsize=11,
            color=QUIET,
            backgroundcolor=BEYOND,
            zorder=1.5,
        )


def _mark_target(axes: Axes, posterior: Posterior, asked: _Asked, tokens: float) -> str:
    """Mark the target with its two intervals; returns them in words."""
    forecasts = _forecasts(posterior, asked.params, np.array([tokens]), asked.teacher | asked.unique)
    expected, following = (forecast.records(prob=asked.prob, kind=asked.kind)[0] for forecast in forecasts)
    axes.axvline(tokens, color=TARGET, lw=1.0, ls=":", zorder=1)
    ends = [following["lower"], following["upper"]]
    axes.plot([tokens] * 2, ends, "_-", color=TARGET, lw=2, ms=13, mew=2, zorder=5)
    axes.plot([tokens] * 2, [expected["lower"], expected["upper"]], color=TARGET, lw=7, zorder=5)
    axes.plot([tokens], [expected["median"]], "o", color="white", ms=4, zorder=6)
    words = [
        f"{name} {record['median']:.3f} ({record['lower']:.3f} to {record['upper']:.3f})"
        for name, record in (("Expected", expected), ("next run", following))
    ]
    times = float(forecasts[0].extrapolation.times_largest_compute[0])
    return f"{', '.join(words)} nats per token; {_times(times)} times the compute of the largest run"


def _times(ratio: float) -> str:
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}" if ratio < 1e6 else f"{ratio:.1e}"


def _meaning(posterior: Posterior, asked: _Asked, near: int) -> str:
    words = f"{interval_words(asked.prob, asked.kind)}, {posterior.law.name} law"
    if near == 0:
        words += f"; no run {_near_words(asked)}"
    return words


def _describe(figure: Figure, axes: Axes, posterior: Posterior, asked: _Asked, said: list[str]) -> None:
    who = "distilled student" if asked.teacher else "supervised run"
    title = f"Loss of a {who} of {format_quantity(asked.params)} parameters"
    if asked.tokens is not None:
        title += f" on {format_quantity(asked.tokens)} tokens"
    if "teacher_loss" in asked.teacher:
        title += f", teacher's loss {asked.teacher_loss:.4g}"
    elif asked.teacher:
        size, taught = asked.teacher["teacher_params"], asked.teacher["teacher_tokens"]
        title += f",\nteacher of {format_quantity(size)} parameters on {format_quantity(taught)} tokens"
        title += f" (loss about {asked.teacher_loss:.3g})"
    if not posterior.healthy:
        said = ["HEALTH GATE NOT PASSED: do not plan on these numbers", *said]
    axes.set_title(title, loc="left", pad=10 + 17 * len(said))
    for line, words in enumerate(reversed(said)):
        axes.annotate(
            words,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 7 + 17 * line),
            textcoords="offset points",
            fontsize=11.5,
            color=TARGET if words.startswith("HEALTH") else QUIET,
            # Otherwise a long line would push the colour bar away.
            in_layout=False,
        )
    axes.set_xlabel("training tokens")
    axes.set_ylabel("loss, nats per token on held-out data")
    quantity_ticks(axes.xaxis, *axes.get_xlim())
    handles, labels = axes.get_legend_handles_labels()
    if asked.tokens is not None:
        handles.append(Line2D([], [], color=TARGET, marker="|", ms=17, mew=2.5, lw=0))
        labels.append("target: expected (thick), next run (thin)")
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(labels) == 4 else 3)
