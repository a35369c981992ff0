"""The style is made of settings that matplotlib knows, and its colours differ."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import is_color_like

from bayes_dsl.reporting import style


def test_every_setting_is_one_of_matplotlib() -> None:
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context(style.STYLE):
        assert {name: matplotlib.rcParams[name] for name in ("figure.dpi", "savefig.dpi")} == {
            "figure.dpi": 100.0,
            "savefig.dpi": 100.0,
        }
    assert dict(matplotlib.rcParams) == before


def test_colours_are_colours_and_differ() -> None:
    named = [style.EXPECTED, style.NEXT_RUN, style.TARGET, style.BEYOND, style.QUIET]
    assert all(is_color_like(color) for color in (*named, *style.CHAINS))
    assert len(set(named)) == 5 and len(set(style.CHAINS)) == len(style.CHAINS)
