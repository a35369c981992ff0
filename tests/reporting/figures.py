"""What can be said of a figure without looking: its words lie inside it and do not cover each other."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in visible_texts(figure)]


def visible_texts(figure: Figure) -> list[Text]:
    FigureCanvasAgg(figure).draw()
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if isinstance(text, Text) and text.get_text().strip()]


def badly_placed(figure: Figure) -> list[str]:
    """Words that leave the figure or cover each other (ticks apart)."""
    texts = visible_texts(figure)
    width, height = figure.canvas.get_width_height()
    ticks = {label for axes in figure.axes for label in axes.get_xticklabels(which="both")}
    ticks |= {label for axes in figure.axes for label in axes.get_yticklabels(which="both")}
    placed = [(text, text.get_window_extent()) for text in texts if text not in ticks]
    bad = [
        f"{text.get_text()!r} leaves the figure"
        for text, box in placed
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    for (one, box), (other, beside) in combinations(placed, 2):
        if box.shrunk(0.98, 0.9).overlaps(beside.shrunk(0.98, 0.9)):
            bad.append(f"{one.get_text()!r} covers {other.get_text()!r}")
    return bad
