"""How far long work is and how long it still takes, on stderr and only where somebody watches."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bayes_dsl.cli.failures import INTERRUPTED

Report = Callable[[int, int], None]


@contextmanager
def sampling_progress(*, wanted: bool) -> Iterator[Report]:
    """Show a bar until the block ends; gives what to call with (iterations done, iterations in all).

    There is no bar where nobody watches: not wanted, or stderr is no terminal. After Ctrl-C the next
    call raises `KeyboardInterrupt` in whatever thread makes it, so that no chain samples on.
    """
    with _bar("compiling", "sampling", wanted=wanted) as report:
        yield report


@contextmanager
def problem_progress(what: str, *, wanted: bool) -> Iterator[Report]:
    """The same for work that is done problem by problem, under its own name."""
    with _bar(what, what, wanted=wanted) as report:
        yield report


@contextmanager
def _bar(first: str, then: str, *, wanted: bool) -> Iterator[Report]:
    with _interruptible() as check:
        if not wanted or not sys.stderr.isatty():
            yield lambda done, total: check()
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
            task = progress.add_task(first, total=None)

            def report(done: int, total: int) -> None:
                check()
                progress.update(task, description=then, completed=done, total=total)

            yield report


@contextmanager
def _interruptible() -> Iterator[Callable[[], None]]:
    """Give a check that raises once Ctrl-C was pressed: Python itself tells only the main thread.

    A second Ctrl-C ends the process at once, for a compilation under way can be ended by nothing else.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    stopped = threading.Event()

    def stop(*_: object) -> None:
        if stopped.is_set():
            show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{show_cursor}\nbayes-dsl: ended at once.\n")
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        stopped.set()
        raise KeyboardInterrupt

    def check() -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)
