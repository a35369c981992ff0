"""How results are printed: tables and sentences for people, JSON for machines, both on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

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
        say(heading)
    for line in lines:
        say(f"  {line}")


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> None:
    """Print a table under its title; the first `left` columns are flush left, the others flush right."""
    table = Table(box=box.SIMPLE_HEAD, title=Text(printable(title)), title_justify="left", pad_edge=False)
    for position, name in enumerate(header):
        table.add_column(
            Text(name), justify="left" if position < left else "right", overflow="fold", no_wrap=False
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    console = Console(
        file=sys.stdout, width=None if terminal else _WIDE, highlight=False, markup=False, emoji=False
    )
    console.print(table)


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
