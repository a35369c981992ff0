"""How figures look: matplotlib's settings while one is drawn, and colours that most eyes tell apart."""

from __future__ import annotations

from typing import Any

STYLE: dict[Any, Any] = {
    "figure.figsize": (12.0, 8.0),
    "figure.dpi": 100.0,
    "savefig.dpi": 100.0,
    "savefig.bbox": None,
    "font.size": 13.0,
    "font.family": ["DejaVu Sans"],
    "axes.titlesize": 15.0,
    "axes.labelsize": 14.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "legend.fontsize": 12.0,
    "text.usetex": False,
    # Element ids of SVG files are salted at random otherwise.
    "svg.hashsalt": "bayes-dsl",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
"""For `matplotlib.rc_context`; 1200 x 800 pixels as PNG."""

EXPECTED = "#1b6ca8"
NEXT_RUN = "#9cc3e0"
TARGET = "#c1440e"
BEYOND = "#f5f1e8"
HATCH = "#e0d8c4"
QUIET = "#5f5f5f"
CHAINS = ("#1b6ca8", "#e08214", "#3f8f4f", "#8b4fa0", "#c1440e", "#767676", "#17a0a6", "#b2a01b")
