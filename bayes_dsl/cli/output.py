"""How results are printed: tables and sentences for people, JSON for machines, both on stdout."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from io import StringIO

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayes_dsl.cli.failures import printable

_WIDE = 200
"""Columns of a page that is no terminal, so that a pipe or a file gets whole lines."""


def say(text: str = "") -> None:
    """Print one sentence, however long, as one line."""
    sys.stdout.write(printable(text) + "\n")


def say_all(heading: str, sentences: Iterable[str]) -> None:
    """Print sentences under a heading, an indented line each, or nothing where there are none."""
    lines = list(sentences)
    if lines:
        say()
        say(heading)
    for line in lines:
        say(f"  {line}")


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> None:
    """Print a table under its title; the first `left` columns are flush left, the others flush right.

    As wide as the terminal at most; what does not fit is folded, never cut.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for position, name in enumerate(header):
        table.add_column(Text(name), justify="left" if position < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
    page = StringIO()
    Console(file=page, width=width, highlight=False, markup=False, emoji=False).print(table)
    lines = [line.rstrip() for line in page.getvalue().splitlines()]
    text = "\n".join(lines).rstrip()
    if "utf" not in (sys.stdout.encoding or "").lower():
        text = text.replace("─", "-")
    sys.stdout.write(f"\n{printable(title)}\n{text}\n")


def print_json(report: BaseModel | Sequence[BaseModel]) -> None:
    """Print one report, or a list of them, as JSON; a number that is not finite is null."""
    if isinstance(report, BaseModel):
        content = json.loads(report.model_dump_json())
    else:
        content = [json.loads(one.model_dump_json()) for one in report]
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for people, `-` where there is none."""
    if value is None or value != value:
        return "-"
    return f"{value:.{digits}g}"


def percent(prob: float) -> str:
    """Return a probability for people: `90 %`."""
    return f"{100 * prob:.10g} %"


def interval_in_words(prob: float, kind: str) -> str:
    """Return what the intervals of a table are: `90 % equal-tailed intervals (eti)`."""
    words = {"eti": "equal-tailed", "hdi": "highest-density"}
    return f"{percent(prob)} {words[kind]} intervals ({kind})"
