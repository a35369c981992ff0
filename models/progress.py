"""How far a sweep is and how long it still takes: a bar where somebody watches, otherwise plain lines; on stderr."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bayes_dsl.campaign import Status

Report = Callable[[Status], None]


@contextmanager
def progress(*, wanted: bool) -> Iterator[Report]:
    """Give what to call with each state; nothing is shown where it is not wanted."""
    if not wanted:
        yield lambda status: None
    elif sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _Lines()


@contextmanager
def _bar() -> Iterator[Report]:
    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def report(status: Status) -> None:
            done, left = status.core_seconds_done, status.core_seconds_left
            bar.update(task, description=in_words(status), completed=done, total=max(done + left, 1e-9))

        yield report


class _Lines:
    """A line whenever another unit is done or has failed, and one at the start."""

    def __init__(self) -> None:
        self._told: tuple[int, int] | None = None

    def __call__(self, status: Status) -> None:
        now = (len(status.done), len(status.failed))
        if now != self._told:
            self._told = now
            sys.stderr.write(in_words(status) + "\n")
            sys.stderr.flush()


def in_words(status: Status) -> str:
    """Where a sweep stands, in one line."""
    counts = status.counts
    parts = [f"{counts['done']} of {sum(counts.values())} units done"]
    parts += [f"{counts[state]} {state}" for state in ("running", "failed", "blocked") if counts[state]]
    if counts["running"] or counts["waiting"]:
        left = status.seconds_left
        parts.append("time left not known yet" if left is None else f"about {duration(left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds for people: 40 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
