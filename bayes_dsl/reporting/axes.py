"""Axes and words that several figures share."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bayes_dsl.reporting.style import QUIET, TARGET
from bayes_dsl.runs.quantities import format_quantity

KIND_WORDS = {"eti": "equal-tailed", "hdi": "highest-density"}
COUNTING_WORDS = {"non_embedding": "non-embedding parameters", "total": "parameters, embeddings included"}
CAPTION_COLUMNS = 130
"""Letters of a caption's line that a figure 12 inches wide has room for."""


def quantity_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of a logarithmic axis as people write numbers: 300M, 1B, 3B."""
    decades = np.log10(high / low)
    if decades < 0.4:
        # A logarithmic locator has no step that fits: round numbers at even distances.
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    else:
        near = (1.0, 2.0, 5.0) if decades > 0.8 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
        subs = (1.0,) if decades > 3.0 else (1.0, 3.0) if decades > 1.8 else near
        axis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value)))
    axis.set_minor_formatter(NullFormatter())


def interval_words(prob: float, kind: str) -> str:
    """What intervals are: `90 % equal-tailed credible intervals`."""
    return f"{100 * prob:.4g} % {KIND_WORDS[kind]} credible intervals"


def headline(figure: Figure, title: str, *, healthy: bool) -> None:
    """Put a title above all panels; of draws that failed their health gate it says so."""
    if not healthy:
        title = f"HEALTH GATE NOT PASSED: do not plan on these numbers\n{title}"
    figure.suptitle(title, fontsize=15, color="black" if healthy else TARGET)


def caption(
    figure: Figure, sentences: list[str], handles: list[Artist], labels: list[str], *, columns: int
) -> None:
    """Put a legend below all panels, headed by what they show, folded to the figure's width."""
    width = int(CAPTION_COLUMNS * figure.get_figwidth() / 12.0)
    words = "\n".join(line for sentence in sentences for line in textwrap.wrap(sentence, width))
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, title=words, fontsize=11.5
    )
    legend.get_title().set(fontsize=11.5, color=QUIET, multialignment="center")
