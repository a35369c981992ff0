"""How far the sampling is and how long it still takes, on stderr and only where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[int, int], None]


@contextmanager
def sampling_progress(*, wanted: bool) -> Iterator[Report | None]:
    """Show a bar until the block ends; gives what to call with (iterations done, iterations in all).

    None where nobody watches: not wanted, or stderr is no terminal.
    """
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("compiling", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, description="sampling", completed=done, total=total)

        yield report
